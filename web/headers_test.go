package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

// everyRoute is one request for each way in which this package answers.
func everyRoute(t *testing.T, b *bundle) map[string][2]string {
	t.Helper()
	page := b.get(t, verifyPath(openLink)).Body.String() + b.get(t, "/auth").Body.String()
	routes := map[string][2]string{
		"open": {"GET", verifyPath(openLink)}, "open head": {"HEAD", verifyPath(openLink)},
		"login": {"GET", "/auth"}, "login slash": {"GET", "/auth/"}, "login head": {"HEAD", "/auth"},
		"login back": {"GET", "/auth?redirectToPath=%2Fjournal&lang=en"}, "code": {"POST", "/auth/code"}, "code get": {"GET", "/auth/code"},
		"self": {"GET", verifyPath(selfLink)}, "digits": {"GET", verifyPath(digitsLink)}, "other": {"GET", verifyPath(otherLink)},
		"last try": {"GET", verifyPath(lastLink)},
		"start":    {"POST", "/api/v1/auth/login/start"}, "attempt": {"GET", "/api/v1/auth/login/attempt"},
		"guest": {"POST", "/api/v1/auth/anonymous-session"}, "claim": {"PATCH", "/api/v1/auth/anonymous/claim"},
		"used": {"GET", verifyPath(usedLink)}, "expired": {"GET", verifyPath(expiredLink)},
		"no storage": {"GET", verifyPath(brokenLink)}, "signed in": {"GET", "/auth/signed-in"},
		"session": {"GET", "/api/v1/auth/session"}, "livez": {"GET", "/livez"}, "readyz": {"GET", "/readyz"},
		"unknown": {"GET", "/nothing/here"}, "unknown post": {"POST", "/nothing"}, "root": {"GET", "/"},
		"method": {"POST", verifyPath(openLink)}, "cleaned": {"GET", "//evil.example/../auth/verify"},
		"backslash": {"GET", "/%5Cevil.example"}, "consume": {"POST", consumePath}, "consume get": {"GET", consumePath},
		"options": {"OPTIONS", "/auth/verify"}, "stale asset": {"GET", "/auth/assets/pages.000000000000.css"},
	}
	assets := regexp.MustCompile(`/auth/assets/[a-z.-]+\.[0-9a-f]{12}\.[a-z]+`).FindAllString(page, -1)
	require.GreaterOrEqual(t, len(assets), 3)
	for _, a := range assets {
		routes[a] = [2]string{"GET", a}
	}
	return routes
}

func TestPageHeadersOnEveryRoute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, route := range everyRoute(t, b) {
		w := b.do(t, route[0], route[1], "")
		h := w.Header()
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
			"base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
		} {
			require.Contains(t, policy, part, name)
		}
		require.NotContains(t, policy, "unsafe", name)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), name)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), name)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"), name)
		require.Contains(t, h.Get("Permissions-Policy"), "camera=()", name)
		require.Contains(t, h.Get("Strict-Transport-Security"), "max-age=", name)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), name)
		require.NotEmpty(t, h.Get("X-Request-Id"), name)
		if strings.Contains(name, "/assets/") {
			require.Equal(t, http.StatusOK, w.Code, name)
			require.Contains(t, h.Get("Cache-Control"), "immutable", name)
		} else {
			require.Equal(t, "no-store", h.Get("Cache-Control"), name)
		}
	}
}

func TestPageHeadersSurviveAPanicAndARefusal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sessions.sdk = func(http.ResponseWriter, *http.Request) { panic("the code was 123456") }
	for _, w := range []*http.Response{
		b.do(t, "POST", consumePath, "{}").Result(),
		b.do(t, "POST", consumePath, strings.Repeat("x", 70<<10)).Result(),
		b.do(t, "POST", consumePath, "{}", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").Result(),
	} {
		require.GreaterOrEqual(t, w.StatusCode, 400)
		require.Contains(t, w.Header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Equal(t, "no-store", w.Header.Get("Cache-Control"))
		require.Equal(t, "application/json; charset=utf-8", w.Header.Get("Content-Type"))
	}
	require.Contains(t, b.log.String(), "a request panicked")
	require.NotContains(t, b.log.String(), "123456", "what was panicked with is not logged")
}

func TestHSTSOnlyWithHTTPS(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *web.Config) { c.HTTPS = false })
	require.Empty(t, b.get(t, "/auth/signed-in").Header().Get("Strict-Transport-Security"))
}

