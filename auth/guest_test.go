package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// token is the guest token that a browser holds.
func (b browser) token() string {
	b.w.t.Helper()
	at, err := url.Parse(b.w.web.URL)
	require.NoError(b.w.t, err)
	for _, c := range b.Jar.Cookies(at) {
		if c.Name == "anon_session" {
			return c.Value
		}
	}
	return ""
}

// holding is a browser with a guest token of somebody's making.
func (w *world) holding(token string) browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	at, err := url.Parse(w.web.URL)
	require.NoError(w.t, err)
	jar.SetCookies(at, []*http.Cookie{{Name: "anon_session", Value: token, Path: "/"}})
	return browser{&http.Client{Jar: jar}, w}
}

func TestGuestSessionIsWhatTheFrontEndKnows(t *testing.T) {
	w := setup(t)
	b := w.browser()
	a := b.do(http.MethodPost, "/api/v1/auth/anonymous-session", nil)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, true, a.body["success"])
	require.NotEmpty(t, a.says("message"))
	data := a.body["data"].(map[string]any)
	require.Equal(t, true, data["is_new"])
	require.Equal(t, "guest", data["role"])
	id := data["guest_id"].(string)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(data["token"].(string), ".")[1])
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(payload, &claims))
	require.Equal(t, id, claims["guest_id"])
	require.Equal(t, id, claims["sub"])
	require.Equal(t, "guest", claims["role"])
	cookie := strings.Join(a.header.Values("Set-Cookie"), "\n")
	require.Contains(t, cookie, "anon_session="+data["token"].(string))
	for _, part := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		require.Contains(t, cookie, part)
	}

	again := b.do(http.MethodPost, "/api/v1/auth/anonymous-session", nil).body["data"].(map[string]any)
	require.Equal(t, id, again["guest_id"])
	require.Equal(t, false, again["is_new"])
	require.NotEqual(t, id, b.guest("?force_new=true"))
	w.clock.advance(16 * 24 * time.Hour)
	second := b.guest()
	token := b.token()
	require.Equal(t, second, b.guest())
	require.Equal(t, token, b.token(), "the one renewed a moment ago")
	w.clock.advance(31 * 24 * time.Hour)
	require.NotEqual(t, second, b.guest(), "and one that did not come back is gone")
}

// A guest's token is no session, wherever it is shown.
func TestGuestTokenIsNoSession(t *testing.T) {
	w := setup(t)
	b := w.browser()
	b.guest()
	require.Empty(t, b.whoami())
	require.Empty(t, b.whoami("Authorization", "Bearer "+b.token(), "st-auth-mode", "header"))
	require.Empty(t, b.whoami("Cookie", "sAccessToken="+b.token(), "st-auth-mode", "cookie"))
	require.Equal(t, http.StatusUnauthorized, b.claim().status)
	require.Equal(t, http.StatusUnauthorized, b.do(http.MethodPatch, "/api/v1/auth/anonymous/claim", nil, "Authorization", "Bearer "+b.token()).status)
	m := w.fresh()
	a := b.present(m, no(m), "st-auth-mode", "cookie", "rid", "passwordless", "Authorization", "Bearer "+b.token())
	require.Equal(t, "OK", a.says("status"), "nor somebody else's")
}

func TestGuestTokenDiesOnUpgrade(t *testing.T) {
	w := setup(t)
	b := w.browser()
	id := b.guest()
	token := b.token()
	b.begin("")
	m := w.fresh()
	require.Equal(t, "OK", b.present(m, nil).says("status"))
	require.Equal(t, w.core.user(m.number), w.store.guest(id).UserID)

	thief := w.holding(token)
	require.NotEqual(t, id, thief.guest(), "whoever kept the token is somebody new")
	thief = w.holding(token)
	thief.begin("")
	second := w.fresh()
	require.Equal(t, "OK", thief.present(second, nil).says("status"))
	require.Empty(t, w.store.recorded()[1].Guest, "a claim happens once")
	require.Equal(t, w.core.user(m.number), w.store.guest(id).UserID)
	a := thief.claim()
	require.Equal(t, false, a.body["data"].(map[string]any)["claimed"])
	require.Equal(t, "other_user", a.body["data"].(map[string]any)["reason"])

	w.store.claim(id, "QuestionnaireResponse/1", "QuestionnaireResponse/2")
	a = b.claim()
	require.Equal(t, http.StatusOK, a.status)
	require.JSONEq(t, `{"data":{"claimed":true,"count":2,"referenceList":["QuestionnaireResponse/1","QuestionnaireResponse/2"]}}`, a.raw)
	require.Empty(t, b.token(), "the cookie is done with")
	require.Equal(t, http.StatusNoContent, b.claim().status)
}

