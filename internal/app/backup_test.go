package app

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/backup"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// served is a configuration on whose data a serve has run.
func served(t *testing.T, change ...func(*Config)) Config {
	t.Helper()
	cfg := bare(t)
	for _, f := range change {
		f(&cfg)
	}
	a, err := New(t.Context(), cfg, Options{LogTo: &bytes.Buffer{}})
	require.NoError(t, err)
	require.NoError(t, a.Close())
	return cfg
}

func copyOf(t *testing.T, cfg Config) ([]byte, BackupView) {
	t.Helper()
	var b bytes.Buffer
	v, err := Backup(t.Context(), cfg, BackupOptions{Out: &b, Version: "1.2.3"})
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(cfg.Storage.Dir, "copying"))
	return b.Bytes(), v
}

func restore(cfg Config, raw []byte) error {
	_, err := Restore(context.Background(), cfg, RestoreOptions{From: bytes.NewReader(raw), Replace: true})
	return err
}

// starts says whether a serve would start on the data, with the key that is there.
func starts(t *testing.T, cfg Config) error {
	t.Helper()
	a, err := New(t.Context(), cfg, Options{LogTo: &bytes.Buffer{}})
	if err != nil {
		return err
	}
	return a.Close()
}

// TestTheKeyGoesWithTheBackupOrStaysApart: a restored database never meets a key that is not its own.
func TestTheKeyGoesWithTheBackupOrStaysApart(t *testing.T) {
	inside := served(t)
	raw, v := copyOf(t, inside)
	require.Equal(t, []string{"konsulin.db", "whatsapp.db", sealKey}, v.Names())
	require.NotEmpty(t, v.KeyMark)
	fresh := bare(t)
	require.NoError(t, restore(fresh, raw))
	require.NoError(t, starts(t, fresh), "the key came along")
	wrong := served(t) // it has a key of its own, which is replaced
	require.NoError(t, restore(wrong, raw))
	require.NoError(t, starts(t, wrong))

	place := filepath.Join(t.TempDir(), "key")
	apart := served(t, func(c *Config) { c.Auth.SealKeyFile = place })
	raw, v = copyOf(t, apart)
	require.True(t, v.KeyApart)
	require.NotContains(t, v.Names(), sealKey)
	fresh = bare(t)
	require.ErrorIs(t, restore(fresh, raw), ErrKeyMissing)
	fresh.Auth.SealKeyFile = filepath.Join(t.TempDir(), "absent")
	require.ErrorIs(t, restore(fresh, raw), ErrKeyMissing)
	require.NoError(t, os.WriteFile(fresh.Auth.SealKeyFile, bytes.Repeat([]byte("x"), 32), 0o600))
	require.ErrorIs(t, restore(fresh, raw), ErrKeyElsewhere)
	require.NoFileExists(t, filepath.Join(fresh.Storage.Dir, "konsulin.db"), "nothing was put in place")
	fresh.Auth.SealKeyFile = place
	require.NoError(t, restore(fresh, raw))
	require.NoError(t, starts(t, fresh))

	lost := bare(t)
	_, err := Restore(t.Context(), lost, RestoreOptions{From: bytes.NewReader(raw), WithoutKey: true})
	require.NoError(t, err)
	require.ErrorIs(t, starts(t, lost), storage.ErrOtherKey, "serve says what to do")
}

// newer is a backup whose database a newer binary has migrated.
func newer(t *testing.T) []byte {
	t.Helper()
	c, err := storage.Snapshot(t.Context(), served(t).Storage.Dir)
	require.NoError(t, err)
	var b bytes.Buffer
	setSchema(t, filepath.Join(c.Dir, "konsulin.db"), 99)
	_, err = backup.Write(&b, backup.Manifest{Made: time.Now()}, c.Dir, storage.Files()...)
	require.NoError(t, errors.Join(err, c.Close()))
	return b.Bytes()
}

// contents are the files of a data directory, without the lock that everybody may take.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "line.lock" {
			return err
		}
		raw, err := os.ReadFile(path)
		all[path] = string(raw)
		return err
	}))
	return all
}

// TestARefusedBackupLeavesTheDataAsItWas: whatever is wrong with it, the reason is said and not a byte is changed.
func TestARefusedBackupLeavesTheDataAsItWas(t *testing.T) {
	raw, _ := copyOf(t, served(t))
	flipped := bytes.Clone(raw)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		from  []byte
		alone bool // without leave to replace
		want  error
	}{
		"empty":           {from: nil, want: backup.ErrNotABackup},
		"another file":    {from: bytes.Repeat([]byte("x"), 4096), want: backup.ErrNotABackup},
		"cut off":         {from: raw[:len(raw)/2], want: backup.ErrDamaged},
		"a flipped bit":   {from: flipped, want: backup.ErrDamaged},
		"of a newer form": {from: bytes.Replace(raw, []byte(`"format": 1`), []byte(`"format": 2`), 1), want: backup.ErrNewer},
		"of newer tables": {from: newer(t), want: storage.ErrNewer},
		"not asked for":   {from: raw, alone: true, want: ErrOccupied},
	} {
		cfg := served(t)
		before := contents(t, cfg.Storage.Dir)
		_, err := Restore(t.Context(), cfg, RestoreOptions{From: bytes.NewReader(c.from), Replace: !c.alone})
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, before, contents(t, cfg.Storage.Dir), name)
		require.NoError(t, starts(t, cfg), name)

		empty := bare(t)
		if !c.alone {
			require.ErrorIs(t, restore(empty, c.from), c.want, name)
			require.NoError(t, starts(t, empty), "%s: nothing was put in place", name)
		}
	}
}

func TestPostgreSQLIsBackedUpByItsOwnTools(t *testing.T) {
	t.Parallel()
	cfg := bare(t)
	cfg.Storage.Engine = storage.Postgres
	_, err := Backup(t.Context(), cfg, BackupOptions{Out: &bytes.Buffer{}})
	require.ErrorIs(t, err, ErrDumpInstead)
	require.ErrorContains(t, restore(cfg, nil), "--in-place")
}
