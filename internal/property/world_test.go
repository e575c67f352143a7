package property_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	phrase   = "Request login, authenticate me."
	linkLife = 10 * time.Minute
	website  = "https://konsulin.example"
	idKey    = "sixteen bytes at least"
	owner    = "line" // of the jobs' leases, as in the process that owns the line
)

// clock is everybody's time.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.ms.Load()).UTC() }

// counts is what the rooms count.
type counts struct {
	mu       sync.Mutex
	messages map[string]int // kind and outcome
	refused  map[string]int // reason
	signedIn int
}

func (c *counts) Count(event, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages[event+" "+reason]++
}

func (c *counts) SignedIn(bool, bool, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signedIn++
}

func (c *counts) Refused(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[reason]++
}

// world is two processes on one database, the core, and the line of whichever of them owns it.
type world struct {
	clock  *clock
	core   *supertokens.Server
	config storage.Config
	stores [2]*storage.Store
	owns   int // which of them owns the line
	faults *faults
	counts *counts

	records   *authRecords
	auth      *auth.Service
	routes    http.Handler
	bot       *bot.Bot
	desk      *admin.Service
	reference bool // messages name the login that they are for
	limits    bot.Limits

	lineDown bool
	onLine   func(bot.Outgoing) // what WhatsApp has taken
}

func newWorld(t *rapid.T, config storage.Config, reference bool) *world {
	w := &world{
		clock: &clock{}, config: config, faults: &faults{}, reference: reference,
		counts: &counts{messages: map[string]int{}, refused: map[string]int{}},
		limits: bot.Limits{
			Number: bot.Rate{Burst: 3, Every: 3 * time.Minute}, NumberDay: bot.Rate{Burst: 8, Every: time.Hour},
			NewNumbers: bot.Rate{Burst: 4, Every: 30 * time.Second}, Global: bot.Rate{Burst: 12, Every: 15 * time.Second},
		},
	}
	w.clock.ms.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).UnixMilli())
	w.config.Now = w.clock.now
	var err error
	w.core, err = supertokens.New(supertokens.Options{Now: w.clock.now, CodeLifetime: linkLife})
	require.NoError(t, err)
	for side := range w.stores {
		w.openStore(t, side)
	}
	w.records = &authRecords{Store: w.stores[0], faults: w.faults}
	w.startAuth(t)
	w.startBot(t)
	return w
}

func (w *world) close(t require.TestingT) {
	require.NoError(t, w.auth.Close())
	for _, s := range w.stores {
		require.NoError(t, s.Close())
	}
	require.NoError(t, w.core.Close())
	require.Empty(t, w.core.Unknown(), "the stand-in got what no core would know")
}

func (w *world) openStore(t require.TestingT, side int) {
	var err error
	w.stores[side], err = storage.Open(context.Background(), w.config)
	require.NoError(t, err)
}

func (w *world) startAuth(t require.TestingT) {
	number, err := phone.FromDigits("628001234567")
	require.NoError(t, err)
	w.auth, err = auth.New(context.Background(), auth.Config{
		CoreURI: w.core.URL(), Tenant: "public", AppName: "Konsulin", APIDomain: "http://127.0.0.1:8080", WebsiteDomain: website,
		APIBasePath: "/auth", WebsiteBasePath: "/auth", CookieSameSite: "lax",
		Links: w.records, SignIns: w.records, Gate: w.records, Guests: w.records, Attempts: w.records,
		GuestLifetime: 720 * time.Hour, GuestKeys: 720 * time.Hour, BotNumber: number, Phrase: phrase, ChatURL: "https://wa.me",
		Reference: w.reference, SealKey: bytes.Repeat([]byte{7}, 32), CoreTimeout: 5 * time.Second, DefaultRole: "Patient",
		Measure: func(base http.RoundTripper) http.RoundTripper { return wayToCore{base, w.faults} },
		Events:  w.counts, Now: w.clock.now,
	})
	require.NoError(t, err)
	w.routes = w.auth.Routes(http.NotFoundHandler())
}

// startBot makes the bot of the process that owns the line; what its former life was working on comes again.
func (w *world) startBot(t require.TestingT) {
	store := w.stores[w.owns]
	require.NoError(t, store.ReleaseJobs(context.Background(), owner))
	w.desk = admin.New(admin.Config{
		Core: core{w.auth}, Bars: store, Pauses: store, Questions: store, Now: w.clock.now,
	})
	records := botRecords{store, w.faults}
	var err error
	w.bot, err = bot.New(bot.Config{
		Line: w, Links: links{w}, Inbox: records, Budgets: records, Chats: records, Bars: records, Desk: bot.DeskOf(w.desk),
		Counter: w.counts, Reference: w.reference, Limits: w.limits, Times: bot.DefaultTimes(),
		Language: bot.Language{Default: "en", ByCountry: map[string]string{"62": "id"}, Hidden: "id"},
		Other:    bot.Other{Policy: bot.OtherReply, Human: "+62 21 555 0100", Emergency: "119"},
		WayOut:   "https://help.example/masuk", IDKey: []byte(idKey), Now: w.clock.now,
	})
	require.NoError(t, err)
}

