package auth_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// everyCall is what a sign-in of somebody new, a refresh and a sign-out ask of the core.
func everyCall() []string {
	return []string{
		"/recipe/signinup/code", "/recipe/signinup/codes", "/recipe/signinup/code/consume", "/recipe/user/roles",
		"/recipe/user/role", "/recipe/session", "/recipe/session/refresh", "/recipe/session/remove",
	}
}

// A core whose database would not have two writers at a time answers 500, and a moment later does what it is asked.
func TestNobodyNoticesAStumblingCore(t *testing.T) {
	w := setup(t)
	before := map[string]int{}
	for _, path := range everyCall() {
		before[path] = w.proxy.count(path)
		w.proxy.set(func(p *proxy) { p.stumble[path] = 3 })
	}
	m, b := w.fresh(), w.browser()
	require.Len(t, w.core.codes(m.number), 1)
	require.Equal(t, "OK", b.consume(m).says("status"))
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "rid", "session").status)
	require.Equal(t, w.core.user(m.number), b.whoami())
	require.Equal(t, "OK", b.do(http.MethodPost, "/api/v1/auth/signout", nil, "rid", "session").says("status"))
	require.Len(t, w.store.recorded(), 1)
	require.Equal(t, []string{"Patient"}, w.core.roles(w.core.user(m.number)))
	for _, path := range everyCall() {
		require.GreaterOrEqual(t, w.proxy.count(path)-before[path], 4, path)
	}
}

func TestACoreThatGoesOnFailingIsNotAskedForEver(t *testing.T) {
	const create = "/recipe/signinup/code"
	w := setup(t)
	m := w.fresh()
	for _, path := range []string{create, consumeCode} {
		before := w.proxy.count(path)
		w.proxy.set(func(p *proxy) { p.fail[path] = http.StatusInternalServerError })
		if path == create {
			_, err := w.service.CreateLink(context.Background(), asked(newNumber(t), newReply(t)))
			var e *auth.CoreError
			require.ErrorAs(t, err, &e)
			require.Equal(t, http.StatusInternalServerError, e.Status)
		} else {
			require.Equal(t, auth.ReasonTryAgain, w.browser().consume(m).says("reason"))
		}
		require.Equal(t, 4, w.proxy.count(path)-before)
	}
	w.proxy.set(func(p *proxy) { clear(p.fail) })
	require.Equal(t, "OK", w.browser().consume(m).says("status"), "the link is as good as before")
}

// A core that consumed the code before it stumbled is not asked to do that again.
func TestACodeIsConsumedOnceAlthoughTheCoreStumbles(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	before := w.proxy.count(consumeCode)
	w.proxy.set(func(p *proxy) { p.half[consumeCode] = 1 })
	require.Equal(t, "OK", w.browser().consume(m).says("status"))
	require.Equal(t, 1, w.proxy.count(consumeCode)-before)
	require.Len(t, w.store.recorded(), 1)
}

func TestAStumblingCoreGetsNoMoreTimeThanAnother(t *testing.T) {
	const create = "/recipe/signinup/code"
	w := setup(t, func(c *auth.Config) { c.CoreTimeout = 600 * time.Millisecond })
	before := w.proxy.count(create)
	w.proxy.set(func(p *proxy) {
		p.fail[create] = http.StatusServiceUnavailable
		p.before[create] = func() { time.Sleep(250 * time.Millisecond) }
	})
	_, err := w.service.CreateLink(context.Background(), asked(newNumber(t), newReply(t)))
	require.Error(t, err)
	require.Less(t, w.proxy.count(create)-before, 4, "the time of the request was over")
}
