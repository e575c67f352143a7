package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// line is a line's file with one table, and connections to it as the product has them.
func line(t *testing.T) *sql.DB {
	db := openLine(t.TempDir())
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err := db.ExecContext(t.Context(), "CREATE TABLE t (a INTEGER)")
	require.NoError(t, err)
	return db
}

func TestWritersOfTheLineTakeTurns(t *testing.T) {
	t.Parallel()
	db := line(t)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error, 2)
	go func() { _, err := db.BeginTx(ctx, nil); waits <- err }()
	go func() { _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (0)"); waits <- err }()
	select {
	case err := <-waits:
		require.NoError(t, err, "nobody fails for want of a turn")
		require.Fail(t, "two write at once")
	case <-time.After(50 * time.Millisecond):
	}
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM t").Scan(&n), "who reads does not wait")
	cancel()
	require.ErrorIs(t, <-waits, context.Canceled)
	require.ErrorIs(t, <-waits, context.Canceled)
	_, err = tx.ExecContext(t.Context(), "INSERT INTO t VALUES (1)")
	require.NoError(t, err, "who has the turn keeps it")
	require.NoError(t, tx.Commit())
	_, err = db.ExecContext(t.Context(), "INSERT INTO t VALUES (2)")
	require.NoError(t, err)
}

func TestATurnEndsHoweverItsTransactionDoes(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, db *sql.DB){
		"rolled back": func(t *testing.T, db *sql.DB) {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			require.NoError(t, tx.Rollback())
		},
		"a commit that fails": func(t *testing.T, db *sql.DB) {
			for _, s := range []string{"CREATE TABLE p (a PRIMARY KEY)", "CREATE TABLE c (a REFERENCES p DEFERRABLE INITIALLY DEFERRED)"} {
				_, err := db.ExecContext(t.Context(), s)
				require.NoError(t, err)
			}
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), "INSERT INTO c VALUES (1)")
			require.NoError(t, err)
			require.Error(t, tx.Commit())
		},
		"its context over": func(t *testing.T, db *sql.DB) {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := db.BeginTx(ctx, nil)
			require.NoError(t, err)
			cancel()
		},
		"its connection lost": func(t *testing.T, db *sql.DB) {
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			require.ErrorIs(t, conn.Raw(func(c any) error {
				_, err := c.(*turnConn).BeginTx(t.Context(), driver.TxOptions{})
				require.NoError(t, err)
				return driver.ErrBadConn // the pool closes it
			}), driver.ErrBadConn)
		},
		"one that does not begin": func(t *testing.T, db *sql.DB) {
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			_, err = conn.ExecContext(t.Context(), "BEGIN")
			require.NoError(t, err)
			_, err = conn.BeginTx(t.Context(), nil)
			require.Error(t, err, "there is one within it")
			_, err = conn.ExecContext(t.Context(), "ROLLBACK")
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		},
		"a statement that fails": func(t *testing.T, db *sql.DB) {
			_, err := db.ExecContext(t.Context(), "INSERT INTO nowhere VALUES (1)")
			require.Error(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := line(t)
			end(t, db)
			_, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (1)")
			require.NoError(t, err)
		})
	}
}

func TestManyWritersOfTheLineAllWrite(t *testing.T) {
	t.Parallel()
	db := line(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = tx.ExecContext(t.Context(), "INSERT INTO t VALUES (1)")
				if err != nil {
					t.Error(err)
				}
				if err := tx.Commit(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM t").Scan(&n))
	require.Equal(t, 200, n)
}

func TestAWriterOfTheLineIsToldThatAnotherProcessHasIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openLine(dir)
	defer func() { require.NoError(t, db.Close()) }()
	_, err := db.ExecContext(t.Context(), "CREATE TABLE t (a INTEGER)")
	require.NoError(t, err)
	other := openFile(filepath.Join(dir, lineFile), "_txlock=immediate", 1)
	defer func() { require.NoError(t, other.Close()) }()
	tx, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 10")
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "INSERT INTO t VALUES (1)")
	require.ErrorIs(t, classify(err), ErrUnavailable)
	require.NoError(t, tx.Rollback())
	_, err = conn.ExecContext(t.Context(), "INSERT INTO t VALUES (1)")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}
