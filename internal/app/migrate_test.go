package app

import (
	"bytes"
	"database/sql"
	"testing"

	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// setSchema writes a version into a SQLite database, as another binary would.
func setSchema(t *testing.T, path string, version int) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=DELETE")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO konsulin_schema (version_id, is_applied) VALUES (?, true)", version)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestMigrateShowsAppliesAndRefusesNewer(t *testing.T) {
	t.Parallel()
	cfg := bare(t)
	v, err := Migrate(t.Context(), cfg, false, &bytes.Buffer{})
	require.NoError(t, err)
	require.False(t, v.Applied)
	require.NoDirExists(t, cfg.Storage.Dir, "only looked")
	all, err := storage.Migrations(storage.SQLite)
	require.NoError(t, err)
	require.Equal(t, all, v.Steps)

	v, err = Migrate(t.Context(), cfg, true, &bytes.Buffer{})
	require.NoError(t, err)
	require.True(t, v.Applied)
	v, err = Migrate(t.Context(), cfg, true, &bytes.Buffer{})
	require.NoError(t, err)
	require.Empty(t, v.Steps, "nothing is left")
	require.Equal(t, v.Known, v.Schema)

	setSchema(t, cfg.Storage.Dir+"/konsulin.db", 99)
	_, err = Migrate(t.Context(), cfg, true, &bytes.Buffer{})
	require.ErrorIs(t, err, storage.ErrNewer)
}
