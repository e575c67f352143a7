package pgtest

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachTestHasItsOwnDatabaseAndNothingStays(t *testing.T) {
	t.Parallel()
	var server Server
	t.Cleanup(func() { _ = server.Close() })
	open := func() *sql.DB {
		db, err := sql.Open("pgx", server.Database(t))
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	one, two := open(), open()
	_, err := one.ExecContext(t.Context(), "CREATE TABLE mine (n BIGINT)")
	require.NoError(t, err)
	_, err = two.ExecContext(t.Context(), "SELECT n FROM mine")
	require.ErrorContains(t, err, "does not exist")
}

func TestCloseStopsTheServerAndRemovesItsFiles(t *testing.T) {
	t.Parallel()
	var server Server
	t.Run("use", func(t *testing.T) { server.Database(t) })
	dir := server.dir
	require.DirExists(t, dir)
	require.NoError(t, server.Close())
	require.NoDirExists(t, dir)
}

func TestWhatAKilledTestProcessLeftIsRemoved(t *testing.T) {
	t.Parallel()
	gone := exec.Command("true")
	require.NoError(t, gone.Run())
	left, err := os.MkdirTemp(shortTemp, fmt.Sprintf("pgtest-%d-", gone.Process.Pid))
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(left) })
	kept, err := os.MkdirTemp(shortTemp, fmt.Sprintf("pgtest-%d-", os.Getpid()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(kept) })
	sweep()
	require.NoDirExists(t, left)
	require.DirExists(t, kept)
}

func TestWithoutAServerTheMessageSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := findPrograms(t.TempDir() + "/*/bin")
	require.ErrorIs(t, err, errNoServer)
	require.ErrorContains(t, err, "apt-get install postgresql")
}
