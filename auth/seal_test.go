package auth_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

func TestSealKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seal.key")
	var all sync.WaitGroup
	keys := make([][]byte, 20)
	errs := make([]error, len(keys))
	for i := range keys {
		all.Go(func() { keys[i], errs[i] = auth.LoadSealKey(path) })
	}
	all.Wait()
	for i, key := range keys {
		require.NoError(t, errs[i])
		require.Equal(t, keys[0], key, "processes that start together get the same key")
	}
	require.Len(t, keys[0], 32)
	require.NotEqual(t, make([]byte, 32), keys[0])
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left behind")
	other, err := auth.LoadSealKey(filepath.Join(t.TempDir(), "seal.key"))
	require.NoError(t, err)
	require.NotEqual(t, keys[0], other)
}

func TestSealKeyRefusesWhatIsNotASafeKey(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte("k"), 32)
	for name, file := range map[string]struct {
		content []byte
		mode    os.FileMode
	}{
		"readable by the group":  {key, 0o640},
		"readable by all":        {key, 0o604},
		"writable by the group":  {key, 0o620},
		"too short":              {key[:31], 0o600},
		"too long":               {append(bytes.Clone(key), 'k'), 0o600},
		"much too long":          {bytes.Repeat(key, 100), 0o600},
		"empty, as a full disk…": {nil, 0o600},
	} {
		path := filepath.Join(t.TempDir(), "seal.key")
		require.NoError(t, os.WriteFile(path, file.content, 0o600))
		require.NoError(t, os.Chmod(path, file.mode))
		_, err := auth.LoadSealKey(path)
		require.ErrorContains(t, err, path, name)
		require.NotContains(t, err.Error(), "kkk", name)
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(file.content, left), "%s: a refused file is not touched", name)
	}
	_, err := auth.LoadSealKey(t.TempDir())
	require.ErrorContains(t, err, "not a file")
	_, err = auth.LoadSealKey(filepath.Join(t.TempDir(), "no", "such", "directory"))
	require.Error(t, err)
}
