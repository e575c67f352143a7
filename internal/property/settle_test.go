package property_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// check is what holds at every moment.
func (m *machine) check(t *rapid.T) {
	elapsed := m.latest.Sub(m.first)
	made := map[phone.Number]int{}
	for _, l := range m.links {
		made[l.owner]++
		require.LessOrEqual(t, l.sessions, 1)
	}
	for _, count := range made {
		require.LessOrEqual(t, count, m.limits.Number.Burst+int(elapsed/m.limits.Number.Every), "links within the budget")
		require.LessOrEqual(t, count, m.limits.NumberDay.Burst+int(elapsed/m.limits.NumberDay.Every))
	}
	require.LessOrEqual(t, len(made), m.limits.NewNumbers.Burst+int(elapsed/m.limits.NewNumbers.Every))
	require.LessOrEqual(t, len(m.shown), m.limits.Global.Burst+int(elapsed/m.limits.Global.Every), "all messages within the budget")
	for _, u := range m.core.Users() {
		opened := 0
		for _, l := range m.links {
			if l.owner.Digits() == u.Phone && l.opened {
				opened++
			}
		}
		require.Positive(t, opened, "a user of the core whose own link nobody opened")
		require.LessOrEqual(t, m.core.Sessions(u.ID), opened, "no more sessions than opened links")
	}
}

// settled mends everything, lets what was begun end, and looks at what was written down.
func (m *machine) settled(t *rapid.T) {
	ctx := context.Background()
	m.lineDown = false
	for _, msg := range m.open {
		require.NoError(t, m.bot.Receive(ctx, msg))
	}
	m.workAll(t)
	m.clock.ms.Add((m.auth.Settle() + time.Minute).Milliseconds())
	m.latest = m.clock.now()
	_, err := m.auth.Reconcile(ctx, m.clock.now())
	require.NoError(t, err)
	left, err := m.stores[0].OpenIntents(ctx, m.clock.now().Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, left, "every sign-in that began has ended")
	m.check(t)
	m.checkAudit(t)
	m.checkGuests(t)
	if m.crashes == 0 {
		accepted := 0
		for _, kind := range []string{"login", "other", "command", "stranger"} {
			accepted += m.counts.messages[kind+" accepted"]
		}
		require.GreaterOrEqual(t, m.outcomes(), accepted, "each accepted message ended: %v", m.counts.messages)
		require.LessOrEqual(t, m.outcomes(), accepted+m.lost, "and once: %v", m.counts.messages)
	}
}

// workAll works until nothing of the line waits, and lets the time pass that it takes.
func (m *machine) workAll(t *rapid.T) {
	store := m.stores[m.owns]
	require.NoError(t, store.ReleaseJobs(context.Background(), owner))
	for range 10_000 {
		j, found := m.lease(t)
		if found {
			m.runs[j.Key]++
			m.settle(t, j, m.bot.Handlers()[j.Kind](context.Background(), j))
			continue
		}
		next, waiting, err := store.NextRun(context.Background(), m.lineKinds())
		require.NoError(t, err)
		if !waiting {
			return
		}
		if next.After(m.clock.now()) {
			m.clock.ms.Store(next.Add(time.Millisecond).UnixMilli())
		} else {
			m.clock.ms.Add(1000)
		}
		if m.clock.now().After(m.latest) {
			m.latest = m.clock.now()
		}
	}
	require.Fail(t, "the line's work does not end")
}

// checkAudit compares what was written down with what was seen.
func (m *machine) checkAudit(t *rapid.T) {
	ctx := context.Background()
	rows, err := m.stores[1].ListAudit(ctx, storage.AuditQuery{Event: storage.EventSignIn, Limit: 1000})
	require.NoError(t, err)
	recorded := map[string]int{}
	users := map[string]string{}
	for _, u := range m.core.Users() {
		users[u.ID] = u.Phone
	}
	for _, row := range rows {
		recorded[row.ReplyID]++
		require.Equal(t, row.Number.Digits(), users[row.UserID], "the audit names the owner of the number")
	}
	for _, l := range m.links {
		count := recorded[l.reply]
		require.LessOrEqual(t, count, 1, "a link is recorded once")
		require.LessOrEqual(t, l.sessions, count, "no session without a record")
		if count == 1 {
			require.True(t, l.opened, "what is recorded was opened, in time")
		}
		delete(recorded, l.reply)
	}
	require.Empty(t, recorded, "nothing is recorded of a link that nobody got")
	jobs, err := m.stores[0].ListJobs(ctx, storage.JobReady)
	require.NoError(t, err)
	follow := map[string]int{}
	for _, j := range jobs {
		follow[j.Kind]++
	}
	require.Equal(t, len(rows), follow[auth.JobFHIRSync], "each sign-in has its follow-up work, once")
	require.Equal(t, len(rows), follow[auth.JobContactSync])
}

// checkGuests looks whom the guests became.
func (m *machine) checkGuests(t *rapid.T) {
	users := map[string]string{}
	for _, u := range m.core.Users() {
		users[u.ID] = u.Phone
	}
	for id := range m.guests {
		g, err := m.stores[0].Guest(context.Background(), id)
		require.NoError(t, err)
		if g.UserID != "" {
			require.True(t, m.may[id][users[g.UserID]], "a guest becomes who signed in in its browser, or said so")
		}
	}
}

// template is a data directory with migrated tables.
func template(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := storage.Open(t.Context(), storage.Config{Engine: storage.SQLite, Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return dir
}

func drive(t *rapid.T, config storage.Config) {
	m := newMachine(t, config)
	defer m.close(t)
	t.Repeat(m.actions())
	m.settled(t)
}

// A session exists only if its own number asked and its own link was opened in time, in that order; no number ever gets
// a session of another; a link makes one session and one record; and every refusal has one reason.
func TestAnyInterleavingKeepsTheLoginsPromisesOnSQLite(t *testing.T) {
	empty := template(t)
	rapid.Check(t, func(rt *rapid.T) {
		drive(rt, litePlace(rt, empty, filepath.Join(t.TempDir(), "data")))
	})
}

// The same with both processes on PostgreSQL, in one of ten worlds: each wants a database of its own.
func TestAnyInterleavingKeepsTheLoginsPromisesOnPostgreSQL(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if rapid.IntRange(0, 9).Draw(rt, "one of ten") == 0 {
			drive(rt, storage.Config{Engine: storage.Postgres, DSN: server.Database(t)})
		}
	})
}
