package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

// spy notes the statements that reach the database.
type spy struct {
	querier
	log *statements
}

type statements struct {
	mu   sync.Mutex
	seen map[string][]any
}

func (s *statements) note(query string, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[query] = args
}

func (s spy) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s.log.note(query, args)
	return s.querier.ExecContext(ctx, query, args...)
}

func (s spy) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s.log.note(query, args)
	return s.querier.QueryContext(ctx, query, args...)
}

func (s spy) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s.log.note(query, args)
	return s.querier.QueryRowContext(ctx, query, args...)
}

// spyEngine is an engine whose statements are noted.
type spyEngine struct {
	engine
	log *statements
}

func (e spyEngine) reader() querier { return spy{e.engine.reader(), e.log} }

func (e spyEngine) write(ctx context.Context, d durability, fn func(ctx context.Context, q querier) error) error {
	return e.engine.write(ctx, d, func(ctx context.Context, q querier) error { return fn(ctx, spy{q, e.log}) })
}

// login does everything that one login asks of the store, from the message to the recorded sign-in.
func login(tb testing.TB, b bundle, i int) {
	tb.Helper()
	ctx, who, reply := tb.Context(), number(tb, i), fmt.Sprint("reply ", i)
	_, err := b.Accept(ctx, accepted(who.Digits(), fmt.Sprint("message ", i), b.now()))
	require.NoError(tb, err)
	taken := b.lease(tb, "me", 4, "login.answer", "reply.send", "command.run")
	require.Len(tb, taken, 1)
	_, err = b.LastHuman(ctx, who.Digits())
	require.NoError(tb, err)
	_, err = b.LastLogin(ctx, who, reply)
	require.NoError(tb, err)
	require.Empty(tb, b.spend(tb, reply, bot.Budget{Key: "n:" + who.Digits(), Burst: 5, Every: time.Minute},
		bot.Budget{Key: "all", Burst: 1 << 30, Every: time.Microsecond}))
	_, err = b.LinkByReply(ctx, reply)
	require.ErrorIs(tb, err, auth.ErrNotFound)
	l := b.link(tb, i, reply)
	require.NoError(tb, b.LinkAlone(ctx, reply))
	b.settle(tb, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()})
	_, _, err = b.NextRun(ctx, []string{"login.answer", "reply.send", "command.run"})
	require.NoError(tb, err)
	_, err = b.LinkByPreAuth(ctx, l.PreAuthHash)
	require.NoError(tb, err)
	in := b.intent(l, fmt.Sprint("intent ", i))
	require.NoError(tb, b.BeginSignIn(ctx, in))
	require.NoError(tb, b.RecordSignIn(ctx, b.signIn(in, fmt.Sprint("user ", i))))
	_, err = b.PatientState(ctx, fmt.Sprint("user ", i))
	require.NoError(tb, err)
	_, err = b.OpenIntents(ctx, b.now())
	require.NoError(tb, err)
	_, err = b.OpenLinks(ctx, b.now(), 100)
	require.NoError(tb, err)
	_, err = b.OpenLinksOf(ctx, who)
	require.NoError(tb, err)
}

