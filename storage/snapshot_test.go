package storage

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestACopyOfABusyDatabaseIsWholeAndKeepsNobodyWaiting: whatever was committed before it is in it, with all that was
// committed together, and writing goes on.
func TestACopyOfABusyDatabaseIsWholeAndKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	_, err := b.Accept(t.Context(), accepted("before", "1", b.now()))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var writers errgroup.Group
	for w := range 4 {
		writers.Go(func() error {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := b.Accept(t.Context(), accepted(fmt.Sprint(w), fmt.Sprint(i), b.now())); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 3 {
		c, err := Snapshot(t.Context(), b.dir)
		require.NoError(t, err)
		require.Equal(t, c.State.Known, c.State.Schema)
		require.True(t, c.State.Exists)
		copied, err := Open(t.Context(), Config{Engine: SQLite, Dir: c.Dir, Now: b.now})
		require.NoError(t, err)
		of := bundle{Store: copied, clock: b.clock}
		require.Positive(t, of.count(t, "messages WHERE sender = 'before'"))
		require.Equal(t, of.count(t, "messages"), of.count(t, "jobs"), "a message and its job are committed together")
		require.NoError(t, copied.Close())
		require.NoError(t, c.Close())
		require.NoDirExists(t, c.Dir)
	}
	stop()
	require.NoError(t, writers.Wait())
}

func TestACopyIsForItsOwnerOnlyAndOneIsMadeAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	line, _ := b.LineDB()
	_, err := line.ExecContext(t.Context(), "CREATE TABLE theirs (x TEXT); INSERT INTO theirs VALUES ('secret of theirs')")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(b.dir, copyDir), 0o700))
	left := filepath.Join(b.dir, copyDir, "left over from a copy that was killed")
	require.NoError(t, os.WriteFile(left, nil, 0o600))
	c, err := Snapshot(t.Context(), b.dir)
	require.NoError(t, err)
	require.NoFileExists(t, left)
	_, err = Snapshot(t.Context(), b.dir)
	require.ErrorContains(t, err, "another backup")
	for _, name := range Files() {
		info, err := os.Stat(filepath.Join(c.Dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	require.NoError(t, c.ChangeLine(func(db *sql.DB, dialect string) error {
		require.Equal(t, "sqlite3", dialect)
		_, err := db.ExecContext(t.Context(), "DELETE FROM theirs")
		return err
	}))
	raw, err := os.ReadFile(filepath.Join(c.Dir, lineFile))
	require.NoError(t, err)
	require.NotContains(t, string(raw), "secret of theirs", "what was deleted is overwritten")
	entries, err := os.ReadDir(c.Dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "no side files: %v", entries)
	require.NoError(t, c.Close())
	_, err = Snapshot(t.Context(), b.dir)
	require.NoError(t, err, "and the next one may begin")
}

func TestWhatCannotBeCopiedIsSaid(t *testing.T) {
	t.Parallel()
	_, err := Snapshot(t.Context(), filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, ErrNoDatabase)
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.Mkdir(empty, 0o700))
	_, err = Snapshot(t.Context(), empty)
	require.ErrorIs(t, err, ErrNoDatabase)
	require.NoDirExists(t, filepath.Join(empty, copyDir))

	b := setup(t, SQLite)
	for i := range 200 {
		_, err := b.Accept(t.Context(), accepted("1", fmt.Sprint(i), b.now()))
		require.NoError(t, err)
	}
	require.NoError(t, b.Close())
	own := filepath.Join(b.dir, ownFile)
	raw, err := os.ReadFile(own)
	require.NoError(t, err)
	for i := 4096; i < len(raw); i += 4096 { // every page but the first
		copy(raw[i:], "damage damage damage damage damage")
	}
	require.NoError(t, os.WriteFile(own, raw, 0o600))
	_, err = Snapshot(t.Context(), b.dir)
	require.Error(t, err)
	s, err := Inspect(t.Context(), b.config)
	if err == nil {
		require.NotEmpty(t, s.Damage)
	}
}
