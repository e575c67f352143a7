package auth_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// tally is what the metrics were told.
type tally struct {
	mu      sync.Mutex
	signIns []string
	afters  []time.Duration
	refused map[string]int
	calls   int
}

func (c *tally) SignedIn(newUser, reconciled bool, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := "known"
	if newUser {
		kind = "new"
	}
	if reconciled {
		kind += ", reconciled"
	}
	c.signIns, c.afters = append(c.signIns, kind), append(c.afters, after)
}

func (c *tally) Refused(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[reason]++
}

// RoundTrip makes the tally a way to the core, too.
func (c *tally) through(base http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		c.mu.Lock()
		c.calls++
		c.mu.Unlock()
		return base.RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestEveryConfirmationIsCountedOnce: as a sign-in, or under exactly one reason.
func TestEveryConfirmationIsCountedOnce(t *testing.T) {
	c := &tally{refused: map[string]int{}}
	w := setup(t, func(cfg *auth.Config) { cfg.Events, cfg.Measure = c, c.through })
	first := w.fresh()
	w.clock.advance(7 * time.Second)
	require.Equal(t, "OK", w.browser().consume(first).says("status"))
	w.browser().consume(first)
	second := w.link(first.number, newReply(t))
	third := w.link(first.number, newReply(t))
	w.browser().consume(second)
	wrong := third
	wrong.code += "x"
	w.browser().consume(wrong)
	foreign := third
	foreign.preAuth += "x"
	w.browser().consume(foreign)
	w.proxy.down()
	w.browser().consume(third)
	w.proxy.up()
	w.clock.advance(time.Hour)
	w.browser().consume(third)
	require.Equal(t, []string{"new"}, c.signIns)
	require.GreaterOrEqual(t, c.afters[0], 7*time.Second)
	require.Less(t, c.afters[0], time.Minute)
	require.Equal(t, map[string]int{
		"used": 1, "revoked": 1, "wrong_code": 1, "unknown": 1, "undecided": 1, "expired": 1,
	}, c.refused)
	require.Positive(t, c.calls, "calls to the core go through what measures them")
}
