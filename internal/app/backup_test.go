package app

import (
	"bytes"
	"context"
	"errors"
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
	_, err := Restore(context.Background(), cfg, RestoreOptions{From: bytes.NewReader(raw)})
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

func TestABackupOfANewerBinaryIsRefused(t *testing.T) {
	cfg := served(t)
	c, err := storage.Snapshot(t.Context(), cfg.Storage.Dir)
	require.NoError(t, err)
	var b bytes.Buffer
	setSchema(t, filepath.Join(c.Dir, "konsulin.db"), 99)
	_, err = backup.Write(&b, backup.Manifest{Made: time.Now()}, c.Dir, storage.Files()...)
	require.NoError(t, errors.Join(err, c.Close()))
	fresh := bare(t)
	require.ErrorIs(t, restore(fresh, b.Bytes()), storage.ErrNewer)
	require.NoError(t, starts(t, fresh), "nothing was put in place")
}

func TestPostgreSQLIsBackedUpByItsOwnTools(t *testing.T) {
	t.Parallel()
	cfg := bare(t)
	cfg.Storage.Engine = storage.Postgres
	_, err := Backup(t.Context(), cfg, BackupOptions{Out: &bytes.Buffer{}})
	require.ErrorIs(t, err, ErrDumpInstead)
	require.ErrorContains(t, restore(cfg, nil), "--in-place")
}
