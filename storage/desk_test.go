package storage

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
)

func (b bundle) bar(t *testing.T, i int, made time.Time) string {
	t.Helper()
	reason, err := b.Bar(t.Context(), number(t, i), made)
	require.NoError(t, err)
	return reason
}

func TestBlockEndsByItselfOrByHand(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		require.Empty(t, b.bar(t, 1, time.Time{}))
		block := admin.Block{Number: number(t, 1), Until: b.now().Add(time.Hour), Reason: "spam", By: "+62812", At: b.now()}
		require.NoError(t, b.SetBlock(t.Context(), block))
		require.Equal(t, admin.BarBlocked, b.bar(t, 1, time.Time{}))
		require.Equal(t, admin.BarBlocked, b.bar(t, 1, b.now()))
		require.Empty(t, b.bar(t, 2, b.now()), "nobody else")
		got, _, err := b.BarsOf(t.Context(), number(t, 1))
		require.NoError(t, err)
		require.Equal(t, &block, got)
		b.clock.advance(time.Hour)
		require.Empty(t, b.bar(t, 1, time.Time{}))

		block.Until = time.Time{}
		require.NoError(t, b.SetBlock(t.Context(), block))
		b.clock.advance(10000 * time.Hour)
		require.Equal(t, admin.BarBlocked, b.bar(t, 1, time.Time{}))
		for _, want := range []admin.Lifted{{Block: true}, {}} {
			lifted, err := b.Lift(t.Context(), number(t, 1), false)
			require.NoError(t, err)
			require.Equal(t, want, lifted)
		}
		require.Empty(t, b.bar(t, 1, time.Time{}))
	})
}

func TestRevocationBarsWhatIsOlderAndOnDemandWhatIsNew(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		before := b.now()
		l := b.link(t, 1, "R1")
		b.clock.advance(time.Second)
		revoke := admin.Revocation{Number: number(t, 1), At: b.now(), By: "operator"}
		require.NoError(t, b.SetRevocation(t.Context(), revoke))
		n, err := b.RevokeLinks(t.Context(), number(t, 1), "revoked by an admin")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		got, err := b.LinkByReply(t.Context(), l.ReplyID)
		require.NoError(t, err)
		require.Equal(t, auth.LinkRevoked, got.State)
		require.Empty(t, got.Sealed)
		require.Equal(t, admin.BarRevoked, b.bar(t, 1, before))
		require.Equal(t, admin.BarRevoked, b.bar(t, 1, revoke.At))
		require.Empty(t, b.bar(t, 1, revoke.At.Add(time.Millisecond)), "what is made after it works")
		require.Empty(t, b.bar(t, 1, time.Time{}))
		revoke.Refused = true
		require.NoError(t, b.SetRevocation(t.Context(), revoke))
		revoke.Refused = false
		require.NoError(t, b.SetRevocation(t.Context(), revoke))
		require.Equal(t, admin.BarRevoked, b.bar(t, 1, time.Time{}), "refused until lifted")
		_, shown, err := b.BarsOf(t.Context(), number(t, 1))
		require.NoError(t, err)
		require.True(t, shown.Refused)
		require.NoError(t, b.SetBlock(t.Context(), admin.Block{Number: number(t, 1), At: b.now(), Reason: "as 0812-5551-2345 is"}))
		blocked, _, err := b.BarsOf(t.Context(), number(t, 1))
		require.NoError(t, err)
		require.Equal(t, "as 0812•••••••• is", blocked.Reason, "nobody's number is kept in words")
		lifted, err := b.Lift(t.Context(), number(t, 1), false)
		require.NoError(t, err)
		require.Equal(t, admin.Lifted{Block: true, StillRefused: true}, lifted)
		require.Equal(t, admin.BarRevoked, b.bar(t, 1, time.Time{}), "the refusal is another matter")
		lifted, err = b.Lift(t.Context(), number(t, 1), true)
		require.NoError(t, err)
		require.Equal(t, admin.Lifted{Refusal: true}, lifted)
		require.Empty(t, b.bar(t, 1, time.Time{}))
		require.Equal(t, admin.BarRevoked, b.bar(t, 1, before), "lifting does not bring old links back")
	})
}

func TestPauseBarsEverybodyUntilItEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		p := admin.Pause{Since: b.now(), Reason: "move", By: "operator"}
		require.NoError(t, b.SetPause(t.Context(), p))
		require.NoError(t, b.SetPause(t.Context(), admin.Pause{Since: b.now().Add(time.Hour)}), "the first one counts")
		require.Equal(t, admin.BarPaused, b.bar(t, 7, time.Time{}))
		got, err := b.Paused(t.Context())
		require.NoError(t, err)
		require.Equal(t, &p, got)
		for _, want := range []bool{true, false} {
			was, err := b.EndPause(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, was)
		}
		require.Empty(t, b.bar(t, 7, time.Time{}))
	})
}

func TestQuestionIsAnsweredOnceWithItsCodeInTime(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		ask := admin.Question{Asker: number(t, 1), Hash: "h", Command: "revoke", Words: []string{"x", "y"}, About: number(t, 2)}
		answer := func(hash, holder string) admin.Reply {
			got, reply, err := b.Answer(t.Context(), number(t, 1), hash, holder)
			require.NoError(t, err)
			if reply == admin.ReplyTaken {
				require.Equal(t, ask, got)
			} else {
				require.Empty(t, got)
			}
			return reply
		}
		again := func() {
			ask.Expires = b.now().Add(2 * time.Minute)
			ask.Hash += "h"
			require.NoError(t, b.Ask(t.Context(), ask))
		}
		require.Equal(t, admin.ReplyNone, answer("h", "A"), "nothing was asked")
		again()
		repeat := ask
		repeat.Expires = repeat.Expires.Add(time.Hour)
		require.NoError(t, b.Ask(t.Context(), repeat), "a retry asks the same")
		require.Equal(t, admin.ReplyTaken, answer(ask.Hash, "A"))
		require.NoError(t, b.Ask(t.Context(), ask), "nor does a retry open it again")
		b.clock.advance(time.Hour)
		require.Equal(t, admin.ReplyTaken, answer("whatever", "A"), "the retry of what was allowed")
		require.Equal(t, admin.ReplyNone, answer(ask.Hash, "B"), "nobody else")
		again()
		require.Equal(t, admin.ReplyWrong, answer("wrong", "C"))
		require.Equal(t, admin.ReplyNone, answer(ask.Hash, "D"), "one try")
		again()
		b.clock.advance(2 * time.Minute)
		require.Equal(t, admin.ReplyExpired, answer(ask.Hash, "E"))
		require.Equal(t, admin.ReplyNone, answer(ask.Hash, "F"))
	})
}

func TestCommandIsAuditedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		row := AuditRow{At: b.now(), Event: EventCommand, Number: number(t, 2), By: number(t, 1), ReplyID: "R",
			Detail: map[string]any{"command": "block", "outcome": "done"}}
		for range 3 {
			require.NoError(t, b.Audit(t.Context(), row))
		}
		for _, who := range []int{1, 2} {
			rows, err := b.ListAudit(t.Context(), AuditQuery{Number: number(t, who), Newest: true})
			require.NoError(t, err)
			require.Len(t, rows, 1)
			row.ID = rows[0].ID
			require.Equal(t, row, rows[0])
		}
		require.Zero(t, b.count(t, "audit WHERE number = $1 OR actor = $1", number(t, 1).Digits()), "an alias stands in the table")
	})
}

func TestStatsCountRequestsByWhatBecameOfThem(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		old, err := b.Accept(t.Context(), accepted(number(t, 1).Digits(), "old", b.now()))
		require.NoError(t, err)
		require.True(t, old)
		b.clock.advance(time.Hour)
		since := b.now()
		for i, reason := range []string{"", "limited", "limited", "paused"} {
			_, err := b.Accept(t.Context(), accepted(number(t, 1).Digits(), fmt.Sprint(i), b.now()))
			require.NoError(t, err)
			if reason != "" {
				require.NoError(t, b.Refused(t.Context(), number(t, 1).Digits(), fmt.Sprint(i), reason))
			}
		}
		l := b.link(t, 1, "R1")
		i := b.intent(l, "I1")
		require.NoError(t, b.BeginSignIn(t.Context(), i))
		require.NoError(t, b.RecordSignIn(t.Context(), b.signIn(i, "u")))
		got, err := b.Stats(t.Context(), since)
		require.NoError(t, err)
		require.Equal(t, admin.Stats{Since: since, Requests: 4, Links: 1, SignIns: 1, Refused: map[string]int{"limited": 2, "paused": 1}}, got)
	})
}

