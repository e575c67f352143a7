package auth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// A login that nobody would answer does not begin, its caller hears why and when to ask again, and it is counted; links and
// sessions that people have are none of its business.
func TestNoLoginBeginsWhileTheLineIsDown(t *testing.T) {
	reason, wait := "", time.Duration(0)
	turned := map[string]int{}
	w := setup(t, func(c *auth.Config) {
		c.LineDown = func() (string, time.Duration) { return reason, wait }
		c.TurnedAway = func(route, why string) { turned[route+" "+why]++ }
	})
	start := func(b browser) answer {
		return b.do(http.MethodPost, "/api/v1/auth/login/start", map[string]string{"returnPath": "/journal"})
	}
	b := w.browser()
	require.Equal(t, "OK", start(b).says("status"))
	m := w.fresh()
	for _, c := range []struct {
		reason string
		wait   time.Duration
		after  string
	}{{"banned", 90*time.Minute + time.Millisecond, "5401"}, {"logged out", 0, "60"}} {
		reason, wait = c.reason, c.wait
		a := start(w.browser())
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, "LINE_DOWN", a.says("status"))
		require.Equal(t, c.reason, a.says("reason"))
		require.Equal(t, c.after, a.header.Get("Retry-After"))
		require.Empty(t, a.header.Values("Set-Cookie"), "nothing has begun")
		require.Empty(t, a.says("url"))
	}
	require.Equal(t, map[string]int{"login line": 2}, turned)
	require.Equal(t, "OK", b.consume(m).says("status"), "a link that was sent before still works")
	require.NotEmpty(t, b.whoami())
	reason = ""
	require.Equal(t, "OK", start(w.browser()).says("status"), "it comes back with the line")
}
