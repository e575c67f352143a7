package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/stretchr/testify/require"
)

// ask asks the core as a gateway beside the bot does.
func (w *world) ask(path, rid string, body any) map[string]any {
	w.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(w.t, err)
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.cfg.Auth.CoreURI+path, strings.NewReader(string(raw)))
	require.NoError(w.t, err)
	for name, value := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "cdi-version": "3.1", "rid": rid, "api-key": w.cfg.Auth.APIKey.Reveal(),
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	var got map[string]any
	require.NoError(w.t, json.NewDecoder(resp.Body).Decode(&got))
	require.Equal(w.t, "OK", got["status"])
	return got
}

// gatewayConsumes is the other program's page: it consumes the code and makes the session.
func (w *world) gatewayConsumes(l link) (userID string) {
	w.t.Helper()
	got := w.ask("/public/recipe/signinup/code/consume", "passwordless",
		map[string]any{"preAuthSessionId": l.PreAuthSessionID, "linkCode": l.Code})
	userID, _ = got["user"].(map[string]any)["id"].(string)
	w.ask("/public/recipe/session", "session", map[string]any{
		"userId": userID, "userDataInJWT": map[string]any{}, "userDataInDatabase": map[string]any{},
		"enableAntiCsrf": false, "useDynamicSigningKey": true,
	})
	return userID
}

// TestBesideAGateway: the gateway's pages consume the link, the bot notices, records it once and leaves the contact; also
// when it is killed in between.
func TestBesideAGateway(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, engine, func(cfg *app.Config) {
				cfg.Auth.Consume, cfg.Auth.WatchEvery = "elsewhere", 50*time.Millisecond
				cfg.Auth.APIDomain, cfg.Auth.WebsiteDomain = "https://api.example", "https://www.example"
			})
			w.pairQR()
			b := w.startOutside()

			got, err := newBrowser(t, b.URL()).try(t.Context(), http.MethodGet, "/auth/verify", nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusNotFound, got.StatusCode)

			siti := w.user()
			userID := w.gatewayConsumes(w.requestLink(siti))
			signIns := func() int { return w.count("SELECT count(*) FROM audit WHERE event = 'sign-in'") }
			require.Eventually(t, func() bool { return signIns() == 1 }, 30*time.Second, 20*time.Millisecond)
			require.Equal(t, 1, w.count("SELECT count(*) FROM audit WHERE event = 'sign-in' AND user_id = $1", userID))

			l := w.requestLink(siti)
			b.kill()
			w.gatewayConsumes(l) // nobody watches
			b.start()
			require.Eventually(t, func() bool { return signIns() == 2 }, 90*time.Second, 20*time.Millisecond)
			require.Equal(t, 2, w.count("SELECT count(*) FROM jobs WHERE kind = 'fhir.sync'"))
			require.Zero(t, w.count("SELECT count(*) FROM jobs WHERE kind = 'contact.sync'"), "the contact is the gateway's")
			b.Stop()
		})
	}
}
