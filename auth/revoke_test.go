package auth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// bars is a Gate over a memory: what an admin wrote down.
type bars struct {
	store *memory

	mu      sync.Mutex
	reason  string
	revoked time.Time
	err     error
}

func (b *bars) Bar(_ context.Context, _ phone.Number, made time.Time) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || b.reason != "" {
		return b.reason, b.err
	}
	if !b.revoked.IsZero() && !b.revoked.Before(made) {
		return "revoked", nil
	}
	return "", nil
}

func (b *bars) RevokeLinks(_ context.Context, n phone.Number, _ string) (int, error) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	revoked := 0
	for _, l := range b.store.links {
		if l.Number == n && l.State == auth.LinkOpen {
			l.State, l.Sealed = auth.LinkRevoked, nil
			revoked++
		}
	}
	return revoked, nil
}

func (b *bars) set(f func(*bars)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b)
}

func setupGate(t *testing.T) (*world, *bars) {
	t.Helper()
	gate := &bars{}
	w := setup(t, func(c *auth.Config) {
		gate.store = c.Links.(*memory)
		c.Gate = gate
	})
	return w, gate
}

func TestRevokeKillsLinkAndSession(t *testing.T) {
	w, gate := setupGate(t)
	first := w.fresh()
	b := w.browser()
	require.Equal(t, "OK", b.consume(first).says("status"))
	open := w.link(first.number, newReply(t))
	foreign := w.core.createCode(first.number) // of another program on the core

	gate.set(func(g *bars) { g.revoked = w.clock.Now() })
	done, err := w.service.RevokeNumber(t.Context(), first.number)
	require.NoError(t, err)
	require.Equal(t, auth.Revoked{UserID: w.core.user(first.number), Links: 1, Sessions: 1}, done)
	require.Empty(t, b.whoami(), "the session ended at once")
	require.Empty(t, w.core.codes(first.number))
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(open).says("status"))
	require.Equal(t, "RESTART_FLOW_ERROR", w.core.consumeDirectly(foreign))
	require.Zero(t, w.core.sessions(done.UserID))

	done, err = w.service.RevokeNumber(t.Context(), first.number)
	require.NoError(t, err)
	require.Equal(t, auth.Revoked{UserID: done.UserID}, done, "again is harmless")
	w.clock.advance(time.Second)
	require.Equal(t, "OK", b.consume(w.link(first.number, newReply(t))).says("status"), "a new link works, unless refused")
	require.NotEmpty(t, b.whoami())
}

func TestRevokingANumberWithoutUserIsNoError(t *testing.T) {
	w, _ := setupGate(t)
	m := w.fresh()
	done, err := w.service.RevokeNumber(t.Context(), m.number)
	require.NoError(t, err)
	require.Equal(t, auth.Revoked{Links: 1}, done)
}

// TestRevocationInTheMiddleOfASignInLeavesNoSession writes the revocation down at each moment of a confirmation.
func TestRevocationInTheMiddleOfASignInLeavesNoSession(t *testing.T) {
	for name, at := range map[string]string{"before the code is consumed": consumeCode, "before the session is made": makeSession} {
		t.Run(name, func(t *testing.T) {
			w, gate := setupGate(t)
			m := w.fresh()
			b := w.browser()
			w.proxy.set(func(p *proxy) {
				p.before[at] = func() { gate.set(func(g *bars) { g.revoked = w.clock.Now() }) }
			})
			a := b.consume(m)
			require.NotEqual(t, "OK", a.says("status"), a.raw)
			require.Empty(t, a.header.Values("Set-Cookie"), "no token leaves")
			require.Empty(t, b.whoami())
			require.Zero(t, w.core.sessions(w.core.user(m.number)), "and the session at the core is gone")
		})
	}
}

// TestForgettingInTheMiddleOfASignInLeavesNoSession: the bar is gone with everything else, and so is the link.
func TestForgettingInTheMiddleOfASignInLeavesNoSession(t *testing.T) {
	w, _ := setupGate(t)
	m := w.fresh()
	b := w.browser()
	w.proxy.set(func(p *proxy) {
		p.before[makeSession] = func() {
			w.store.mu.Lock()
			defer w.store.mu.Unlock()
			clear(w.store.links)
		}
	})
	a := b.consume(m)
	require.NotEqual(t, "OK", a.says("status"), a.raw)
	require.Empty(t, a.header.Values("Set-Cookie"), "no token leaves")
	require.Empty(t, b.whoami())
	require.Zero(t, w.core.sessions(w.core.user(m.number)), "and the session at the core is gone")
}