// everything is all that the database holds, as text: every row of every table.
func (b bundle) everything(t *testing.T) string {
	t.Helper()
	tables := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if b.config.Engine == Postgres {
		tables = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	}
	var names []string
	require.NoError(t, each(t.Context(), b.engine.reader(), tables, nil, func(rows *sql.Rows) error {
		var n string
		err := rows.Scan(&n)
		names = append(names, n)
		return err
	}))
	var all strings.Builder
	for _, table := range names {
		require.NoError(t, each(t.Context(), b.engine.reader(), "SELECT * FROM "+table, nil, func(rows *sql.Rows) error {
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			err = rows.Scan(into...)
			for _, v := range values {
				fmt.Fprintf(&all, "%s|", v)
			}
			fmt.Fprintln(&all, table)
			return err
		}))
	}
	return all.String()
}

// TestForgetLeavesNothing fills every table with a number and searches all of them for its digits.
func TestForgetLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		ctx, n, other := t.Context(), number(t, 1), number(t, 2)
		longer := n.Digits() + "0" // the digits of somebody else begin with those
		hidden, others := "199900011122233", "299900011122233"
		for _, lid := range []string{hidden, others} { // from when the number behind it was not known
			who := lid + "@lid"
			_, err := b.Accept(ctx, bot.Accepted{Sender: who, ID: "S", At: b.now(), Kind: "stranger", Job: jobs.New{
				Kind: "reply.send", Key: "stranger-" + lid[:5], Serial: "other:" + who, Payload: []byte(`{"chat":"` + who + `"}`)}})
			require.NoError(t, err)
			_, err = b.Spend(ctx, "h", b.now(), bot.Budget{Key: "other:" + who, Burst: 1, Every: time.Hour})
			require.NoError(t, err)
			require.NoError(t, b.HumanWrote(ctx, who, b.now()))
		}
		for _, who := range []string{n.Digits(), other.Digits(), longer} {
			_, err := b.Accept(ctx, bot.Accepted{Sender: who, ID: "M", At: b.now(), Kind: "login", Name: "Siti", Job: jobs.New{
				Kind: "login.answer", Key: "reply-" + who, Serial: "login:" + who, Payload: []byte(`{"digits":"` + who + `","chat":"` + who + `@x"}`)}})
			require.NoError(t, err)
			b.add(t, jobs.New{Kind: "reply.send", Key: who[5:], Payload: []byte(`{"chat":"` + who + `@s.whatsapp.net"}`)},
				jobs.New{Kind: "command.run", Key: "c" + who[5:], Payload: []byte(`{"words":["` + who + `"]}`)})
			_, err = b.Spend(ctx, "h", b.now(), bot.Budget{Key: "login:" + who, Burst: 1, Every: time.Hour})
			require.NoError(t, err)
			require.NoError(t, b.HumanWrote(ctx, who, b.now()))
		}
		for i := range 2 {
			who := number(t, i+1)
			user := fmt.Sprint("user", i)
			intent := b.intent(b.link(t, i+1, fmt.Sprint("L", i)), fmt.Sprint("I", i))
			require.NoError(t, b.BeginSignIn(ctx, intent))
			require.NoError(t, b.RecordSignIn(ctx, b.signIn(intent, user)))
			_, err := b.OpenCase(ctx, fhir.Case{UserID: user, Number: who, Resource: "Patient", Why: fhir.Foreign, Candidates: []string{"Patient/1"}})
			require.NoError(t, err)
			require.NoError(t, b.SaveContact(ctx, contact.Record{UserID: user, Number: who, ChatwootID: "7", At: b.now()}))
			require.NoError(t, b.SetBlock(ctx, admin.Block{Number: who, At: b.now()}))
			require.NoError(t, b.SetRevocation(ctx, admin.Revocation{Number: who, At: b.now()}))
			require.NoError(t, b.Ask(ctx, admin.Question{Asker: number(t, 8+i), Hash: "h", Command: "forget", Words: []string{who.Digits()}, About: who, Expires: b.now()}))
			require.NoError(t, b.Audit(ctx, AuditRow{At: b.now(), Event: EventCommand, ReplyID: user, Number: who, By: who}))
		}
		require.Greater(t, strings.Count(b.everything(t), n.Digits()), 15)
		rows := b.count(t, "audit")

		e, err := b.BeginErasure(ctx, "E", n, []string{hidden})
		require.NoError(t, err)
		require.Equal(t, admin.Erasure{Key: "E", Number: n, Hidden: []string{hidden}}, e)
		require.NoError(t, b.Ask(ctx, admin.Question{Asker: number(t, 9), Hash: "h9", Command: "forget", Words: []string{n.Digits()}, About: n, Expires: b.now().Add(time.Minute)}))
		_, reply, err := b.Answer(ctx, number(t, 9), "h9", "E")
		require.NoError(t, err)
		require.Equal(t, admin.ReplyTaken, reply)
		remains := admin.Forgotten{Number: n.String(), UserID: "user0", Patient: "Patient/1", Contact: "7"}
		by := admin.Who{Number: number(t, 9)}

		taken := b.lease(t, "me", 100, "login.answer")
		require.ErrorIs(t, b.Erase(ctx, e, remains, by), admin.ErrBusy, "while a job for it is running")
		for _, j := range taken {
			b.settle(t, jobs.Settlement{ID: j.ID, Owner: "me", Outcome: jobs.Retry, At: b.now(), RunAt: b.now()})
		}
		require.NoError(t, b.BeginSignIn(ctx, b.intent(b.link(t, 1, "open"), "open")))
		require.ErrorIs(t, b.Erase(ctx, e, remains, by), admin.ErrBusy, "while a sign-in is not decided")
		require.NoError(t, b.AbandonSignIn(ctx, "open", false, "the code is gone"))
		rows += 2 // the link, and what came of it
		require.NoError(t, b.Erase(ctx, e, remains, by))
		require.Empty(t, b.bar(t, 1, time.Time{}), "who comes back is a newcomer")
		again, err := b.BeginErasure(ctx, "E", phone.Number{}, nil)
		require.NoError(t, err)
		require.Equal(t, admin.Erasure{Key: "E", Left: &remains}, again, "the answer can be given again")
		begun, err := b.Begun(ctx, number(t, 9), "E")
		require.NoError(t, err)
		require.True(t, begun)
		ask, reply, err := b.Answer(ctx, number(t, 9), "whatever", "E")
		require.NoError(t, err)
		require.Equal(t, admin.ReplyTaken, reply)
		require.Empty(t, ask.Words)
		_, err = b.BeginErasure(ctx, "F", phone.Number{}, nil)
		require.ErrorIs(t, err, admin.ErrNoErasure)

		left := b.everything(t)
		require.NotContains(t, strings.ReplaceAll(left, longer, ""), n.Digits())
		require.NotContains(t, left, hidden)
		require.Equal(t, 5, strings.Count(left, others), "message, job twice, budget, chat")
		require.Greater(t, strings.Count(left, longer), 5, "others' rows stay")
		require.Greater(t, strings.Count(left, other.Digits()), 15)
		told, err := b.ListAudit(ctx, AuditQuery{Event: EventForgotten})
		require.NoError(t, err)
		require.Equal(t, "user0", told[0].UserID)
		require.Equal(t, map[string]any{"by": "", "patient": "Patient/1", "contact": "7"}, told[0].Detail, "what others still have")
		require.Equal(t, rows+1, b.count(t, "audit"), "the audit loses no row, and says that a number was forgotten")
		found, err := b.ListAudit(ctx, AuditQuery{Number: n})
		require.NoError(t, err)
		require.Empty(t, found)
		found, err = b.ListAudit(ctx, AuditQuery{UserID: "user0", Event: EventSignIn})
		require.NoError(t, err)
		require.True(t, found[0].Number.IsZero(), "the row is there and names nobody")

		_, err = b.Purge(ctx, Retention{}, b.now().Add(time.Hour)) // as after an hour's stop
		require.NoError(t, err)
		begun, err = b.Begun(ctx, number(t, 9), "E")
		require.NoError(t, err)
		require.True(t, begun, "the command can still answer")
		_, err = b.Purge(ctx, Retention{}, b.now().Add(erasureKept+time.Hour))
		require.NoError(t, err)
		require.Zero(t, b.count(t, "questions")+b.count(t, "erasures"), "but not for ever")
	})
}

