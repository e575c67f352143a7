package growth

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

var numbers = flag.Int("numbers", 10_000, "from how many numbers TestManyNumbers is flooded")

const (
	batch    = 2000 // messages that arrive at once
	parallel = 256  // calls that share a transaction
	pace     = 20 * time.Millisecond
)

// world is the bot over a real database, a line that only counts, and links that are recorded and never opened.
type world struct {
	t     *testing.T
	store *storage.Store
	bot   *bot.Bot
	dir   string
	now   atomic.Int64 // ms

	sent, made atomic.Int64
	mu         sync.Mutex
	counts     map[string]int
	linked     map[phone.Number]int
}

func (w *world) clock() time.Time { return time.UnixMilli(w.now.Load()).UTC() }

// Count implements bot.Counter.
func (w *world) Count(event, outcome string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[event+" "+outcome]++
}

// Send implements bot.Line.
func (w *world) Send(context.Context, bot.Outgoing) error { w.sent.Add(1); return nil }

// CreateLink implements bot.Links.
func (w *world) CreateLink(ctx context.Context, r bot.LinkRequest) (bot.Link, error) {
	hash := sha256.Sum256([]byte(r.ReplyID))
	expires := w.clock().Add(10 * time.Minute)
	err := w.store.SaveLink(ctx, auth.LinkRecord{ReplyID: r.ReplyID, CodeID: "code-" + r.ReplyID, PreAuthHash: hex.EncodeToString(hash[:]),
		Number: r.Number, Sealed: []byte("sealed"), RequestedAt: r.Requested, CreatedAt: w.clock(), ExpiresAt: expires, State: auth.LinkOpen})
	if err != nil {
		return bot.Link{}, err
	}
	w.made.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.linked[r.Number]++
	return bot.Link{URL: "https://example.org/auth/verify#" + r.ReplyID, Expires: expires}, nil
}

// noDesk is for a bot without admins: nobody ever asks it.
type noDesk struct {
	bot.Overview
	bot.JobDesk
	bot.CaseDesk
	bot.NumberDesk
	bot.OwnerDesk
	bot.Talk
}

func setup(t *testing.T) *world {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	w := open(t, storage.Config{Engine: storage.SQLite, Dir: dir}, bot.DefaultLimits())
	w.dir = dir
	return w
}

// open makes a bot over a database, as one process of several may.
func open(t *testing.T, cfg storage.Config, limits bot.Limits) *world {
	t.Helper()
	w := &world{t: t, counts: map[string]int{}, linked: map[phone.Number]int{}}
	w.now.Store(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).UnixMilli())
	var err error
	cfg.Now = w.clock
	w.store, err = storage.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	w.bot, err = bot.New(bot.Config{
		Line: w, Links: w, Inbox: w.store, Budgets: w.store, Chats: w.store, Bars: w.store, Desk: bot.DeskOf(noDesk{}), Counter: w, Wake: func() {},
		Limits: limits, Times: bot.DefaultTimes(), Language: bot.Language{Default: "en", Hidden: "en"},
		Other: bot.Other{Policy: bot.OtherIgnore}, WayOut: "https://example.org", IDKey: []byte("sixteen bytes at least"), Now: w.clock,
	})
	require.NoError(t, err)
	return w
}

func (w *world) number(i int) phone.Number {
	n, err := phone.FromDigits(fmt.Sprintf("62812%08d", i))
	require.NoError(w.t, err)
	return n
}

func (w *world) ask(n phone.Number, id string) bot.Message {
	return bot.Message{ID: id, From: n, Chat: n.Digits() + "@chat", Text: "Request login, authenticate me.", SentAt: w.clock(),
		PushName: "Somebody", Hidden: "9" + n.Digits()}
}

// receive hands messages over, many at once.
func (w *world) receive(messages []bot.Message) {
	g, ctx := errgroup.WithContext(w.t.Context())
	g.SetLimit(parallel)
	for _, m := range messages {
		g.Go(func() error { return w.bot.Receive(ctx, m) })
	}
	require.NoError(w.t, g.Wait())
}

func (w *world) lease() []jobs.Job {
	taken, err := w.store.LeaseJobs(w.t.Context(), jobs.Lease{Owner: "me", Kinds: []string{bot.JobLogin}, Limit: batch,
		Now: w.clock(), Until: w.clock().Add(time.Hour)})
	require.NoError(w.t, err)
	return taken
}

// work runs what is due until nothing is, and returns how many runs that took.
func (w *world) work() (runs int) {
	handlers := w.bot.Handlers()
	for {
		taken := w.lease()
		if len(taken) == 0 {
			return runs
		}
		runs += len(taken)
		settled := make([]jobs.Settlement, len(taken))
		g, ctx := errgroup.WithContext(w.t.Context())
		g.SetLimit(parallel)
		for i, j := range taken {
			g.Go(func() error {
				settled[i] = jobs.Settlement{ID: j.ID, Owner: "me", At: w.clock()}
				if err := handlers[j.Kind](ctx, j); err != nil { // it waits for a shared budget
					settled[i].Outcome, settled[i].RunAt, settled[i].Reason = jobs.Retry, w.clock().Add(5*time.Second), jobs.Reason(err)
				}
				return nil
			})
		}
		require.NoError(w.t, g.Wait())
		require.NoError(w.t, w.store.SettleJobs(w.t.Context(), settled))
	}
}

