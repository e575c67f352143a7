package storage

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What docs/adr/0002 decides, asked of the connections themselves: the driver ignores a setting that it does not know.
func TestSQLiteIsSetAsDecided(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	lite := b.engine.(*liteEngine)
	for name, tc := range map[string]struct {
		db    *sql.DB
		conns int
		want  map[string]string
	}{
		"our writer": {lite.writer.db, 1, map[string]string{
			"synchronous": "2", "busy_timeout": "5000", "foreign_keys": "1", "journal_mode": "wal", "query_only": "0", "secure_delete": "2",
			"temp_store": "2"}},
		"our readers": {lite.reads, 4, map[string]string{
			"busy_timeout": "5000", "foreign_keys": "1", "journal_mode": "wal", "query_only": "1", "temp_store": "2"}},
		"the line's file": {lite.line, 4, map[string]string{
			"synchronous": "1", "busy_timeout": "5000", "foreign_keys": "1", "journal_mode": "wal", "query_only": "0", "secure_delete": "2",
			"temp_store": "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.conns, tc.db.Stats().MaxOpenConnections)
			for range tc.conns { // all at once, so that each is another connection
				conn, err := tc.db.Conn(t.Context())
				require.NoError(t, err)
				defer func() { require.NoError(t, conn.Close()) }()
				for setting, want := range tc.want {
					var got string
					require.NoError(t, conn.QueryRowContext(t.Context(), "PRAGMA "+setting).Scan(&got), setting)
					require.Equal(t, want, got, setting)
				}
			}
		})
	}
}

func TestSQLiteTransactionsThatMayWriteTakeTheLockAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	lite := b.engine.(*liteEngine)
	for name, tc := range map[string]struct {
		db    *sql.DB
		file  string
		locks bool
	}{
		"our writer":      {lite.writer.db, ownFile, true},
		"our readers":     {lite.reads, ownFile, false},
		"the line's file": {lite.line, lineFile, true},
	} {
		t.Run(name, func(t *testing.T) {
			other := openFile(filepath.Join(b.dir, tc.file), "_busy_timeout=0", 1)
			defer func() { require.NoError(t, other.Close()) }()
			lock := func() error {
				_, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
				if err == nil {
					_, err = other.ExecContext(t.Context(), "ROLLBACK")
				}
				return classify(err)
			}
			require.NoError(t, lock(), "nobody has it")
			tx, err := tc.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			if tc.locks {
				require.ErrorIs(t, lock(), ErrUnavailable, "although nothing was read or written yet")
			} else {
				require.NoError(t, lock(), "who only reads keeps nobody from writing")
			}
			require.NoError(t, tx.Rollback())
			require.NoError(t, lock())
		})
	}
}
