package storage

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

// raw runs a statement that no code of ours would, as an operator with a database shell could.
func (b bundle) raw(tb testing.TB, statement string, args ...any) error {
	tb.Helper()
	return b.write(tb.Context(), func(ctx context.Context, q querier) error {
		_, err := q.ExecContext(ctx, statement, args...)
		return err
	})
}

func TestAuditRowsCanOnlyBeAdded(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		row := AuditRow{At: b.now(), Event: "command", Number: number(t, 1), UserID: "u", Detail: map[string]any{"name": "whoami"}}
		require.NoError(t, b.Audit(t.Context(), row))
		forbidden := []string{
			"UPDATE audit SET event = 'nothing'",
			"DELETE FROM audit",
			"UPDATE audit_horizon SET keep_since = -1",
			"DELETE FROM audit_horizon",
			"INSERT INTO audit_horizon (one, keep_since) VALUES (1, 9000000000000)",
		}
		if b.config.Engine == SQLite {
			forbidden = append(forbidden, "REPLACE INTO audit_horizon (one, keep_since) VALUES (1, 9000000000000)",
				"REPLACE INTO audit (id, at, event, number, user_id, reply_id, intent_id, detail) VALUES (1, 1, 'x', '', '', '', '', '')")
		} else {
			forbidden = append(forbidden, "TRUNCATE audit", "TRUNCATE audit_horizon", "DELETE FROM audit WHERE id = 1")
		}
		for _, statement := range forbidden {
			require.Error(t, b.raw(t, statement), statement)
		}
		rows, err := b.ListAudit(t.Context(), AuditQuery{})
		require.NoError(t, err)
		row.ID = rows[0].ID
		require.Equal(t, []AuditRow{row}, rows)
		require.Error(t, b.Audit(t.Context(), AuditRow{Event: "no time"}))
		require.Error(t, b.Audit(t.Context(), AuditRow{At: b.now()}))
	})
}

func TestAuditIsReadInPagesAndByWhatItIsAbout(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		for i := range 9 {
			require.NoError(t, b.Audit(t.Context(), AuditRow{At: b.now(), Event: fmt.Sprint("e", i%3), UserID: fmt.Sprint("u", i%2)}))
		}
		var seen []int64
		for query := (AuditQuery{Limit: 2, Event: "e1"}); ; {
			rows, err := b.ListAudit(t.Context(), query)
			require.NoError(t, err)
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				seen = append(seen, row.ID)
				query.After = row.ID
			}
		}
		require.Len(t, seen, 3)
		require.IsIncreasing(t, seen)
		rows, err := b.ListAudit(t.Context(), AuditQuery{UserID: "u1"})
		require.NoError(t, err)
		require.Len(t, rows, 4)
	})
}

func TestRetentionDeletesOldAuditRowsAndSaysSo(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		const old = purgeBatch + 20
		for range old {
			require.NoError(t, b.Audit(t.Context(), AuditRow{At: b.now(), Event: "old"}))
		}
		b.clock.advance(48 * time.Hour)
		require.NoError(t, b.Audit(t.Context(), AuditRow{At: b.now(), Event: "young"}))
		purged, err := b.Purge(t.Context(), Retention{}, b.now())
		require.NoError(t, err)
		require.Zero(t, purged, "zero keeps for ever")
		purged, err = b.Purge(t.Context(), Retention{Audit: 24 * time.Hour}, b.now())
		require.NoError(t, err)
		require.Equal(t, Purged{Audit: old}, purged)
		require.Equal(t, 0, b.count(t, "audit WHERE event = 'old'"))
		require.Equal(t, 1, b.count(t, "audit WHERE event = 'young'"))
		require.Equal(t, 1, b.count(t, "audit WHERE event = $1", EventPurge))
		purged, err = b.Purge(t.Context(), Retention{Audit: 24 * time.Hour}, b.now().Add(-24*time.Hour))
		require.NoError(t, err)
		require.Zero(t, purged, "a clock that was set back does not move the horizon back")
	})
}

func TestPurgeRemovesWhatIsOverAndNothingElse(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		fill := func(prefix string, i int) {
			fresh, err := b.Accept(t.Context(), accepted(prefix+"62811", "A", b.now()))
			require.NoError(t, err)
			require.True(t, fresh)
			taken := b.lease(t, "me", 1, "login.answer")
			b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()})
			in := b.intent(b.link(t, i, prefix+"consumed"), prefix+"i")
			require.NoError(t, b.BeginSignIn(t.Context(), in))
			require.NoError(t, b.RecordSignIn(t.Context(), b.signIn(in, prefix+"u")))
			taken = b.lease(t, "me", 1, "contact.sync")
			b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
			b.link(t, i+1, prefix+"expired")
			require.NoError(t, b.BeginSignIn(t.Context(), b.intent(b.link(t, i+2, prefix+"consuming"), prefix+"open")))
			require.NoError(t, b.HumanWrote(t.Context(), prefix+"chat", b.now()))
			require.Empty(t, b.spend(t, "h", bot.Budget{Key: prefix, Burst: 1, Every: time.Hour}))
		}
		fill("old ", 1)
		b.clock.advance(100 * 24 * time.Hour)
		fill("new ", 10)
		retention := DefaultRetention()
		purged, err := b.Purge(t.Context(), retention, b.now())
		require.NoError(t, err)
		require.Equal(t, Purged{Messages: 1, Jobs: 1, DeadJobs: 1, Links: 2, Intents: 1, Budgets: 1, Chats: 1}, purged)
		require.Equal(t, "consuming", string(b.readLink(t, "old consuming").State), "an open intent keeps its link")
		require.Equal(t, 2, b.count(t, "jobs WHERE kind = 'fhir.sync'"), "waiting work is never purged")
		require.NotEmpty(t, b.readLink(t, "new expired").Sealed)

		b.clock.advance(15 * time.Minute)
		purged, err = b.Purge(t.Context(), retention, b.now())
		require.NoError(t, err)
		require.Equal(t, Purged{Seals: 1}, purged)
		require.Empty(t, b.readLink(t, "new expired").Sealed, "an expired link keeps no seal")
		purged, err = b.Purge(t.Context(), retention, b.now())
		require.NoError(t, err)
		require.Zero(t, purged)
	})
}

func TestEveryColumnHasAComment(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		if b.config.Engine == Postgres {
			var bare string
			_, err := one(t.Context(), b.engine.reader(), `SELECT COALESCE(string_agg(c.relname || '.' || a.attname, ', '), '')
				FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
				WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> $1
				AND a.attnum > 0 AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL`,
				[]any{versionTable}, &bare)
			require.NoError(t, err)
			require.Empty(t, bare)
			return
		}
		text, err := migrations.ReadFile("migrations/sqlite/00001_first.sql")
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "    ") && (strings.Contains(line, " TEXT ") || strings.Contains(line, " INTEGER ") ||
				strings.Contains(line, " BLOB")) {
				require.Contains(t, line, " -- ")
			}
		}
	})
}