// heap is what is in use after everything that can go has gone.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// rows counts those of a table, past the store. live are the bytes of the file that hold something.
func (w *world) rows(tables ...string) map[string]int {
	db := w.file()
	defer func() { require.NoError(w.t, db.Close()) }()
	found := map[string]int{}
	for _, table := range tables {
		var n int
		require.NoError(w.t, db.QueryRowContext(w.t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		found[table] = n
	}
	return found
}

func (w *world) live() float64 {
	db := w.file()
	defer func() { require.NoError(w.t, db.Close()) }()
	var pages, free, size int
	for pragma, into := range map[string]*int{"page_count": &pages, "freelist_count": &free, "page_size": &size} {
		require.NoError(w.t, db.QueryRowContext(w.t.Context(), "PRAGMA "+pragma).Scan(into))
	}
	return float64((pages-free)*size) / (1 << 20)
}

func (w *world) file() *sql.DB {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(w.dir, "konsulin.db")+"?mode=ro")
	require.NoError(w.t, err)
	return db
}

// TestManyNumbers: a login request from each of very many numbers within minutes. Links and messages stay within the budgets,
// somebody who is known is served in the middle of it, memory does not grow with the numbers, and a month later nothing is
// left but the audit of the links that were made.
func TestManyNumbers(t *testing.T) {
	w := setup(t)
	known := w.number(99_999_999)
	ask := w.ask
	w.receive([]bot.Message{ask(known, "before")})
	w.work()
	require.Equal(t, 1, w.linked[known])
	require.GreaterOrEqual(t, *numbers, batch)
	began := w.clock()
	var young, half float64
	for i := 0; i < *numbers; i += batch {
		var messages []bot.Message
		for k := i; k < min(i+batch, *numbers); k++ {
			messages = append(messages, ask(w.number(k), fmt.Sprint("M", k)))
		}
		w.receive(messages)
		w.work()
		w.now.Add(int64(len(messages)) * pace.Milliseconds())
		if i/(*numbers/10) != (i+batch)/(*numbers/10) {
			t.Logf("%d numbers: heap %.1f MB, file in use %.1f MB", i+len(messages), heap(), w.live())
		}
		switch {
		case young == 0 && i >= *numbers/10:
			young = heap()
		case half == 0 && i >= *numbers/2:
			half = heap()
			w.now.Add(time.Minute.Milliseconds())
			w.receive([]bot.Message{ask(known, "in the middle")})
			w.work()
			require.Equal(t, 2, w.linked[known], "who is known keeps their share")
		}
	}
	end, full := heap(), w.live()
	took := w.clock().Sub(began)
	limits := bot.DefaultLimits()
	require.LessOrEqual(t, int(w.made.Load()), 2+limits.NewNumbers.Burst+int(took/limits.NewNumbers.Every))
	require.Greater(t, int(w.made.Load()), limits.NewNumbers.Burst, "newcomers are served at the budget's own pace")
	require.LessOrEqual(t, int(w.sent.Load()), 1+limits.Global.Burst+int(took/limits.Global.Every))
	w.mu.Lock()
	require.Equal(t, *numbers+2, w.counts["login link"]+w.counts["login limited_new"], "each request has one end: %v", w.counts)
	w.mu.Unlock()
	require.Less(t, end, 1.5*young+8, "memory: %.1f MB after a tenth, %.1f after half, %.1f at the end", young, half, end)

	// Whose time is over goes; a link leaves its two rows in the audit.
	w.now.Add((31 * 24 * time.Hour).Milliseconds())
	purged := time.Now()
	_, err := w.store.Purge(t.Context(), storage.DefaultRetention(), w.clock())
	require.NoError(t, err)
	spent := time.Since(purged)
	left := w.rows("messages", "jobs", "links", "budgets", "push_names", "identities", "audit", "audit_names")
	made := len(w.linked)
	require.Equal(t, map[string]int{"messages": 0, "jobs": 0, "links": 0, "budgets": 0, "push_names": 0,
		"identities": made, "audit": int(w.made.Load()), "audit_names": made}, left)
	small := w.live()
	require.Less(t, small, 1+full/3, "what was purged is free for what comes")
	size, err := os.Stat(filepath.Join(w.dir, "konsulin.db"))
	require.NoError(t, err)
	t.Logf("%d numbers: %d links, %d messages sent; heap %.1f, %.1f, %.1f MB; file %.1f MB, in use %.1f MB before and %.1f MB after a purge of %s",
		*numbers, w.made.Load(), w.sent.Load(), young, half, end, float64(size.Size())/(1<<20), full, small, spent.Round(time.Millisecond))
}
