package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/stretchr/testify/require"
)

// A number with a new owner still signs in, because WhatsApp vouches for it; but the session says that another proof is needed
// before anything of the former owner is shown.
func TestChangedIdentityStepsUp(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, engine, func(cfg *app.Config) { cfg.Login.DormantAfter = 24 * time.Hour })
			b := w.pairAndStart()
			in := func(l link) (userID string, stepUp map[string]any) {
				br := newBrowser(t, b.URL())
				br.signIn(t, l)
				said := br.session(t).json(t)
				claims := br.claims(t)
				require.Equal(t, claims["step_up_required"], said["stepUpRequired"])
				return said["userId"].(string), claims
			}

			newPhone, newOwner, plain := w.user(), w.user(), w.user()
			first, claims := in(w.requestLink(newPhone))
			require.NotContains(t, claims, "step_up_required", "nothing has changed")
			in(w.requestLink(newOwner))
			in(w.requestLink(plain))

			newPhone.Reinstall(w.account) // WhatsApp tells of it
			require.Eventually(t, func() bool {
				return w.count(`SELECT COUNT(*) FROM audit WHERE event = 'number.changed'`) == 1
			}, 30*time.Second, 20*time.Millisecond)
			again, claims := in(w.requestLink(newPhone))
			require.Equal(t, first, again, "the core knows the user by the number alone")
			require.Equal(t, true, claims["step_up_required"])
			require.Equal(t, "identity", claims["step_up_reason"])

			require.NoError(t, newOwner.ChangeLID(newLID())) // nobody tells, but another account writes
			_, claims = in(w.requestLink(newOwner))
			require.Equal(t, "hidden id", claims["step_up_reason"])
			_, claims = in(w.requestLink(newOwner))
			require.Equal(t, true, claims["step_up_required"], "until the application has had its proof")

			_, claims = in(w.requestLink(plain))
			require.NotContains(t, claims, "step_up_required", "other numbers are left in peace")
			require.Equal(t, 2, w.count(`SELECT COUNT(*) FROM audit WHERE event = 'number.changed'`), "told once each")

			w.stepUpDone(first, time.Now())
			_, claims = in(w.requestLink(newPhone))
			require.NotContains(t, claims, "step_up_required", "the proof was given")
			require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM audit WHERE event = 'number.confirmed'`))
			_, claims = in(w.requestLink(newPhone))
			require.NotContains(t, claims, "step_up_required")
		})
	}
}

// claims reads the access token that the browser holds.
func (b *browser) claims(t *testing.T) map[string]any {
	t.Helper()
	at, err := url.Parse(b.base)
	require.NoError(t, err)
	for _, c := range b.http.Jar.Cookies(at) {
		if c.Name != "sAccessToken" {
			continue
		}
		token, err := url.QueryUnescape(c.Value)
		require.NoError(t, err)
		parts := strings.Split(token, ".")
		require.Len(t, parts, 3)
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		var claims map[string]any
		require.NoError(t, json.Unmarshal(raw, &claims))
		return claims
	}
	require.Fail(t, "no access token")
	return nil
}

// stepUpDone says at the core what the application says there after it has had another proof.
func (w *world) stepUpDone(userID string, at time.Time) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"userId": userID, "metadataUpdate": map[string]any{"step_up_done_at": at.UnixMilli()}})
	require.NoError(w.t, err)
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, w.cfg.Auth.CoreURI+"/recipe/user/metadata", strings.NewReader(string(body)))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("cdi-version", "3.1")
	req.Header.Set("rid", "usermetadata")
	if key := w.cfg.Auth.APIKey; key != "" {
		req.Header.Set("api-key", key.Reveal())
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	require.NoError(w.t, resp.Body.Close())
	require.Contains(w.t, string(raw), `"OK"`)
}