func TestMigrationGivesTheAuditOfOlderVersionsAliases(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{SQLite, Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			config := Config{Engine: engine}
			driver, dialect := "sqlite3", goose.DialectSQLite3
			var dsn string
			if engine == SQLite {
				config.Dir = t.TempDir()
				require.NoError(t, os.Chmod(config.Dir, 0o700))
				dsn = filepath.Join(config.Dir, ownFile)
				require.NoError(t, os.WriteFile(dsn, nil, 0o600))
			} else {
				config.DSN = server.Database(t)
				driver, dsn, dialect = "pgx", config.DSN, goose.DialectPostgres
			}
			db, err := sql.Open(driver, dsn)
			require.NoError(t, err)
			files, err := fs.Sub(migrations, "migrations/"+engine)
			require.NoError(t, err)
			old, err := goose.NewProvider(dialect, db, files, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
			require.NoError(t, err)
			_, err = old.UpTo(t.Context(), 2)
			require.NoError(t, err)
			n := number(t, 1)
			for i, event := range []string{"link", "sign-in"} {
				_, err = db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO audit (at, event, number, user_id, reply_id, intent_id, detail)
					VALUES (%d, '%s', '%s', '', 'R%[2]s', '', '{}')`, 1000+i, event, n.Digits()))
				require.NoError(t, err)
			}
			require.NoError(t, db.Close())

			b := bundle{config: config}
			b.Store = b.open(t)
			require.Equal(t, 1, b.count(t, "audit_names WHERE number = $1", n.Digits()))
			require.Zero(t, b.count(t, "audit WHERE number = $1", n.Digits()))
			rows, err := b.ListAudit(t.Context(), AuditQuery{Number: n})
			require.NoError(t, err)
			require.Len(t, rows, 2)
			last, err := b.LastLogin(t.Context(), n, "C")
			require.NoError(t, err)
			require.Equal(t, int64(1001), last.UnixMilli())
			require.Error(t, b.raw(t, "UPDATE audit SET event = 'nothing'"), "rows are never changed, after the migration as before")
		})
	}
}

func TestAlertIsRememberedWithTheJobsThatTellOfIt(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		a := admin.AlertState{Name: "core", BadSince: b.now(), Told: 1, ToldAt: b.now(), State: "banned", Mark: b.now().UnixMilli()}
		require.NoError(t, b.SaveAlert(t.Context(), a, jobs.New{Kind: "alert.send", Key: "1"}))
		a.Told = 2
		require.NoError(t, b.SaveAlert(t.Context(), a, jobs.New{Kind: "alert.send", Key: "1"}))
		got, err := b.Alerts(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]admin.AlertState{"core": a}, got)
		require.Len(t, b.lease(t, "me", 9, "alert.send"), 1)

		for _, j := range b.lease(t, "them", 9, "alert.send") {
			b.settle(t, jobs.Settlement{ID: j.ID, Owner: "them", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
		}
		dead, err := b.Deaths(t.Context())
		require.NoError(t, err)
		require.Zero(t, dead, "an alert that cannot be told is no work that died")
		b.add(t, jobs.New{Kind: "fhir.sync", Key: "1"})
		for _, j := range b.lease(t, "them", 9, "fhir.sync") {
			b.settle(t, jobs.Settlement{ID: j.ID, Owner: "them", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
		}
		dead, err = b.Deaths(t.Context())
		require.NoError(t, err)
		require.Equal(t, admin.Deaths{Jobs: 1, Last: b.now()}, dead)

		seen, err := b.LastPhoneSeen(t.Context())
		require.NoError(t, err)
		require.True(t, seen.IsZero())
		require.NoError(t, b.PhoneSeen(t.Context(), b.now()))
		require.NoError(t, b.PhoneSeen(t.Context(), b.now().Add(-time.Hour)))
		seen, err = b.LastPhoneSeen(t.Context())
		require.NoError(t, err)
		require.Equal(t, b.now(), seen)
	})
}

// TestAnErasureThatWasLeftEndsItsBar: nobody goes on with it, so the number is not barred for ever, and the next one for the
// number knows the hidden ids of this one.
func TestAnErasureThatWasLeftEndsItsBar(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		_, err := b.BeginErasure(t.Context(), "E", number(t, 1), []string{"1999"})
		require.NoError(t, err)
		require.Equal(t, admin.BarRevoked, b.bar(t, 1, time.Time{}))
		require.Empty(t, b.bar(t, 2, time.Time{}))
		b.clock.advance(erasureBars)
		require.Empty(t, b.bar(t, 1, time.Time{}))
		e, err := b.BeginErasure(t.Context(), "F", number(t, 1), []string{"2999"})
		require.NoError(t, err)
		require.Equal(t, []string{"1999", "2999"}, e.Hidden)
		require.Equal(t, 1, b.count(t, "erasures"))
		p, err := b.Purge(t.Context(), DefaultRetention(), b.now().Add(erasureKept+time.Second))
		require.NoError(t, err)
		require.Equal(t, int64(1), p.Erasures)
	})
}
