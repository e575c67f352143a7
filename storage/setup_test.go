package storage

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/pgtest"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// server is the one PostgreSQL of this test process.
var server pgtest.Server

func TestMain(m *testing.M) {
	if crashChild() {
		return
	}
	pgtest.Main(m, &server)
}

// clock is a test's own time.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// bundle is a fresh store with its own time, and the means to open the same data once more.
type bundle struct {
	*Store
	clock  *clock
	config Config
}

// onBoth runs one promise over both engines, each time on an empty database.
func onBoth(t *testing.T, promise func(t *testing.T, b bundle)) {
	t.Helper()
	t.Parallel()
	for _, engine := range []string{SQLite, Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			promise(t, setup(t, engine))
		})
	}
}

func setup(tb testing.TB, engine string) bundle {
	tb.Helper()
	b := bundle{clock: &clock{}}
	b.clock.ms.Store(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).UnixMilli())
	b.config = Config{Engine: engine, Now: b.clock.now}
	if engine == SQLite {
		b.config.Dir = filepath.Join(tb.TempDir(), "data")
	} else {
		b.config.DSN = server.Database(tb)
	}
	b.Store = b.open(tb)
	return b
}

// open opens the bundle's data as another process would.
func (b bundle) open(tb testing.TB) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), b.config)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

func (b bundle) now() time.Time { return b.clock.now() }

// count answers how many rows a condition finds; for what the store itself has no question for.
func (b bundle) count(tb testing.TB, from string, args ...any) int {
	tb.Helper()
	var n int
	_, err := one(tb.Context(), b.engine.reader(), "SELECT count(*) FROM "+from, args, &n)
	require.NoError(tb, err)
	return n
}

func number(tb testing.TB, i int) phone.Number {
	tb.Helper()
	n, err := phone.FromDigits(fmt.Sprintf("6281%09d", i))
	require.NoError(tb, err)
	return n
}

func accepted(sender, id string, now time.Time) bot.Accepted {
	return bot.Accepted{Sender: sender, ID: id, At: now, Kind: "login",
		Job: jobs.New{Kind: "login.answer", Key: sender + "/" + id, Serial: "login:" + sender, Payload: []byte(`{"n":1}`)}}
}

// lease takes up to limit jobs of the given kinds for a minute.
func (b bundle) lease(tb testing.TB, owner string, limit int, kinds ...string) []jobs.Job {
	tb.Helper()
	taken, err := b.LeaseJobs(tb.Context(), jobs.Lease{Owner: owner, Kinds: kinds, Limit: limit,
		Now: b.now(), Until: b.now().Add(time.Minute)})
	require.NoError(tb, err)
	return taken
}

func (b bundle) settle(tb testing.TB, s ...jobs.Settlement) {
	tb.Helper()
	require.NoError(tb, b.SettleJobs(tb.Context(), s))
}

func (b bundle) add(tb testing.TB, n ...jobs.New) {
	tb.Helper()
	added, err := b.AddJobs(tb.Context(), n...)
	require.NoError(tb, err)
	require.Equal(tb, len(n), added)
}

// link is an open link of the i-th number, valid for 15 minutes.
func (b bundle) link(tb testing.TB, i int, reply string) auth.LinkRecord {
	tb.Helper()
	l := auth.LinkRecord{ReplyID: reply, CodeID: "code-" + reply, PreAuthHash: "hash-" + reply, Number: number(tb, i),
		Sealed: []byte("sealed " + reply), RequestedAt: b.now(), CreatedAt: b.now(), ExpiresAt: b.now().Add(15 * time.Minute),
		State: auth.LinkOpen}
	require.NoError(tb, b.SaveLink(tb.Context(), l))
	return l
}

func (b bundle) intent(l auth.LinkRecord, id string) auth.Intent {
	return auth.Intent{ID: id, ReplyID: l.ReplyID, CodeID: l.CodeID, Number: l.Number, Guest: "guest-" + id,
		StartedAt: b.now(), ExpiresAt: l.ExpiresAt, PreAuth: "pre-" + id}
}

func (b bundle) signIn(i auth.Intent, user string) auth.SignIn {
	return auth.SignIn{Intent: i.ID, UserID: user, NewUser: true, Number: i.Number, Guest: i.Guest, At: b.now(),
		Jobs: []jobs.New{
			{Kind: "fhir.sync", Key: i.ID, Serial: "patient:" + i.Number.Digits(), Payload: []byte(`{}`)},
			{Kind: "contact.sync", Key: i.ID, Payload: []byte(`{}`)},
		}}
}
