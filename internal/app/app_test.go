package app

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// bare is a configuration that New can open without anybody listening.
func bare(t *testing.T) Config {
	t.Helper()
	cfg := Default()
	cfg.WhatsApp.Number = "+6281234567890"
	cfg.HTTP.Listen = "127.0.0.1:0"
	cfg.Storage.Dir = filepath.Join(t.TempDir(), "data")
	cfg.Auth.CoreURI = "http://127.0.0.1:1" // nobody there: not needed to start
	return cfg
}

// TestAnotherSealKeyIsRefused: a process whose key is not the database's would refuse the links of the others.
func TestAnotherSealKeyIsRefused(t *testing.T) {
	cfg := bare(t)
	open := func(opt Options) error {
		opt.LogTo = &bytes.Buffer{}
		a, err := New(t.Context(), cfg, opt)
		if err != nil {
			return err
		}
		return a.Close()
	}
	require.NoError(t, open(Options{}))
	require.NoError(t, open(Options{}), "the same key again")
	require.NoError(t, os.Remove(filepath.Join(cfg.Storage.Dir, "seal.key")))
	require.ErrorIs(t, open(Options{}), storage.ErrOtherKey)
	require.NoError(t, open(Options{NewSealKey: true}))
	require.NoError(t, open(Options{}), "it is the database's key from now on")
}

// TestFailedStartLeavesNothingOpen: what New opened before it failed is free again.
func TestFailedStartLeavesNothingOpen(t *testing.T) {
	cfg := bare(t)
	taken := cfg
	taken.HTTP.Listen = "192.0.2.1:1" // not an address of this machine
	_, err := New(t.Context(), taken, Options{LogTo: &bytes.Buffer{}})
	require.ErrorContains(t, err, "http.listen")
	a, err := New(t.Context(), cfg, Options{LogTo: &bytes.Buffer{}})
	require.NoError(t, err, "the data directory and the sign-in are free")
	_, err = New(t.Context(), cfg, Options{LogTo: &bytes.Buffer{}})
	require.ErrorContains(t, err, "in use by another konsulin-bot")
	require.NoError(t, a.Close())
	require.NoError(t, a.Close(), "closing twice is harmless")
}
