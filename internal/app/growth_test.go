package app

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// TestEveryTableIsInTheListOfWhatGrows: a table of ours or of the WhatsApp library that docs/growth.md does not know is one
// whose growth nobody has thought about; and the list names none that is not there.
func TestEveryTableIsInTheListOfWhatGrows(t *testing.T) {
	raw, err := os.ReadFile("../../docs/growth.md")
	require.NoError(t, err)
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(raw), -1) {
		listed = append(listed, row[1])
	}
	require.NotEmpty(t, listed)
	for _, engine := range []string{storage.SQLite, storage.Postgres} {
		cfg := bare(t)
		if cfg.Storage.Engine = engine; engine == storage.Postgres {
			cfg.Storage.DSN = Secret(database.Database(t))
		}
		a, err := New(t.Context(), cfg, Options{LogTo: &bytes.Buffer{}})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, a.Close()) })                 // a second time: nothing
		_, err = openLine(t.Context(), a, struct{ whatsapp.Intake }{}, nil) // makes the library's tables
		require.NoError(t, err)
		lines, _ := a.store.LineDB()
		var there []string
		if engine == storage.Postgres {
			there = tablesOf(t, lines, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
		} else {
			const query = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
			own, err := sql.Open("sqlite3", "file:"+filepath.Join(cfg.Storage.Dir, "konsulin.db")+"?mode=ro")
			require.NoError(t, err)
			there = append(tablesOf(t, own, query), tablesOf(t, lines, query)...)
			require.NoError(t, own.Close())
			there = append(there, "line_owner") // PostgreSQL's; a file has a lock in its place
		}
		require.ElementsMatch(t, listed, there, engine)
		require.NoError(t, a.Close())
	}
}

func tablesOf(t *testing.T, db *sql.DB, query string) (names []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	return names
}