// dies puts new processes in the place of both: the store of the one that died is opened anew, and the SDK, which they
// share here, has forgotten everything.
func (w *world) dies(t require.TestingT, side int) {
	require.NoError(t, w.auth.Close())
	require.NoError(t, w.stores[side].Close())
	w.openStore(t, side)
	w.records.Store = w.stores[side]
	w.startAuth(t)
	w.startBot(t)
}

// Send is the line.
func (w *world) Send(_ context.Context, m bot.Outgoing) error {
	return w.faults.around(func() error {
		if w.lineDown {
			return fmt.Errorf("reconnecting: %w", bot.ErrLineDown)
		}
		w.onLine(m)
		return nil
	})
}

// links shows auth to the bot, as internal/app does.
type links struct{ w *world }

func (l links) CreateLink(ctx context.Context, r bot.LinkRequest) (bot.Link, error) {
	l.w.records.Store = l.w.stores[l.w.owns]
	made, err := l.w.auth.CreateLink(ctx, auth.LinkRequest{
		Number: r.Number, ReplyID: r.ReplyID, Requested: r.Requested, Reference: r.Reference,
	})
	if errors.Is(err, auth.ErrLinkSpent) {
		err = fmt.Errorf("%w: %w", bot.ErrLinkSpent, err)
	}
	return bot.Link{URL: made.URL, Expires: made.Expires, Code: made.Code}, err
}

// core shows auth to admin, as internal/app does.
type core struct{ auth *auth.Service }

func (c core) User(ctx context.Context, n phone.Number) (admin.User, bool, error) {
	u, found, err := c.auth.UserOf(ctx, n)
	return admin.User(u), found, err
}

func (c core) EndLinks(ctx context.Context, n phone.Number) error { return c.auth.EndLinks(ctx, n) }

func (c core) Revoke(ctx context.Context, n phone.Number) (admin.Revoked, error) {
	done, err := c.auth.RevokeNumber(ctx, n)
	return admin.Revoked{UserID: done.UserID, Links: done.Links, Sessions: done.Sessions}, err
}

// lineKinds are the jobs of the line's owner.
func (w *world) lineKinds() []string {
	return []string{bot.JobLogin, bot.JobReply, bot.JobCommand}
}

// lease takes one due job of the line; false: there is none.
func (w *world) lease(t require.TestingT) (jobs.Job, bool) {
	now := w.clock.now()
	got, err := w.stores[w.owns].LeaseJobs(context.Background(), jobs.Lease{
		Owner: owner, Kinds: w.lineKinds(), Limit: 1, Now: now, Until: now.Add(time.Hour),
	})
	require.NoError(t, err)
	if len(got) == 0 {
		return jobs.Job{}, false
	}
	return got[0], true
}

// settle ends the lease as the runner does.
func (w *world) settle(t require.TestingT, j jobs.Job, outcome error) {
	now := w.clock.now()
	s := jobs.Settlement{ID: j.ID, Owner: owner, At: now, Outcome: jobs.Done}
	var later interface {
		RetryAfter() (time.Duration, bool)
	}
	switch {
	case outcome == nil:
	case errors.As(outcome, &later):
		pause, _ := later.RetryAfter()
		s.Outcome, s.RunAt = jobs.Retry, now.Add(pause)
	case jobs.IsPermanent(outcome):
		s.Outcome = jobs.Dead
	default:
		s.Outcome, s.RunAt, s.Counts = jobs.Retry, now.Add(30*time.Second), true
	}
	require.NoError(t, w.stores[w.owns].SettleJobs(context.Background(), []jobs.Settlement{s}))
}

// litePlace is a fresh data directory with migrated tables, copied from one that was made once.
func litePlace(t require.TestingT, template, dir string) storage.Config {
	require.NoError(t, os.CopyFS(dir, os.DirFS(template)))
	require.NoError(t, os.Chmod(dir, 0o700)) //nolint:gosec // as the bot wants it
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		require.NoError(t, os.Chmod(filepath.Join(dir, f.Name()), 0o600))
	}
	return storage.Config{Engine: storage.SQLite, Dir: dir}
}
