package storage

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

// kept is how many rows each of our tables may have when everything's time is long over: the tables that are not here, none.
// A new table needs a purge, or a line here that says why it cannot grow.
var kept = map[string]int{
	"facts":           10, // what the database is told of itself, by name
	"audit_horizon":   1,
	"line_owner":      1,
	"audit":           1,  // that rows were deleted
	"contacts":        3,  // one for each user who has a contact, so that it is never renamed: see ADR 7
	"alerts":          1,  // one for each thing that is watched
	"pauses":          1,  // there is one row while the bot is paused
	"konsulin_schema": 99, // one for each migration
}

// tables are those of the real schema.
func (b bundle) tables(tb testing.TB) (names []string) {
	tb.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
	if b.config.Engine == Postgres {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`
	}
	require.NoError(tb, each(tb.Context(), b.engine.reader(), query, nil, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}))
	return names
}

// TestNoTableGrowsForEver: every table of the real schema has rows, everything's time passes, and then each is empty or as
// small as its line in kept says.
func TestNoTableGrowsForEver(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		for i := 1; i <= 3; i++ {
			b.live(t, i)
		}
		tables := b.tables(t)
		require.Greater(t, len(tables), 20)
		for _, table := range tables {
			require.Positive(t, b.count(t, table), "%s: nothing here shows that it is purged; fill it", table)
		}
		b.clock.advance(5 * 365 * 24 * time.Hour)
		for range 2 { // rows may wait for others to go
			_, err := b.Purge(t.Context(), DefaultRetention(), b.now())
			require.NoError(t, err)
		}
		for _, table := range tables {
			require.LessOrEqual(t, b.count(t, table), kept[table], "%s grows for ever", table)
		}
		for table := range kept {
			if table != "line_owner" || b.config.Engine == Postgres { // a file has a lock in its place
				require.Contains(t, tables, table)
			}
		}
	})
}

// live leaves a row in every table that one person's doing can leave one in, and settles their work.
func (b bundle) live(t *testing.T, i int) {
	t.Helper()
	ctx := t.Context()
	n, user, reply := number(t, i), fmt.Sprint("user-", i), fmt.Sprint("reply-", i)
	m := accepted(n.Digits(), reply, b.now())
	m.Name, m.Hidden = "Ani", fmt.Sprint("11111", i)
	_, err := b.Accept(ctx, m)
	require.NoError(t, err)
	require.Empty(t, b.spend(t, reply, bot.Budget{Key: "login:" + n.Digits(), Burst: 1, Every: time.Hour}))
	require.NoError(t, b.HumanWrote(ctx, n.Digits(), b.now()))
	b.guest(t, reply+"-came")
	b.guest(t, reply+"-apart")
	require.NoError(t, b.SaveGuestKey(ctx, guest.KeyRecord{ID: reply, Sealed: []byte{1}, CreatedAt: b.now(), RetireAt: b.now().Add(time.Hour)}))
	require.NoError(t, b.SaveAttempt(ctx, auth.AttemptRecord{KeyHash: reply, Guest: reply, CreatedAt: b.now(), ExpiresAt: b.now().Add(time.Hour)}))
	in := b.intent(b.link(t, i, reply), "intent-"+reply)
	require.NoError(t, b.BeginSignIn(ctx, in))
	s := b.signIn(in, user)
	s.Guest, s.Apart = reply+"-came", reply+"-apart"
	require.NoError(t, b.RecordSignIn(ctx, s))
	_, err = b.OpenCase(ctx, fhir.Case{UserID: user, Number: n, Resource: "Patient", Why: fhir.Foreign, Candidates: []string{"Patient/1"}})
	require.NoError(t, err)
	require.NoError(t, b.CloseCase(ctx, user, "Patient"))
	require.NoError(t, b.SaveContact(ctx, contact.Record{UserID: user, Number: n, At: b.now()}))
	require.NoError(t, b.SetBlock(ctx, admin.Block{Number: n, Until: b.now().Add(time.Hour), At: b.now()}))
	require.NoError(t, b.SetRevocation(ctx, admin.Revocation{Number: n, At: b.now()}))
	require.NoError(t, b.SetPause(ctx, admin.Pause{Since: b.now()}))
	require.NoError(t, b.Ask(ctx, admin.Question{Asker: n, Hash: "h", Command: "revoke", Expires: b.now().Add(time.Minute)}))
	require.NoError(t, b.SaveAlert(ctx, admin.AlertState{Name: "core", BadSince: b.now(), Told: 1, ToldAt: b.now()}))
	_, err = b.BeginErasure(ctx, "erase-"+reply, number(t, 1000+i), nil)
	require.NoError(t, err)
	require.NoError(t, b.PinKey(ctx, "fingerprint", false))
	for k, j := range b.lease(t, "me", 99, "login.answer", "fhir.sync", "contact.sync") {
		how := jobs.Done
		if k%2 == 1 {
			how = jobs.Dead
		}
		b.settle(t, jobs.Settlement{ID: j.ID, Owner: "me", Outcome: how, At: b.now(), Reason: "over"})
	}
}

// TestARefusedSpendLeavesNoRow: what is over a budget costs no space, whoever asks and however often.
func TestARefusedSpendLeavesNoRow(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		all := bot.Budget{Key: "all", Burst: 5, Every: time.Hour}
		for i := range 200 {
			b.spend(t, "", bot.Budget{Key: fmt.Sprint("client", i), Burst: 1, Every: time.Minute}, all)
		}
		require.Equal(t, 1+5, b.count(t, "budgets"))
		b.clock.advance(6 * time.Hour)
		_, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Zero(t, b.count(t, "budgets"))
	})
}

// TestTwoServicesShareEveryBudget: on one database, whoever asks first; and a closed database grants nothing.
func TestTwoServicesShareEveryBudget(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		other := b.open(t)
		limit := bot.Budget{Key: "global", Burst: 4, Every: time.Hour}
		granted := 0
		for i, s := range []*Store{b.Store, other, b.Store, other, b.Store, other} {
			empty, err := s.Spend(t.Context(), fmt.Sprint(i), b.now(), limit)
			require.NoError(t, err)
			if empty == "" {
				granted++
			}
		}
		require.Equal(t, 4, granted)
		closed, err := Open(context.WithoutCancel(t.Context()), b.config)
		require.NoError(t, err)
		require.NoError(t, closed.Close())
		b.clock.advance(9 * time.Hour)
		_, err = closed.Spend(t.Context(), "x", b.now(), limit)
		require.Error(t, err)
	})
}