// Against open redirects and an injected Host header.
func TestSpoofedHostChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := regexp.MustCompile(`[A-Z0-9]{26}`)
	for name, route := range everyRoute(t, b) {
		honest := b.do(t, route[0], route[1], "")
		spoofed := b.do(t, route[0], route[1], "",
			"Host", "spoofed.example", "X-Forwarded-Host", "spoofed.example", "X-Forwarded-Proto", "spoofed",
			"Forwarded", "host=spoofed.example", "X-Original-URL", "/spoofed", "X-Rewrite-URL", "/spoofed")
		require.Equal(t, honest.Code, spoofed.Code, name)
		require.Equal(t, honest.Body.String(), spoofed.Body.String(), name)
		require.NotContains(t, spoofed.Body.String(), "spoofed", name)
		for key, values := range spoofed.Header() {
			for i, v := range values {
				require.NotContains(t, v, "spoofed", "%s: %s", name, key)
				require.Equal(t, id.ReplaceAllString(honest.Header()[key][i], ""), id.ReplaceAllString(v, ""), name)
			}
		}
		if to := spoofed.Header().Get("Location"); to != "" {
			require.Regexp(t, `^/[^/\\]`, to, name)
		}
	}
}

func TestNothingInlineAndNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, target := range []string{"/auth", verifyPath(openLink), verifyPath(lastLink), verifyPath(usedLink), verifyPath(brokenLink), "/auth/signed-in", "/x"} {
		body := b.get(t, target).Body.String()
		require.NotRegexp(t, `<style|\sstyle=|\son[a-z]+=|javascript:`, body)
		require.NotRegexp(t, `<script[^>]*>[^<]`, body)
		for _, ref := range regexp.MustCompile(`(?:src|<link[^>]* href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			require.True(t, strings.HasPrefix(ref[1], "/auth/assets/"), ref[1])
			require.Equal(t, http.StatusOK, b.get(t, ref[1]).Code, ref[1])
			script, err := io.ReadAll(b.get(t, ref[1]).Body)
			require.NoError(t, err)
			require.NotRegexp(t, `innerHTML|eval\(|document\.write|localStorage|sessionStorage|insertAdjacent`, string(script))
		}
	}
}

func TestMethodsOtherThanReadingAreRefusedWithAllow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/auth", "/auth/", "/auth/verify", "/auth/signed-in", "/api/v1/auth/session", "/livez", "/readyz"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			w := b.do(t, method, path, "")
			require.Equal(t, http.StatusMethodNotAllowed, w.Code, "%s %s", method, path)
			require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
		}
	}
}

func TestAssetsAreCompressedForThoseWhoTakeIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := regexp.MustCompile(`/auth/assets/pages\.[0-9a-f]{12}\.css`).FindString(b.get(t, "/auth").Body.String())
	plain := b.get(t, path)
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	for accept, want := range map[string]bool{
		"gzip": true, "br, gzip;q=0.5": true, "gzip, deflate, br, zstd": true, "": false, "br": false, "gzip;q=0": false, "x-gzip": false,
	} {
		w := b.get(t, path, "Accept-Encoding", accept)
		require.Equal(t, "Accept-Encoding", w.Header().Get("Vary"))
		require.Equal(t, want, w.Header().Get("Content-Encoding") == "gzip", accept)
		if !want {
			require.Equal(t, plain.Body.String(), w.Body.String())
			continue
		}
		require.Less(t, w.Body.Len(), plain.Body.Len())
		unpack, err := gzip.NewReader(w.Body)
		require.NoError(t, err)
		body, err := io.ReadAll(unpack)
		require.NoError(t, err)
		require.Equal(t, plain.Body.String(), string(body))
	}
	require.Empty(t, b.get(t, "/auth", "Accept-Encoding", "gzip").Header().Get("Content-Encoding"), "pages are not")
}
