package web_test

import (
	"net/http"
	"testing"

	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

// TestHealthOnlyServesNothingElse: the pages and the routes are a gateway's; two of them would be one too many.
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