func TestInventedGuestRefused(t *testing.T) {
	w := setup(t)
	real := w.browser()
	id := real.guest()
	_, signature, _ := cutLast(real.token())
	invented := map[string]string{
		"rubbish": "x", "empty": "a.b.c", "unsigned": unsigned(t, id), "signed by somebody": signedBy(t, id, []byte("key")),
		"the signature of another": body(t, id) + "." + signature, "a real one with a letter more": real.token() + "A",
	}
	for name, token := range invented {
		b := w.holding(token)
		require.NotEqual(t, id, b.guest(), name)
		b = w.holding(token)
		b.begin("")
		m := w.fresh()
		require.Equal(t, "OK", b.present(m, nil).says("status"), name)
		a := b.claim()
		require.Equal(t, http.StatusOK, a.status, name)
		require.JSONEq(t, `{"data":{"claimed":false,"count":0,"referenceList":[],"reason":"invalid_token"}}`, a.raw, name)
		require.Empty(t, b.token(), name)
	}
	for _, s := range w.store.recorded() {
		require.Empty(t, s.Guest)
	}
	require.Empty(t, w.store.guest(id).UserID)
}

func cutLast(token string) (head, signature string, ok bool) {
	i := strings.LastIndex(token, ".")
	return token[:i], token[i+1:], i > 0
}

func body(t *testing.T, id string) string {
	t.Helper()
	head, _, _ := cutLast(unsigned(t, id))
	return strings.TrimSuffix(head, ".")
}

func unsigned(t *testing.T, id string) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodNone, guestClaims(id)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	return s
}

func signedBy(t *testing.T, id string, key []byte) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, guestClaims(id)).SignedString(key)
	require.NoError(t, err)
	return s
}

func guestClaims(id string) jwt.MapClaims {
	return jwt.MapClaims{"guest_id": id, "sub": id, "role": "guest", "iss": "http://127.0.0.1:8080/api/v1/auth",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
}

func TestClaimOfAGuestWhoIsSignedInAlready(t *testing.T) {
	w := setup(t)
	b := w.browser()
	m := w.fresh()
	require.Equal(t, "OK", b.consume(m).says("status"))
	require.Equal(t, http.StatusNoContent, b.claim().status, "no cookie, nothing to do")
	id := b.guest()
	a := b.claim()
	require.Equal(t, http.StatusServiceUnavailable, a.status, "the job has not run")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.NotEmpty(t, b.token(), "so that it can be asked again")
	w.store.claim(id, "QuestionnaireResponse/9")
	a = b.claim()
	require.JSONEq(t, `{"data":{"claimed":true,"count":1,"referenceList":["QuestionnaireResponse/9"]}}`, a.raw)
	require.Equal(t, w.core.user(m.number), w.store.guest(id).UserID)
}

// What became of a claim is told as far as it is known, and no further.
func TestAClaimPromisesOnlyWhatIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		became auth.GuestClaim
		want   string
	}{
		"done, nothing was there": {auth.GuestClaim{}, `{"data":{"claimed":true,"count":0,"referenceList":[]}}`},
		"long ago":                {auth.GuestClaim{Forgotten: true}, `{"data":{"claimed":false,"count":0,"referenceList":[],"reason":"long_ago"}}`},
		"laid aside half way": {auth.GuestClaim{Failed: true, References: []string{"QuestionnaireResponse/1"}},
			`{"data":{"claimed":false,"count":1,"referenceList":["QuestionnaireResponse/1"],"reason":"failed"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			b := w.browser()
			id := b.guest()
			b.begin("")
			require.Equal(t, "OK", b.present(w.fresh(), nil).says("status"))
			w.store.became(id, c.became)
			require.JSONEq(t, c.want, b.claim().raw)
		})
	}
}

// A guest that is set apart in the moment of a claim became nobody else.
func TestAGuestSetApartMeanwhileIsNotSomebodyElses(t *testing.T) {
	w := setup(t)
	b := w.browser()
	m := w.fresh()
	require.Equal(t, "OK", b.consume(m).says("status"))
	id := b.guest()
	w.store.apartAfterLook(id, w.core.user(m.number))
	require.JSONEq(t, `{"data":{"claimed":false,"count":0,"referenceList":[],"reason":"set_apart"}}`, b.claim().raw)
	require.Equal(t, id, b.guest(), "whoever it belongs to still has it")
}
