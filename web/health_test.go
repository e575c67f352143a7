package web_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

// TestHealthOnlyServesNothingElse: the pages and the routes are a gateway's; two of them would be one too many.
// TestAStuckProcessSaysSo: whoever restarts what is not alive reads /livez.
func TestAStuckProcessSaysSo(t *testing.T) {
	t.Parallel()
	var stuck error
	b := setup(t, func(c *web.Config) { c.Alive = func() error { return stuck } })
	require.Equal(t, http.StatusOK, b.get(t, "/livez").Code)
	stuck = errors.New("the loop of the line has not moved for 2m0s")
	got := b.get(t, "/livez")
	require.Equal(t, http.StatusServiceUnavailable, got.Code)
	require.Contains(t, got.Body.String(), `"alive":false`)
	require.Contains(t, got.Body.String(), stuck.Error())
}

func TestHealthOnlyServesNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *web.Config) { c.HealthOnly = true })
	require.Equal(t, http.StatusOK, b.get(t, "/livez").Code)
	require.Equal(t, http.StatusOK, b.get(t, "/readyz").Code)
	for _, path := range []string{"/", "/auth/verify?preAuthSessionId=" + openLink, "/auth/signed-in", "/api/v1/auth/session"} {
		require.Equal(t, http.StatusNotFound, b.get(t, path).Code, path)
	}
	body := `{"preAuthSessionId":"` + openLink + `","linkCode":"` + goodCode + `"}`
	got := b.do(t, http.MethodPost, "/api/v1/auth/signinup/code/consume", body, "Content-Type", "application/json")
	require.Equal(t, http.StatusNotFound, got.Code)
	require.Zero(t, b.sessions.consumed)
	require.Zero(t, b.sessions.looked)
}