func TestBarredNumberGetsNoSession(t *testing.T) {
	for name, c := range map[string]struct {
		reason string
		err    error
		status string
	}{
		"blocked":             {reason: "blocked", status: "RESTART_FLOW_ERROR"},
		"paused":              {reason: auth.BarPaused, status: "GENERAL_ERROR"},
		"nobody knows":        {err: errors.New("the database is away"), status: "GENERAL_ERROR"},
		"nothing against her": {status: "OK"},
	} {
		t.Run(name, func(t *testing.T) {
			w, gate := setupGate(t)
			m := w.fresh()
			gate.set(func(g *bars) { g.reason, g.err = c.reason, c.err })
			b := w.browser()
			require.Equal(t, c.status, b.consume(m).says("status"))
			if c.status == "OK" {
				return
			}
			require.Empty(t, w.store.recorded(), "the code was not consumed")
			gate.set(func(g *bars) { g.reason, g.err = "", nil })
			require.Equal(t, "OK", b.consume(m).says("status"), "the link waits for the bar to be lifted")
		})
	}
}

func TestUserOfTellsWhatTheCoreKnows(t *testing.T) {
	w, _ := setupGate(t)
	m := w.fresh()
	_, found, err := w.service.UserOf(t.Context(), m.number)
	require.NoError(t, err)
	require.False(t, found)
	require.Equal(t, "OK", w.browser().consume(m).says("status"))
	u, found, err := w.service.UserOf(t.Context(), m.number)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, w.core.user(m.number), u.ID)
	require.Equal(t, []string{"Patient"}, u.Roles)
	require.Equal(t, 1, u.Sessions)
	require.WithinDuration(t, time.Now(), u.Joined, time.Minute)
	w.down()
	_, _, err = w.service.UserOf(t.Context(), m.number)
	require.Error(t, err)
	_, err = w.service.RevokeNumber(t.Context(), m.number)
	require.Error(t, err, "a revocation that did not reach the core is not done")
}

// TestABarEndsLinksBesideAGateway: the gateway would consume the codes without asking anybody.
func TestABarEndsLinksBesideAGateway(t *testing.T) {
	gate := &bars{}
	w := setup(t, beside, func(c *auth.Config) { gate.store, c.Gate = c.Links.(*memory), gate })
	done, open := w.fresh(), w.fresh()
	w.core.gateway(done)
	gate.set(func(g *bars) { g.reason = "blocked" })
	for _, m := range []magic{done, open} {
		require.NoError(t, w.service.EndLinks(t.Context(), m.number))
		require.Empty(t, w.core.codes(m.number))
		require.Equal(t, "RESTART_FLOW_ERROR", w.core.consumeDirectly(m))
	}
	require.Len(t, w.store.recorded(), 1, "who had confirmed already is not forgotten")
	require.Equal(t, auth.LinkRevoked, w.store.state(open.reply))

	n, reply := newNumber(t), newReply(t)
	_, err := w.service.CreateLink(t.Context(), asked(n, reply)) // the bar is written while the link is made
	require.ErrorIs(t, err, auth.ErrLinkSpent)
	require.Empty(t, w.core.codes(n))
	require.Equal(t, auth.LinkRevoked, w.store.state(reply))

	gate.set(func(g *bars) { g.reason = auth.BarPaused })
	w.fresh()
}

// TestARevocationForgetsNoConfirmation: one that nobody had noticed yet.
func TestARevocationForgetsNoConfirmation(t *testing.T) {
	gate := &bars{}
	w := setup(t, beside, func(c *auth.Config) { gate.store, c.Gate = c.Links.(*memory), gate })
	m := w.fresh()
	w.core.gateway(m)
	gate.set(func(g *bars) { g.revoked = w.clock.Now() })
	done, err := w.service.RevokeNumber(t.Context(), m.number)
	require.NoError(t, err)
	require.Equal(t, 1, done.Sessions)
	require.Len(t, w.store.recorded(), 1)
	require.Equal(t, auth.LinkConsumed, w.store.state(m.reply))
}

func TestABarLeavesLinksToTheGateHere(t *testing.T) {
	w, _ := setupGate(t)
	m := w.fresh()
	require.NoError(t, w.service.EndLinks(t.Context(), m.number))
	require.Equal(t, "OK", w.browser().consume(m).says("status"), "the block may have been lifted by then")
}
