package bench_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"
)

// What past sign-ins look like: as dense as retention lets them be, so that every table still has all of them. Links
// are kept for a week; so many sign-ins within a little less are what a very busy line would have.
const (
	pastSpan    = 156 * time.Hour // less than keep.links, so that no purge runs into the measurement
	pastJobs    = 20 * time.Hour  // of finished jobs, less than keep.jobs
	pastBudgets = 72 * time.Minute
	pastNumbers = 250_000
	pastFirst   = 6281100000000 // the first of their numbers; the others follow
)

// remember fills the database of a bot that does not run with n sign-ins, in every table that they leave rows in. The
// follow-up jobs wait, as they do while nobody works them.
func (bo *bot) remember(n int) {
	b := bo.w.B
	b.Helper()
	driver, dsn := "sqlite3", "file:"+filepath.Join(bo.data(), "konsulin.db")+"?_journal_mode=OFF&_synchronous=OFF&_cache_size=-262144"
	setup, finish, blob := pastSQLite, "PRAGMA journal_mode=WAL", "BLOB"
	if bo.engine == postgres {
		driver, dsn = "pgx", bo.dsn
		setup, finish, blob = pastPostgres, "VACUUM ANALYZE", "BYTEA" // its own background worker would do that meanwhile
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	db.SetMaxOpenConns(1) // a temporary table belongs to a connection
	values := strings.NewReplacer(
		"{n}", itoa(int64(n)), "{numbers}", itoa(pastNumbers), "{first}", itoa(pastFirst),
		"{newest}", itoa(time.Now().Add(-time.Minute).UnixMilli()), "{step}", itoa(max(1, pastSpan.Milliseconds()/int64(n))),
		"{jobs}", itoa(time.Now().Add(-pastJobs).UnixMilli()), "{budgets}", itoa(time.Now().Add(-pastBudgets).UnixMilli()),
		"{blob}", blob, "{day}", itoa(pastBudgets.Milliseconds()), "{minutes}", itoa((15 * time.Minute).Milliseconds()),
	)
	statements := []string{setup}
	names, definitions := bo.indexes(db)
	for _, name := range names { // made again afterwards: sorting is faster than inserting in random order
		statements = append(statements, "DROP INDEX "+name)
	}
	statements = append(append(append(statements, pastRows()...), definitions...), finish)
	for _, statement := range statements {
		_, err := db.ExecContext(b.Context(), values.Replace(statement))
		require.NoError(b, err, statement)
	}
}

// indexes of the tables that are filled, but for those that belong to a constraint.
func (bo *bot) indexes(db *sql.DB) (names, definitions []string) {
	b := bo.w.B
	b.Helper()
	const tables = ` IN ('messages', 'links', 'intents', 'audit', 'jobs', 'budgets')`
	query := `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name` + tables
	if bo.engine == postgres {
		query = `SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
			AND indexname NOT IN (SELECT conname FROM pg_constraint) AND tablename` + tables
	}
	rows, err := db.QueryContext(b.Context(), query)
	require.NoError(b, err)
	defer func() { require.NoError(b, rows.Close()) }()
	for rows.Next() {
		var name, definition string
		require.NoError(b, rows.Scan(&name, &definition))
		names, definitions = append(names, name), append(definitions, definition)
	}
	require.NoError(b, rows.Err())
	return names, definitions
}

// The raw material: one row for each sign-in, the oldest first, with keys in random order as real ones are.
const (
	pastSQLite = `CREATE TEMP TABLE past AS WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i < {n} - 1)
		SELECT i, '3EB0' || hex(randomblob(9)) AS reply, lower(hex(randomblob(16))) AS intent, lower(hex(randomblob(32))) AS hash,
		CAST({first} + i % {numbers} AS TEXT) AS digits, {newest} - ({n} - 1 - i) * {step} AS at FROM s`
	pastPostgres = `CREATE TEMP TABLE past AS
		SELECT i, '3EB0' || upper(left(md5(random()::text), 18)) AS reply, md5(random()::text) AS intent,
		md5(random()::text) || md5(random()::text) AS hash,
		CAST({first} + i % {numbers} AS TEXT) AS digits, {newest} - ({n} - 1 - i) * {step} AS at
		FROM generate_series(0::bigint, {n} - 1) AS i`
)

// pastRows are the statements that both engines understand. The order of ids is the order of time.
func pastRows() []string {
	const job = `INSERT INTO jobs (kind, key, serial, payload, state, attempts, run_at, created_at, finished_at, reason, user_id) `
	followUp := func(kind, serial string) string {
		return job + `SELECT '` + kind + `', intent, '` + serial + `:' || digits, CAST('{"intent":"' || intent || '","user_id":"' || intent ||
			'-user","digits":"' || digits || '","new_user":false,"at":"2026-01-01T00:00:00Z"}' AS {blob}), 'ready', 0, at, at, NULL, '', intent
			FROM past ORDER BY i`
	}
	return []string{
		`INSERT INTO messages (sender, id, at, kind, refused) SELECT digits, 'A' || reply, at, 'login', '' FROM past`,
		`INSERT INTO links (reply_id, code_id, pre_auth_hash, number, sealed, requested_at, created_at, expires_at, state, alone)
			SELECT reply, intent || '-code', hash, digits, NULL, at, at, at + {minutes}, 'consumed', 1 FROM past`,
		`INSERT INTO intents (id, reply_id, code_id, number, guest, started_at, expires_at, pre_auth, closed_at, outcome)
			SELECT intent, reply, intent || '-code', digits, '', at, at + {minutes}, '', at, 'recorded' FROM past`,
		`INSERT INTO audit_names (number, alias, at) SELECT digits, 'alias' || digits, MIN(at) FROM past GROUP BY digits`,
		`INSERT INTO audit (at, event, number, user_id, reply_id, intent_id, detail)
			SELECT at, 'link', 'alias' || digits, '', reply, '', '{}' FROM past ORDER BY i`,
		`INSERT INTO audit (at, event, number, user_id, reply_id, intent_id, detail)
			SELECT at, 'sign-in', 'alias' || digits, intent || '-user', reply, intent, '{"guest":false,"new_user":false,"reconciled":false}'
			FROM past ORDER BY i`,
		job + `SELECT 'login.answer', digits || '/A' || reply, 'login:' || digits, CAST('' AS {blob}), 'done', 0, at, at, at, '', NULL
			FROM past WHERE at > {jobs} ORDER BY i`,
		followUp("fhir.sync", "fhir"),
		followUp("contact.sync", "contact"),
		`INSERT INTO budgets (key, tat, holder) SELECT 'day:' || digits, MAX(at + {day}) * 1000000, MAX(reply) FROM past
			WHERE at > {budgets} GROUP BY digits`,
	}
}
