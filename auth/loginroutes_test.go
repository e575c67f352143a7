package auth_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/clientip"
	"github.com/stretchr/testify/require"
)

func TestStartedLoginSaysWhatToSend(t *testing.T) {
	w := setup(t)
	b := w.browser()
	a := b.do(http.MethodPost, "/api/v1/auth/login/start", nil)
	require.Equal(t, http.StatusOK, a.status)
	require.JSONEq(t, `{"status":"OK","text":"Request login, authenticate me.","expires_in":1799,
		"url":"https://wa.me/628001234567?text=Request%20login%2C%20authenticate%20me."}`, strings.Replace(a.raw, ":1800", ":1799", 1))
	cookie := strings.Join(a.header.Values("Set-Cookie"), "\n")
	for _, part := range []string{"login=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1800"} {
		require.Contains(t, cookie, part)
	}
	require.Empty(t, b.do(http.MethodPost, "/api/v1/auth/login/start", nil).header.Values("Set-Cookie"), "the one that is under way")
	require.Equal(t, http.StatusMethodNotAllowed, b.do(http.MethodGet, "/api/v1/auth/login/start", nil).status)
	require.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, "/api/v1/auth/login/start", []string{"x"}).status)
	require.Equal(t, http.StatusRequestEntityTooLarge,
		b.do(http.MethodPost, "/api/v1/auth/login/start", map[string]string{"returnPath": strings.Repeat("a", 1<<20)}).status)
	require.JSONEq(t, `{"state":"none"}`, w.browser().do(http.MethodGet, "/api/v1/auth/login/attempt", nil).raw)
}

