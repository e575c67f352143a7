package e2e_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

const killUsers = 50

// TestKillNothingLostNothingDoubled kills the bot with SIGKILL at random moments, -kills times in all, while 50 people
// log in and open their links. Afterwards every request has exactly one link message, the link of each person's
// latest request works, and every consumed link has its one audit row and its jobs.
func TestKillNothingLostNothingDoubled(t *testing.T) {
	t.Parallel()
	for i, engine := range engines {
		share := *kills / len(engines)
		if i == 0 {
			share = *kills - share*(len(engines)-1)
		}
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			killMany(t, engine, share)
		})
	}
}

// crowd is what happened to everybody.
type crowd struct {
	w   *world
	url string

	requests atomic.Int64
	consumed atomic.Int64 // answers that said OK
	unknown  atomic.Int64 // confirmations whose answer was lost to a kill
}

// person is one of the crowd.
type person struct {
	phone    *whatsapp.User
	requests int
	latest   link
	spent    bool // latest was confirmed, or its confirmation's answer was lost
	oks      int
}

func killMany(t *testing.T, engine string, kills int) {
	w := newWorld(t, engine, func(cfg *app.Config) {
		cfg.Log.Level = "info"
		cfg.Login.StaleAfter = 10 * time.Minute // nobody is turned away: each request must end in a link
		plenty := app.RateConfig{Burst: 1_000_000, Every: time.Millisecond}
		cfg.Login.Limits = app.LimitsConfig{Number: plenty, NumberDay: plenty, NewNumbers: plenty, Global: plenty}
		cfg.Jobs.MaxAttempts = 1000
	})
	w.pairQR()
	b := w.startOutside()
	c := &crowd{w: w, url: b.URL()}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	people := make([]*person, killUsers)
	var busy sync.WaitGroup
	for i := range people {
		people[i] = &person{phone: w.user()}
		busy.Go(func() { c.live(ctx, people[i]) })
	}
	for range kills {
		time.Sleep(time.Duration(rand.IntN(900)) * time.Millisecond) // random moments are the point
		b.kill()
		b.start()
	}
	w.awaitReady(b)
	stop()
	busy.Wait()
	c.settle(t)
	t.Logf("%s: %d kills, %d requests, %d sign-ins answered, %d confirmations cut off", engine, kills, c.requests.Load(), c.consumed.Load(), c.unknown.Load())
	c.check(t, people)
}

// live asks for links and opens some of them until ctx ends. It never has two requests open, as a person would not.
func (c *crowd) live(ctx context.Context, p *person) {
	br := newBrowser(c.w.t, c.url)
	for ctx.Err() == nil {
		if !c.ask(ctx, p) {
			return
		}
		if rand.IntN(3) > 0 {
			c.confirm(ctx, br, p)
		}
	}
}

// ask sends the phrase and waits for the link; it goes on waiting when ctx ends, because a request is a promise.
func (c *crowd) ask(ctx context.Context, p *person) bool {
	if _, err := p.phone.Text(ctx, c.w.account, phrase); err != nil {
		return false
	}
	p.requests++
	c.requests.Add(1)
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	got, err := p.phone.Next(waiting)
	if err != nil {
		c.w.t.Errorf("a request stayed without an answer: %v", err)
		return false
	}
	l, ok := linkIn(got.Text)
	if !ok {
		c.w.t.Errorf("a request was answered without a link: %s", got.Text)
		return false
	}
	p.latest, p.spent = l, false
	return true
}

// confirm opens the link and presses the button until the bot has answered.
func (c *crowd) confirm(ctx context.Context, br *browser, p *person) {
	for ctx.Err() == nil {
		a, err := br.tryConfirm(ctx, p.latest)
		switch {
		case err != nil: // killed in the middle, or not up: pressed again
			c.unknown.Add(1)
			p.spent = true
		case a.status() == "OK":
			p.spent = true
			p.oks++
			c.consumed.Add(1)
			return
		case a.status() == "RESTART_FLOW_ERROR":
			if !p.spent {
				c.w.t.Errorf("the latest link was refused although nobody had opened it")
			}
			return
		default: // "try again in a moment"
			p.spent = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// settle waits until the bot has nothing left to reconcile.
func (c *crowd) settle(t *testing.T) {
	t.Helper()
	s := c.w.store()
	require.Eventually(t, func() bool {
		open, err := s.OpenIntents(t.Context(), time.Now().Add(time.Hour))
		return err == nil && len(open) == 0
	}, 3*time.Minute, 100*time.Millisecond, "every sign-in that a kill left open is settled")
}

func (c *crowd) check(t *testing.T, people []*person) {
	t.Helper()
	s := c.w.store()
	require.Zero(t, c.w.count(`SELECT COUNT(*) FROM intents WHERE outcome = 'revoked'`),
		"nobody's link dies while it is being consumed: each such intent was a sign-in, or its link is open again")
	for _, p := range people {
		links := map[string]int{}
		for _, r := range p.phone.Received() {
			l, ok := linkIn(r.Text)
			require.True(t, ok, r.Text)
			links[l.Code]++
		}
		require.Len(t, p.phone.Received(), p.requests, "one message for each request")
		require.Len(t, links, p.requests, "and each with a link of its own")
		rows := signIns(t, s, p.phone)
		require.GreaterOrEqual(t, len(rows), p.oks, "every answered sign-in is recorded")
		seen := map[string]bool{}
		for _, row := range rows {
			require.False(t, seen[row.ReplyID], "a link is recorded once")
			seen[row.ReplyID] = true
		}
		c.jobsOf(t, rows)
		if !p.spent {
			newBrowser(t, c.url).signIn(t, p.latest)
		}
	}
}

func signIns(t *testing.T, s *storage.Store, u *whatsapp.User) []storage.AuditRow {
	t.Helper()
	rows, err := s.ListAudit(t.Context(), storage.AuditQuery{Event: storage.EventSignIn, Number: numberOf(t, u), Limit: 10_000})
	require.NoError(t, err)
	return rows
}

func numberOf(t *testing.T, u *whatsapp.User) phone.Number {
	t.Helper()
	n, err := phone.FromDigits(u.Phone())
	require.NoError(t, err)
	return n
}

// jobsOf insists on the follow-up jobs of each sign-in: one of each kind.
func (c *crowd) jobsOf(t *testing.T, rows []storage.AuditRow) {
	t.Helper()
	for _, row := range rows {
		for _, kind := range []string{auth.JobFHIRSync, auth.JobContactSync} {
			n := c.w.count(`SELECT COUNT(*) FROM jobs WHERE kind = $1 AND key = $2`, kind, row.IntentID)
			require.Equal(t, 1, n, "%s of a recorded sign-in", kind)
		}
	}
}
