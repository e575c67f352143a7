package backup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// setup makes an archive of two files and the directory that they came from.
func setup(t *testing.T) (archive []byte, m Manifest, dir string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one"), []byte("the one file"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "two"), bytes.Repeat([]byte("two "), 5000), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
	var b bytes.Buffer
	m, err := Write(&b, Manifest{Made: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), Version: "1.2.3", Schema: 4, KeyMark: "mark"},
		dir, "one", "two", "empty")
	require.NoError(t, err)
	return b.Bytes(), m, dir
}

func TestWhatWasWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	archive, m, from := setup(t)
	to := t.TempDir()
	got, err := Read(bytes.NewReader(archive), to)
	require.NoError(t, err)
	require.Equal(t, m, got)
	require.Equal(t, []string{"one", "two", "empty"}, got.Names())
	for _, name := range got.Names() {
		want, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		have, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		require.Equal(t, want, have)
		info, err := os.Stat(filepath.Join(to, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

// TestADamagedArchiveIsNeverTaken: whichever byte is changed and wherever it is cut off, Read refuses it or what it
// unpacked is what was packed.
func TestADamagedArchiveIsNeverTaken(t *testing.T) {
	t.Parallel()
	archive, m, _ := setup(t)
	parent := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		damaged := bytes.Clone(archive)
		if rapid.Bool().Draw(r, "cut") {
			damaged = damaged[:rapid.IntRange(0, len(damaged)-2*512-1).Draw(r, "length")]
		} else {
			damaged[rapid.IntRange(0, len(damaged)-1).Draw(r, "at")] ^= byte(rapid.IntRange(1, 255).Draw(r, "bits"))
		}
		dir, err := os.MkdirTemp(parent, "")
		require.NoError(t, err)
		got, err := Read(bytes.NewReader(damaged), dir)
		if err != nil {
			return
		}
		require.Equal(t, m.Names(), got.Names())
		for i, f := range got.Files {
			raw, err := describe(dir, f.Name)
			require.NoError(t, err)
			require.Equal(t, m.Files[i], raw)
		}
	})
}

func TestForeignArchivesAreRefused(t *testing.T) {
	t.Parallel()
	archive, _, dir := setup(t)
	edit := func(old, now string) []byte {
		require.Len(t, now, len(old), "the sizes in the archive stay right")
		require.Contains(t, string(archive), old)
		return []byte(strings.ReplaceAll(string(archive), old, now))
	}
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":          {nil, ErrNotABackup},
		"another file":     {[]byte("SQLite format 3\x00" + strings.Repeat("x", 4096)), ErrNotABackup},
		"a newer form":     {edit(`"format": 1`, `"format": 9`), ErrNewer},
		"a way out":        {edit(`"name": "empty"`, `"name": "../mp"`), ErrNotABackup},
		"a hidden file":    {edit(`"name": "empty"`, `"name": ".mpty"`), ErrNotABackup},
		"the same twice":   {edit(`"name": "two"`, `"name": "one"`), ErrNotABackup},
		"a wrong checksum": {edit(`"sha256": "`, `"sha265": "`), ErrDamaged},
		"cut off":          {archive[:len(archive)-3*1024], ErrDamaged},
	} {
		_, err := Read(bytes.NewReader(c.raw), t.TempDir())
		require.ErrorIs(t, err, c.want, name)
	}
	_, err := Write(&bytes.Buffer{}, Manifest{}, dir, "one", "one")
	require.ErrorIs(t, err, ErrNotABackup, "what Read would refuse is not written")
	_, err = Write(&bytes.Buffer{}, Manifest{}, dir, "absent")
	require.ErrorContains(t, err, "absent")
}
