package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

func TestSessionSurvivesRefreshAndEndsAtSignOut(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	b := w.browser()
	require.Empty(t, b.whoami(), "nobody yet")
	before := time.Now().Add(-time.Minute)
	a := b.consume(m)
	require.Equal(t, "OK", a.says("status"))
	var cookies []string
	for _, c := range a.header.Values("Set-Cookie") {
		name, _, _ := strings.Cut(c, "=")
		cookies = append(cookies, name)
		require.Contains(t, c, "HttpOnly")
		require.Contains(t, c, "SameSite=Lax")
	}
	require.ElementsMatch(t, []string{"sAccessToken", "sRefreshToken"}, cookies)
	require.NotEmpty(t, a.header.Get("front-token"))
	require.Empty(t, a.header.Get("st-access-token"))
	me := b.do(http.MethodGet, "/whoami", nil)
	require.Equal(t, []any{"Patient"}, me.body["roles"])
	created := time.UnixMilli(int64(me.body["created"].(float64)))
	require.True(t, created.After(before) && created.Before(time.Now().Add(time.Minute)))

	a = b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "rid", "session")
	require.Equal(t, http.StatusOK, a.status, a.raw)
	refreshed := b.do(http.MethodGet, "/whoami", nil)
	require.Equal(t, me.body["handle"], refreshed.body["handle"])
	require.Equal(t, me.body["created"], refreshed.body["created"], "a refresh is not a sign-in")

	id := w.core.user(m.number)
	require.Equal(t, 1, w.core.sessions(id))
	a = b.do(http.MethodPost, "/api/v1/auth/signout", nil, "rid", "session")
	require.Equal(t, "OK", a.says("status"))
	require.Empty(t, b.whoami())
	require.Zero(t, w.core.sessions(id))
	require.Equal(t, http.StatusUnauthorized, b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "rid", "session").status)
}

func TestSessionByHeader(t *testing.T) {
	w := setup(t)
	for _, mode := range []string{"header", ""} { // no mode is header mode
		b := w.browser()
		m := w.fresh()
		header := []string{"rid", "passwordless"}
		if mode != "" {
			header = append(header, "st-auth-mode", mode)
		}
		a := b.consume(m, header...)
		require.Equal(t, "OK", a.says("status"))
		require.Empty(t, a.header.Values("Set-Cookie"))
		access, refresh := a.header.Get("st-access-token"), a.header.Get("st-refresh-token")
		require.NotEmpty(t, access)
		require.NotEmpty(t, refresh)
		require.Empty(t, b.whoami())
		require.Equal(t, w.core.user(m.number), b.whoami("authorization", "Bearer "+access))
		a = b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "authorization", "Bearer "+refresh)
		require.Equal(t, http.StatusOK, a.status)
		access = a.header.Get("st-access-token")
		require.Equal(t, "OK", b.do(http.MethodPost, "/api/v1/auth/signout", nil, "authorization", "Bearer "+access).says("status"))
		require.Zero(t, w.core.sessions(w.core.user(m.number)))
	}
}

func TestRevokedSessionIsNone(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	b := w.browser()
	require.Equal(t, "OK", b.consume(m).says("status"))
	handle := b.do(http.MethodGet, "/whoami", nil).says("handle")
	w.core.do(http.MethodPost, "/recipe/session/remove", "session", nil, map[string]any{"sessionHandles": []string{handle}})
	a := b.do(http.MethodGet, "/whoami", nil)
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Equal(t, "remove", a.header.Get("front-token"), "the front end learns that it is signed out")
	require.Empty(t, b.whoami(), "its cookies are gone")
}

func TestStolenRefreshTokenEndsTheSession(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	b := w.browser()
	a := b.consume(m, "st-auth-mode", "header")
	stolen := "Bearer " + a.header.Get("st-refresh-token")
	a = b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "authorization", stolen)
	next := "Bearer " + a.header.Get("st-refresh-token")
	a = b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "authorization", next)
	require.Equal(t, http.StatusOK, a.status)
	a = b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "authorization", stolen)
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Zero(t, w.core.sessions(w.core.user(m.number)))
}

func TestForgedTokenIsRefused(t *testing.T) {
	w := setup(t)
	b := w.browser()
	access := b.consume(w.fresh(), "st-auth-mode", "header").header.Get("st-access-token")
	parts := strings.Split(access, ".")
	for _, forged := range []string{
		parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		parts[0] + "." + parts[1] + "A." + parts[2],
		"eyJhbGciOiJub25lIn0." + parts[1] + ".", parts[1], "", "a.b.c",
	} {
		require.Empty(t, b.whoami("authorization", "Bearer "+forged), "%q", forged)
	}
	require.NotEmpty(t, b.whoami("authorization", "Bearer "+access))
}

func TestSessionWhileTheCoreIsAway(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	b := w.browser()
	require.Equal(t, "OK", b.consume(m).says("status"))
	w.down()
	a := b.do(http.MethodGet, "/whoami", nil)
	require.Equal(t, http.StatusServiceUnavailable, a.status, "without the core's keys nobody can be told from anybody")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Empty(t, a.header.Values("Set-Cookie"), "the session is not lost")
	for _, path := range []string{"session/refresh", "signout"} {
		a = b.do(http.MethodPost, "/api/v1/auth/"+path, nil, "rid", "session")
		require.Equal(t, http.StatusServiceUnavailable, a.status, path)
		require.Empty(t, a.header.Values("Set-Cookie"), path)
	}
	require.Empty(t, w.browser().whoami())
	w.proxy.up()
	id := b.whoami()
	require.Equal(t, w.core.user(m.number), id)
	require.Equal(t, false, b.do(http.MethodGet, "/whoami", nil).body["unknown"])
	w.proxy.set(func(p *proxy) { p.fail[makeSession] = 500 })
	require.Equal(t, true, b.do(http.MethodGet, "/whoami", nil).body["unknown"])
	w.proxy.set(func(p *proxy) {
		clear(p.fail)
		p.garbage[makeSession] = `{"status":"OK","sessionHandle":"h","userId":"u","recipeUserId":"u","tenantId":"public",` +
			`"userDataInDatabase":{},"userDataInJWT":{},"expiry":1,"timeCreated":0}`
	})
	require.Equal(t, true, b.do(http.MethodGet, "/whoami", nil).body["unknown"], "and not 1970")
	w.proxy.set(func(p *proxy) { clear(p.garbage) })
	w.down()
	a = b.do(http.MethodGet, "/whoami", nil)
	require.Equal(t, id, a.says("user"), "with the keys at hand it can")
	require.Equal(t, true, a.body["unknown"], "nobody could be asked since when")
	w.proxy.up()
}

func TestCookiesAsConfigured(t *testing.T) {
	secure := true
	w := setup(t, func(c *auth.Config) {
		c.CookieDomain, c.CookieSameSite, c.CookieSecure = ".konsulin.example", "strict", &secure
	})
	for _, c := range w.browser().consume(w.fresh()).header.Values("Set-Cookie") {
		require.Contains(t, c, "Domain=konsulin.example")
		require.Contains(t, c, "SameSite=Strict")
		require.Contains(t, c, "Secure")
	}
}