// past writes so many finished sign-ins as a million users would have left them, the unfinished jobs of B included.
// The i-th has the number 6299… so that no login of a test meets it.
func past(tb testing.TB, b bundle, n int) {
	tb.Helper()
	digits, id, blob := "'6299' || (1000000000 + i)", "'old' || (1000000000 + i)", "zeroblob(0)"
	series := fmt.Sprintf("(WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) SELECT i FROM s) AS s", n)
	if b.config.Engine == Postgres {
		blob, series = "''::bytea", fmt.Sprintf("generate_series(1, %d) AS s (i)", n)
	}
	if b.config.Engine == SQLite {
		require.NoError(tb, b.raw(tb, "PRAGMA cache_size = -200000")) // for this connection, to fill faster
	}
	at := b.now().Add(-time.Hour).UnixMilli()
	for _, statement := range []string{
		`INSERT INTO messages (sender, id, at, kind, refused) SELECT ` + digits + `, ` + id + `, $1, 'login', '' FROM ` + series,
		`INSERT INTO jobs (kind, key, serial, payload, state, attempts, run_at, created_at, finished_at, reason, user_id)
			SELECT 'login.answer', ` + id + `, 'login:' || ` + digits + `, ` + blob + `, 'done', 0, $1, $1, $1, '', NULL FROM ` + series,
		`INSERT INTO jobs (kind, key, serial, payload, state, attempts, run_at, created_at, reason, user_id)
			SELECT 'fhir.sync', ` + id + `, 'patient:' || ` + digits + `, ` + blob + `, 'ready', 0, $1, $1, '', ` + id + ` FROM ` + series,
		`INSERT INTO links (reply_id, code_id, pre_auth_hash, number, sealed, requested_at, created_at, expires_at, state, alone)
			SELECT ` + id + `, ` + id + `, ` + id + `, ` + digits + `, NULL, $1, $1, $1, 'consumed', 1 FROM ` + series,
		`INSERT INTO intents (id, reply_id, code_id, number, guest, started_at, expires_at, pre_auth, closed_at, outcome)
			SELECT ` + id + `, ` + id + `, ` + id + `, ` + digits + `, '', $1, $1, '', $1, 'recorded' FROM ` + series,
		`INSERT INTO budgets (key, tat, holder) SELECT 'n:' || ` + digits + `, $1 * 1000000, ` + id + ` FROM ` + series,
		`INSERT INTO chats (chat, human_at) SELECT ` + digits + `, $1 FROM ` + series,
		`INSERT INTO push_names (number, name, at) SELECT ` + digits + `, 'Siti', $1 FROM ` + series,
		`INSERT INTO cases (user_id, resource, number, why, candidates, state, chosen, opened_at, decided_by)
			SELECT ` + id + `, 'Patient', ` + digits + `, 'foreign', '[]', 'open', '', $1, '' FROM ` + series,
		`INSERT INTO audit_names (number, alias, at) SELECT ` + digits + `, 'alias' || ` + digits + `, $1 FROM ` + series,
		`INSERT INTO blocks (number, until, reason, by_whom, at) SELECT ` + digits + `, 0, '', '', $1 FROM ` + series,
		`INSERT INTO revocations (number, at, refused, by_whom) SELECT ` + digits + `, $1, 1, '' FROM ` + series,
		`INSERT INTO audit (at, event, number, user_id, reply_id, intent_id, detail)
			SELECT $1, 'sign-in', 'alias' || ` + digits + `, ` + id + `, ` + id + `, ` + id + `, '{}' FROM ` + series,
	} {
		require.NoError(tb, b.raw(tb, strings.ReplaceAll(statement, "$1", fmt.Sprint(at))))
	}
	if b.config.Engine == SQLite {
		require.NoError(tb, b.raw(tb, "PRAGMA cache_size = -2000")) // SQLite's default
	}
}

// TestEveryStatementOfALoginFindsItsRowsByAnIndex asks the engines how they run every statement of a login and of a
// runner's start among thousands of older ones. On SQLite each step must be one of the searches that are known to find
// a few rows whatever the size of the table; on PostgreSQL none may touch more than a few rows.
func TestEveryStatementOfALoginFindsItsRowsByAnIndex(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		past(t, b, 3000)
		log := &statements{seen: map[string][]any{}}
		b.engine = spyEngine{b.engine, log}
		login(t, b, 1)
		require.NoError(t, b.ReleaseJobs(t.Context(), "me"))
		b.engine = b.engine.(spyEngine).engine
		require.Greater(t, len(log.seen), 20)
		check := func() {
			for query, args := range log.seen {
				plan := explain(t, b, query, args)
				require.Empty(t, slow(plan), "%s\n%s", strings.Join(plan, "\n"), query)
			}
		}
		check() // also before PostgreSQL has looked at the tables for the first time
		if b.config.Engine == Postgres {
			for _, table := range []string{"messages", "jobs", "links", "intents", "budgets", "chats", "audit", "push_names", "cases"} {
				require.NoError(t, b.raw(t, "ANALYZE "+table))
			}
			check()
		}
	})
}

// TestThePlanCheckNoticesWhatIsSlow shows that the test above can fail.
func TestThePlanCheckNoticesWhatIsSlow(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		past(t, b, 3000)
		for _, query := range []string{
			"SELECT count(*) FROM jobs WHERE reason = $1",
			"SELECT count(*) FROM jobs WHERE kind = 'login.answer' AND reason = $1",
		} {
			plan := explain(t, b, query, []any{"x"})
			require.NotEmpty(t, slow(plan), strings.Join(plan, "\n"))
		}
	})
}

