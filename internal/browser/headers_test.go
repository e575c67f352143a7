package browser_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPageHeaders: whoever answers a route, the bot's pages, its API or SuperTokens, the answer carries the same headers.
func TestPageHeaders(t *testing.T) {
	d := startDemo(t)
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, route := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/auth", 200}, {"GET", "/auth/", 200}, {"HEAD", "/auth", 200}, {"GET", "/auth?redirectToPath=//evil.example", 200},
		{"POST", "/auth", 405}, {"POST", "/auth/code", 200}, {"GET", "/auth/code", 405},
		{"GET", "/auth/verify", 410}, {"GET", "/auth/verify?preAuthSessionId=abc", 410}, {"GET", "/auth/signed-in", 200},
		{"GET", "/auth/session", 401}, {"POST", "/auth/session/refresh", 401}, {"POST", "/auth/signout", 401},
		{"POST", "/auth/signinup/code/consume", 400}, {"POST", "/auth/signinup/code", 404}, {"POST", "/auth/signinup/code/resend", 404},
		{"POST", "/auth/login/start", 200}, {"GET", "/auth/login/attempt", 200}, {"GET", "/auth/login/link", 200}, {"POST", "/auth/login/code", 200},
		{"POST", "/auth/anonymous-session", 200}, {"PATCH", "/auth/anonymous/claim", 401}, {"GET", "/auth/jwt/jwks.json", 200},
		{"OPTIONS", "/auth/session", 204}, {"GET", "/auth/nothing", 404}, {"GET", "/livez", 200}, {"GET", "/readyz", 200},
	} {
		name := route.method + " " + route.path
		req, err := http.NewRequestWithContext(t.Context(), route.method, d.site+route.path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Origin", d.site)
		if route.method == http.MethodOptions {
			req.Header.Set("Access-Control-Request-Method", http.MethodGet)
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, route.status, resp.StatusCode, name)
		h := resp.Header
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'"} {
			require.Contains(t, h.Get("Content-Security-Policy"), part, name)
		}
		require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", name)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), name)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), name)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), name)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"), name)
		if route.path == "/auth/jwt/jwks.json" { // public keys, the same for everybody
			require.Equal(t, "max-age=60, must-revalidate", h.Get("Cache-Control"), name)
		} else {
			require.Equal(t, "no-store", h.Get("Cache-Control"), name)
		}
		require.NotContains(t, h.Get("Location"), "evil", name)
		for _, c := range resp.Cookies() {
			require.True(t, c.HttpOnly, "%s: no script reads %s", name, c.Name)
			require.True(t, c.Expires.Before(time.Now().AddDate(1, 0, 0)), "%s: %s is not for ever", name, c.Name)
		}
	}
}