func TestReferencesAreShortAndDifferent(t *testing.T) {
	w := setup(t, withReference)
	seen := map[string]bool{}
	for range 50 {
		b := w.browser()
		a := b.do(http.MethodPost, "/api/v1/auth/login/start", nil)
		ref := a.says("reference")
		require.Regexp(t, regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{6}$`), ref)
		require.False(t, seen[ref])
		seen[ref] = true
		require.Equal(t, "Request login, authenticate me. #"+ref, a.says("text"))
		require.True(t, strings.HasSuffix(a.says("url"), "%20%23"+ref), a.says("url"))
		require.Equal(t, ref, b.begin(""), "the same while it lives")
	}
}

func TestOnHTTPSNobodyElseCanSetTheLoginsCookie(t *testing.T) {
	for sameSite, want := range map[string]string{"lax": "SameSite=Lax", "none": "SameSite=None", "strict": "SameSite=Lax"} {
		w := setup(t, func(c *auth.Config) { c.APIDomain, c.CookieSameSite = "https://api.konsulin.example", sameSite })
		cookie := w.browser().do(http.MethodPost, "/api/v1/auth/login/start", nil).header.Get("Set-Cookie")
		for _, part := range []string{"__Host-login=", "Secure", "HttpOnly", "Path=/", want} {
			require.Contains(t, cookie, part, sameSite)
		}
		require.NotContains(t, cookie, "Domain")
		cookie = w.browser().do(http.MethodPost, "/api/v1/auth/anonymous-session", nil).header.Get("Set-Cookie")
		require.Contains(t, cookie, "Secure")
		w.stop()
	}
}

// A path is validated when the login starts and again when it ends. The corpus itself is internal/returnpath's.
func TestRedirectCorpus(t *testing.T) {
	w := setup(t)
	for _, bad := range []string{"//evil.example", "https://evil.example", `/\evil.example`, "/%2f%2fevil.example", "evil", "javascript:alert(1)",
		"/a\x00b", "/" + strings.Repeat("a", 300), "/\t/evil.example"} {
		b := w.browser()
		b.begin(bad)
		require.Empty(t, b.view(w.fresh()).ReturnPath, bad)
	}
	b := w.browser()
	b.begin("/journal?day=1")
	b.begin("//evil.example")
	require.Equal(t, "/journal?day=1", b.view(w.fresh()).ReturnPath, "an unsafe one changes nothing")
	b.begin("/profile")
	m := w.fresh()
	require.Equal(t, "/profile", b.view(m).ReturnPath, "the newest counts")
	for _, a := range w.store.attempts {
		a.ReturnPath = "https://evil.example" // as from a database that somebody wrote to
	}
	require.Empty(t, b.view(m).ReturnPath)
}

func TestSpoofedHost(t *testing.T) {
	w := setup(t)
	a := w.browser().do(http.MethodPost, "/api/v1/auth/login/start", nil, "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example")
	require.NotContains(t, a.raw, "evil")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://evil.example/api/v1/auth/login/start", nil)
	rec := httptest.NewRecorder()
	w.service.Routes(http.NotFoundHandler()).ServeHTTP(rec, r)
	require.Equal(t, http.StatusOK, rec.Code)
	require.NotContains(t, rec.Body.String()+strings.Join(rec.Header().Values("Set-Cookie"), ""), "evil.example")
}

// One client cannot fill our tables, also not by saying that it is many.
func TestSpoofedForwardedFor(t *testing.T) {
	none, err := clientip.New(nil)
	require.NoError(t, err)
	w := setup(t, func(c *auth.Config) { c.Client = none.Of })
	routes := w.service.Routes(http.NotFoundHandler())
	ask := func(peer, forwarded string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/auth/anonymous-session", nil)
		r.RemoteAddr = netip.MustParseAddr(peer).String() + ":1234"
		if strings.Contains(peer, ":") {
			r.RemoteAddr = "[" + peer + "]:1234"
		}
		r.Header.Set("X-Forwarded-For", forwarded)
		rec := httptest.NewRecorder()
		routes.ServeHTTP(rec, r)
		return rec.Code
	}
	busy := 0
	for i := range 2000 {
		if ask("203.0.113.9", netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String()) == http.StatusTooManyRequests {
			busy++
		}
	}
	require.Greater(t, busy, 500)
	require.Equal(t, http.StatusOK, ask("203.0.113.10", ""), "others do not notice")
	for i := range 2000 { // nor by all the addresses of its network
		ask(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}).String(), "")
	}
	require.Equal(t, http.StatusTooManyRequests, ask("2001:db8::ff", ""))
	require.Equal(t, http.StatusOK, ask("2001:db8:0:1::ff", ""))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth", nil)
	r.RemoteAddr = "[2001:db8::fe]:1"
	_, err = w.service.StartAttempt(httptest.NewRecorder(), r, "")
	require.ErrorIs(t, err, auth.ErrBusy, "pages hear it, too")
}

func TestFrontEndsOfConfiguredOriginsMayCallTheAPI(t *testing.T) {
	w := setup(t, func(c *auth.Config) { c.AllowedOrigins = []string{"https://app.example"} })
	b := w.browser()
	for _, path := range []string{
		"/signinup/code/consume", "/session/refresh", "/signout", "/login/start", "/login/code", "/anonymous-session", "/anonymous/claim", "/session",
	} {
		for origin, allowed := range map[string]bool{"https://konsulin.example": true, "https://app.example": true, "https://evil.example": false, "null": false} {
			method := http.MethodPost
			if path == "/anonymous/claim" {
				method = http.MethodPatch
			}
			a := b.do(http.MethodOptions, "/api/v1/auth"+path, nil, "Origin", origin, "Access-Control-Request-Method", method,
				"Access-Control-Request-Headers", "anti-csrf,authorization,content-type,fdi-version,rid,st-auth-mode")
			got := a.header.Get("Access-Control-Allow-Origin")
			if !allowed {
				require.Empty(t, got, "%s %s", origin, path)
				continue
			}
			require.Equal(t, origin, got, path)
			require.Equal(t, "true", a.header.Get("Access-Control-Allow-Credentials"))
			require.Equal(t, method, a.header.Get("Access-Control-Allow-Methods"))
			require.Contains(t, a.header.Get("Access-Control-Allow-Headers"), "st-auth-mode")
		}
	}
	a := b.consume(w.fresh(), "Origin", "https://app.example", "st-auth-mode", "header", "rid", "passwordless")
	require.Equal(t, "https://app.example", a.header.Get("Access-Control-Allow-Origin"))
	exposed := strings.ToLower(strings.Join(a.header.Values("Access-Control-Expose-Headers"), ","))
	for _, header := range []string{"front-token", "st-access-token", "st-refresh-token", "anti-csrf"} {
		require.Contains(t, exposed, header)
	}
	for _, path := range []string{"/auth/verify", "/api/v1/auth/signinup/code"} {
		require.Empty(t, b.do(http.MethodGet, path, nil, "Origin", "https://app.example").header.Get("Access-Control-Allow-Origin"), path)
	}
}

func TestElsewhereServesNothingOfThis(t *testing.T) {
	w := setup(t, func(c *auth.Config) { c.Elsewhere, c.Guests, c.Attempts = true, nil, nil })
	for _, path := range []string{"/login/start", "/login/attempt", "/login/code", "/anonymous-session", "/anonymous/claim"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
			require.Equal(t, http.StatusTeapot, w.browser().do(method, "/api/v1/auth"+path, nil).status, path)
		}
	}
}

func TestStoreAwayIsNobodysFault(t *testing.T) {
	w := setup(t, withReference)
	b := w.browser()
	b.guest()
	b.begin("")
	for _, c := range []struct{ method, path, broken string }{
		{http.MethodPost, "/login/start", "AttemptByKey"}, {http.MethodGet, "/login/attempt", "AttemptByKey"},
		{http.MethodPost, "/anonymous-session", "Guest"},
	} {
		w.store.fail(c.broken, 1)
		a := b.do(c.method, "/api/v1/auth"+c.path, nil)
		require.Equal(t, http.StatusServiceUnavailable, a.status, c.path)
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
	for _, broken := range []string{"AttemptByKey", "Guest", "AttemptOfLink", "TryDigits"} {
		m := w.fresh()
		w.store.fail(broken, 1)
		require.Equal(t, auth.ReasonTryAgain, b.consume(m).says("reason"), broken)
		require.Equal(t, auth.LinkOpen, w.store.state(m.reply), "nothing is spent")
	}
}
