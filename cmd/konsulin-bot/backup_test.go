package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// TestABackupIsRestored: from a file and through a pipe, with the former data kept, and not under a live serve.
func TestABackupIsRestored(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	id := d.dead(t, "a", "the server refuses it")
	file := filepath.Join(t.TempDir(), "b.tar")
	require.Contains(t, d.run(t, "backup", file), "konsulin.db, whatsapp.db")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, code, err := execute(t, "backup", file, "-c", d.config)
	require.ErrorContains(t, err, "there already")
	require.Equal(t, exitFailed, code)
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1, "no half files")

	d.run(t, "jobs", "retry", "all")
	tenure, err := d.store.OwnLine(t.Context())
	require.NoError(t, err)
	_, _, err = execute(t, "restore", file, "-c", d.config)
	var held *storage.HeldError
	require.ErrorAs(t, err, &held)
	require.NoError(t, tenure.Release())

	_, code, err = execute(t, "restore", file, "-c", d.config)
	require.ErrorContains(t, err, "--replace")
	require.Equal(t, exitFailed, code)
	require.Contains(t, d.run(t, "restore", "--replace", file), "replaced-")
	require.Contains(t, d.run(t, "jobs", "explain", "1"), "the server refuses it")
	require.EqualValues(t, 1, id)
	var v struct{ Kept string }
	require.NoError(t, json.Unmarshal([]byte(d.run(t, "restore", "--replace", file, "--json")), &v))
	require.DirExists(t, v.Kept)
	require.Contains(t, d.run(t, "restore", "--in-place"), "replies that are not sent: 0")
	require.Contains(t, d.run(t, "audit", "--event", storage.EventRestored), "replies not sent")
}

func TestWhatIsNoBackupReplacesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	d.dead(t, "a", "stays")
	bad := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.WriteFile(bad, []byte(strings.Repeat("x", 4096)), 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"not a backup":      {[]string{"restore", "--replace", bad}, exitFailed, "not a backup"},
		"no file":           {[]string{"restore"}, exitUsage, "the file to read"},
		"absent":            {[]string{"restore", "--replace", bad + "x"}, exitFailed, "no such file"},
		"both ways":         {[]string{"restore", "--in-place", bad}, exitUsage, "takes no file"},
		"backup to nothing": {[]string{"backup"}, exitUsage, "the file to write"},
		"no directory":      {[]string{"backup", filepath.Join(bad, "x")}, exitFailed, "make the file"},
	} {
		_, code, err := execute(t, append(c.args, "-c", d.config)...)
		require.ErrorContains(t, err, c.says, name)
		require.Equal(t, c.code, code, name)
	}
	require.Contains(t, d.run(t, "jobs", "list"), "stays")
}
