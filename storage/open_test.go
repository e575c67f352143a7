package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/pgtest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestTheDataDirectoryIsMadeForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "odd name?#%20", "data")
	s, err := Open(t.Context(), Config{Engine: SQLite, Dir: dir})
	require.NoError(t, err)
	_, err = s.Accept(t.Context(), accepted("1", "2", s.now()))
	require.NoError(t, err)
	line, dialect := s.LineDB()
	require.Equal(t, "sqlite3", dialect)
	_, err = line.ExecContext(t.Context(), "CREATE TABLE theirs (x INTEGER)")
	require.NoError(t, err)
	own, err := s.OwnLine(t.Context())
	require.NoError(t, err)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), entry.Name())
		names = append(names, entry.Name())
	}
	require.Subset(t, names, []string{ownFile, lineFile, ownFile + "-wal", lineFile + "-wal", lineLock})
	require.NoError(t, errors.Join(own.Release(), s.Close()))
}

func TestLooseModeRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		loosen, path string
		mode         os.FileMode
		says         string
	}{
		{"directory", "", 0o750, "run: chmod 700"},
		{"database", ownFile, 0o644, "run: chmod 600"},
		{"the line's store", lineFile, 0o640, "run: chmod 600"},
		{"a key beside it", "seal.key", 0o604, "run: chmod 600"},
	} {
		t.Run(tc.loosen, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			s, err := Open(t.Context(), Config{Engine: SQLite, Dir: dir})
			require.NoError(t, err)
			require.NoError(t, s.Close())
			path := filepath.Join(dir, tc.path)
			if tc.path == "seal.key" {
				require.NoError(t, os.WriteFile(path, nil, 0o600))
			}
			require.NoError(t, os.Chmod(path, tc.mode))
			_, err = Open(t.Context(), Config{Engine: SQLite, Dir: dir})
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, path)
		})
	}
}

func TestOpenRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	broken := t.TempDir()
	require.NoError(t, os.Chmod(broken, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(broken, ownFile), []byte(strings.Repeat("not a database ", 100)), 0o600))
	for says, c := range map[string]Config{
		"unknown engine":       {Engine: "mysql"},
		"no data directory":    {Engine: SQLite},
		"not a directory":      {Engine: SQLite, Dir: file},
		"not a database":       {Engine: SQLite, Dir: broken},
		"postgres://user:pass": {Engine: Postgres},
	} {
		_, err := Open(t.Context(), c)
		require.ErrorContains(t, err, says)
	}
}

func TestNoErrorShowsThePassword(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t/p@ss w0rd"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := listener.Addr().String()
	require.NoError(t, listener.Close())
	good := server.Database(t)
	for _, dsn := range []string{
		"postgres://u:s3cr3t%2Fp%40ss%20w0rd@" + closed + "/db",
		"postgres://u:s3cr3t%2Fp%40ss%20w0rd@127.0.0.1:notaport/db",
		"postgres://u:" + secret + "@[::1/db",
		"host=127.0.0.1 port=nonsense user=u password='" + secret + "'",
		"host=127.0.0.1 user=u password='" + secret,
		strings.Replace(good, "/t", "/missing_t", 1),
		"s3cr3t",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := Open(ctx, Config{Engine: Postgres, DSN: dsn})
		cancel()
		require.Error(t, err, dsn)
		require.NotContains(t, err.Error(), "s3cr3t")
		require.NotContains(t, err.Error(), "w0rd")
		require.NotContains(t, err.Error(), pgtest.Password)
	}
}

func TestAnAwayDatabaseIsAnErrorThatCanBeRetried(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = Open(t.Context(), Config{Engine: Postgres, DSN: "postgres://u@" + listener.Addr().String() + "/db?sslmode=disable"})
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestABusyDatabaseIsAnErrorThatCanBeRetried(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	other := openFile(filepath.Join(b.dir, ownFile), "_busy_timeout=0&_txlock=immediate", 1)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	require.NoError(t, b.raw(t, "PRAGMA busy_timeout = 10"))
	tx, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = b.Accept(t.Context(), accepted("1", "2", b.now()))
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorIs(t, b.Ping(t.Context()), ErrUnavailable)
	last, err := b.LastHuman(t.Context(), "1")
	require.NoError(t, err, "reading goes on")
	require.True(t, last.IsZero())
	require.NoError(t, tx.Rollback())
	fresh, err := b.Accept(t.Context(), accepted("1", "2", b.now()))
	require.NoError(t, err)
	require.True(t, fresh)
}

func TestAPingComesBackInTimeFromALockedDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	other := openFile(filepath.Join(b.dir, ownFile), "_busy_timeout=0&_txlock=immediate", 1)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	tx, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Ping(ctx), ErrUnavailable, "although the driver itself waits for five seconds")
	require.NoError(t, tx.Rollback())
	require.NoError(t, b.Ping(t.Context()))
}

func TestANewerDatabaseIsRefusedAndUntouched(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		require.NoError(t, b.raw(t, "INSERT INTO "+versionTable+" (version_id, is_applied) VALUES (99, true)"))
		require.NoError(t, b.Ping(t.Context()), "a process that runs is not stopped")
		var before []byte
		own := filepath.Join(b.config.Dir, ownFile)
		if b.config.Engine == SQLite {
			require.NoError(t, b.Close()) // so that everything is in the file
			var err error
			before, err = os.ReadFile(own)
			require.NoError(t, err)
		}
		_, err := Open(t.Context(), b.config)
		require.ErrorIs(t, err, ErrNewer)
		known, knownErr := Newest(b.config.Engine)
		require.NoError(t, knownErr)
		require.ErrorContains(t, err, fmt.Sprintf("version 99, this binary knows up to %d", known))
		if b.config.Engine == SQLite {
			after, err := os.ReadFile(own)
			require.NoError(t, err)
			require.Equal(t, before, after)
		}
	})
}

func TestConcurrentStartsMigrateOnce(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{SQLite, Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := Config{Engine: engine}
			if engine == SQLite {
				c.Dir = filepath.Join(t.TempDir(), "data")
			} else {
				c.DSN = server.Database(t)
			}
			var g errgroup.Group
			for range 8 {
				g.Go(func() error {
					s, err := Open(t.Context(), c)
					if err != nil {
						return err
					}
					return s.Close()
				})
			}
			require.NoError(t, g.Wait())
			s, err := Open(t.Context(), c)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			var applied int
			_, err = one(t.Context(), s.engine.reader(), "SELECT count(*) FROM "+versionTable+" WHERE version_id = 1", nil, &applied)
			require.NoError(t, err)
			require.Equal(t, 1, applied)
		})
	}
}

func TestBothEnginesHaveTheSameTablesAndColumns(t *testing.T) {
	t.Parallel()
	columns := func(s *Store, query string) []string {
		var found []string
		err := each(t.Context(), s.engine.reader(), query, nil, func(rows *sql.Rows) error {
			var column string
			err := rows.Scan(&column)
			found = append(found, column)
			return err
		})
		require.NoError(t, err)
		return found
	}
	lite := columns(setup(t, SQLite).Store, `SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'konsulin_schema' ORDER BY 1`)
	full := columns(setup(t, Postgres).Store, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT IN ('konsulin_schema', 'line_owner')
		ORDER BY (table_name || '.' || column_name) COLLATE "C"`)
	require.Equal(t, full, lite, "the owner of the line is a lock on a file on SQLite")
	require.Contains(t, lite, "jobs.serial")
}
