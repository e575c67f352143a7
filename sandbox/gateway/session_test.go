package gateway_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestASessionLivesInCookies promises sign-in, refresh and sign-out as a browser does them.
func TestASessionLivesInCookies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	require.Equal(t, http.StatusUnauthorized, br.do(http.MethodGet, base+"/session", nil).status)
	require.Equal(t, http.StatusUnauthorized, br.post("/session/refresh", nil).status)
	require.Equal(t, http.StatusUnauthorized, br.post("/signout", nil).status)
	got := br.signIn()
	require.Empty(t, got.header.Get("st-access-token"))
	front, err := base64.StdEncoding.DecodeString(got.header.Get("front-token"))
	require.NoError(t, err)
	user := b.core.Users()[0].ID
	require.Contains(t, string(front), `"uid":"`+user+`"`)
	for _, c := range got.header.Values("Set-Cookie") {
		require.Contains(t, c, "HttpOnly")
		require.Contains(t, c, "SameSite=Lax")
	}
	require.Equal(t, 1, b.core.Sessions(user))
	require.Equal(t, http.StatusOK, br.post("/session/refresh", nil).status)
	require.Equal(t, http.StatusOK, br.do(http.MethodGet, base+"/session", nil).status)
	require.Equal(t, "OK", br.post("/signout", nil).body["status"])
	require.Zero(t, b.core.Sessions(user))
	require.Equal(t, http.StatusUnauthorized, br.do(http.MethodGet, base+"/session", nil).status)
}

// TestASessionLivesInHeaders promises the same to a client that keeps tokens itself, and that a stolen refresh token ends
// the session.
func TestASessionLivesInHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	got := br.signIn("st-auth-mode", "header")
	require.Empty(t, got.header.Values("Set-Cookie"))
	access, first := got.header.Get("st-access-token"), got.header.Get("st-refresh-token")
	me := br.do(http.MethodGet, base+"/session", nil, "st-auth-mode", "header", "Authorization", "Bearer "+access)
	require.Equal(t, http.StatusOK, me.status)
	second := br.post("/session/refresh", nil, "st-auth-mode", "header", "Authorization", "Bearer "+first)
	require.Equal(t, http.StatusOK, second.status)
	third := br.post("/session/refresh", nil, "st-auth-mode", "header", "Authorization", "Bearer "+second.header.Get("st-refresh-token"))
	require.Equal(t, http.StatusOK, third.status)
	stolen := br.post("/session/refresh", nil, "st-auth-mode", "header", "Authorization", "Bearer "+first)
	require.Equal(t, http.StatusUnauthorized, stolen.status)
	require.Equal(t, "token theft detected", stolen.body["message"])
	require.Zero(t, b.core.Sessions(b.core.Users()[0].ID))
	require.Equal(t, http.StatusUnauthorized, br.post("/session/refresh", nil, "Authorization", "Bearer nonsense").status)
}

// TestKeysAreTheCores promises that anybody can check a token.
func TestKeysAreTheCores(t *testing.T) {
	t.Parallel()
	got := setup(t).browser().do(http.MethodGet, base+"/jwt/jwks.json", nil)
	require.Equal(t, http.StatusOK, got.status)
	require.Len(t, got.body["keys"], 2)
}