func explain(t *testing.T, b bundle, query string, args []any) []string {
	t.Helper()
	var plan []string
	errUndo := errors.New("nothing is to stay")
	err := b.write(t.Context(), func(ctx context.Context, q querier) error {
		prefix := "EXPLAIN QUERY PLAN "
		switch {
		case b.config.Engine == Postgres && strings.HasPrefix(query, "INSERT"):
			prefix = "EXPLAIN " // run again it would meet its own row
		case b.config.Engine == Postgres:
			prefix = "EXPLAIN ANALYZE "
		}
		err := each(ctx, q, prefix+query, args, func(rows *sql.Rows) error {
			var id, parent, unused int
			var line string
			into := []any{&line}
			if b.config.Engine == SQLite {
				into = []any{&id, &parent, &unused, &line}
			}
			err := rows.Scan(into...)
			plan = append(plan, line)
			return err
		})
		if err != nil {
			return err
		}
		return errUndo
	})
	require.ErrorIs(t, err, errUndo, query)
	return plan
}

var (
	// quick is every search of SQLite that finds a few rows: by a key, among what is due or running or open, or among
	// one user's or one number's rows.
	quick = regexp.MustCompile(`^SEARCH \w+ USING (` + strings.Join([]string{
		`PRIMARY KEY \(\w+=\?( AND \w+=\?)?\)`, `INTEGER PRIMARY KEY \(rowid=\?\)`,
		`INDEX sqlite_autoindex_links_2 \(pre_auth_hash=\?\)`,
		`INDEX jobs_due \(kind=\?( AND run_at<\?)?\)`, `INDEX jobs_lease \(lease_until<\?\)`,
		`INDEX cases_user \(user_id=\?\)`, `INDEX jobs_key \(kind=\? AND key=\?\)`, `COVERING INDEX jobs_serial_running \(serial=\?\)`,
		`COVERING INDEX jobs_serial_ready \(serial=\? AND id<\?\)`,
		`INDEX links_open \(number=\?\)`, `INDEX links_watched \(expires_at>\?\)`, `COVERING INDEX links_number \(number=\?\)`,
		`INDEX intents_open \(started_at<\?\)`, `INDEX audit_user \(user_id=\?\)`, `INDEX audit_number \(number=\?\)`,
	}, "|") + `)$|^SCAN jobs USING INDEX jobs_lease$|^SEARCH soonest$`)
	// ownScan reads what the statement itself has made: a limited subquery, or what it lists.
	ownScan = regexp.MustCompile(`^SCAN (k\d+|leased|newest|CONSTANT ROW|\d+-ROW VALUES CLAUSE)$`)
	// touched counts the rows of a step of PostgreSQL's plan: those that it passed on, and those that it read in vain.
	touched = regexp.MustCompile(`actual time=\S+ rows=(\d+)|Rows Removed by [^:]+: (\d+)`)
)

// slow returns the steps of a plan that read more than a few rows.
func slow(plan []string) []string {
	var found []string
	for _, line := range plan {
		line = strings.TrimSpace(line)
		lite := strings.HasPrefix(line, "SEARCH ") || strings.HasPrefix(line, "SCAN ")
		if own := ownScan.MatchString(line); lite && !own && !quick.MatchString(line) {
			found = append(found, line)
		}
		for _, m := range touched.FindAllStringSubmatch(line, -1) {
			if n, err := strconv.Atoi(m[1] + m[2]); err != nil || n > 20 {
				found = append(found, line)
			}
		}
	}
	return found
}

// BenchmarkLogin is what one login costs the store, with an empty database and with a million past sign-ins.
func BenchmarkLogin(b *testing.B) {
	for _, engine := range []string{SQLite, Postgres} {
		for _, before := range []int{0, 1_000_000} {
			b.Run(fmt.Sprintf("%s/past=%d", engine, before), func(b *testing.B) {
				s := setup(b, engine)
				if before > 0 {
					past(b, s, before)
				}
				i := 0
				for b.Loop() {
					i++
					login(b, s, i)
				}
			})
		}
	}
}
