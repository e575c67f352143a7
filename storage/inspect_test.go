package storage

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

func TestALookTellsHowTheDatabaseStandsAndChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		require.NoError(t, b.PinKey(t.Context(), "mark", false))
		b.add(t, jobs.New{Kind: "k", Key: "1"})
		taken := b.lease(t, "me", 1, "k")
		b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
		s, err := Inspect(t.Context(), b.config)
		require.NoError(t, err)
		require.Equal(t, State{Exists: true, Schema: s.Known, Known: s.Known, KeyMark: "mark", Dead: 1}, s)
		require.NoError(t, s.TooNew())

		tenure := own(t, b.Store)
		s, err = Inspect(t.Context(), b.config)
		require.NoError(t, err)
		require.Equal(t, os.Getpid(), s.Holder.PID)
		require.NoError(t, tenure.Check(t.Context()), "looking takes nothing away")

		require.NoError(t, b.raw(t, "INSERT INTO "+versionTable+" (version_id, is_applied) VALUES (99, true)"))
		s, err = Inspect(t.Context(), b.config)
		require.NoError(t, err)
		require.ErrorIs(t, s.TooNew(), ErrNewer)
		require.EqualValues(t, 99, s.Schema)
	})
}

func TestALookMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Inspect(t.Context(), Config{Engine: SQLite, Dir: dir})
	require.NoError(t, err)
	require.False(t, s.Exists)
	require.NoDirExists(t, dir)

	s, err = Inspect(t.Context(), Config{Engine: Postgres, DSN: server.Database(t)})
	require.NoError(t, err)
	require.False(t, s.Exists)
	require.Zero(t, s.Schema)
	_, err = Inspect(t.Context(), Config{Engine: Postgres, DSN: "postgres://u:s3cr3t@127.0.0.1:1/db"})
	require.ErrorIs(t, err, ErrUnavailable)
	require.NotContains(t, err.Error(), "s3cr3t")
	_, err = Inspect(t.Context(), Config{Engine: "mysql"})
	require.ErrorContains(t, err, "unknown engine")

	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chmod(dir, 0o750))
	_, err = Inspect(t.Context(), Config{Engine: SQLite, Dir: dir})
	require.ErrorContains(t, err, "chmod 700")
}
