package web_test

import (
	"errors"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

var errAway = errors.New("storage is away")

const consumePath = "/api/v1/auth/signinup/code/consume"

func verifyPath(link string) string {
	return "/auth/verify?preAuthSessionId=" + link + "&tenantId=public"
}

func TestPagesMatchTheirGoldenFilesInBothLanguages(t *testing.T) {
	t.Parallel()
	hash := regexp.MustCompile(`\.[0-9a-f]{12}\.`)
	for name, c := range map[string]struct {
		target string
		status int
		header []string
		before func(*sessions)
	}{
		"login":           {target: "/auth", status: http.StatusOK},
		"login-phone":     {target: "/auth?redirectToPath=%2Fjournal", status: http.StatusOK, header: aPhone()},
		"login-reference": {target: "/auth", status: http.StatusOK, before: func(f *sessions) { f.attempt = referenced("waiting") }},
		"login-received":  {target: "/auth", status: http.StatusOK, header: aPhone(), before: func(f *sessions) { f.attempt = referenced("received") }},
		"verify":          {target: verifyPath(openLink) + "&redirectToPath=%2Fjournal%3Fday%3D1", status: http.StatusOK},
		"verify-self":     {target: verifyPath(selfLink), status: http.StatusOK},
		"verify-digits":   {target: verifyPath(digitsLink), status: http.StatusOK},
		"verify-other":    {target: verifyPath(otherLink), status: http.StatusOK},
		"verify-last":     {target: verifyPath(lastLink), status: http.StatusOK},
		"verify-used":     {target: verifyPath(usedLink), status: http.StatusGone},
		"verify-expired":  {target: verifyPath(expiredLink), status: http.StatusGone},
		"verify-no-store": {target: verifyPath(brokenLink), status: http.StatusServiceUnavailable},
		"signed-in":       {target: "/auth/signed-in", status: http.StatusOK},
		"not-found":       {target: "/nothing", status: http.StatusNotFound},
	} {
		for _, lang := range []string{"id", "en"} {
			t.Run(name+"."+lang, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				if c.before != nil {
					c.before(b.sessions)
				}
				w := b.get(t, c.target, append([]string{"Accept-Language", lang}, c.header...)...)
				require.Equal(t, c.status, w.Code)
				require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
				require.Equal(t, lang, w.Header().Get("Content-Language"))
				got := hash.ReplaceAllString(w.Body.String(), ".HASH.")
				file := filepath.Join("testdata", name+"."+lang+".html")
				if os.Getenv("UPDATE_GOLDEN") != "" {
					require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err, "run the test with UPDATE_GOLDEN=1 once")
				require.Equal(t, string(want), got)
			})
		}
	}
}

func TestVerifyShowsTheMaskedNumberAndKeepsTheReturnPath(t *testing.T) {
	t.Parallel()
	body := setup(t).get(t, verifyPath(openLink)+"&redirectToPath=/a%3Fb%3D%22c", "Accept-Language", "en").Body.String()
	require.Contains(t, body, `data-next="/a?b=&#34;c"`)
	body = html.UnescapeString(body)
	require.Contains(t, body, "+62 812-3456-••••")
	require.Contains(t, body, "for 15 more minutes")
	require.Contains(t, body, `data-consume="`+consumePath+`"`)
	require.Equal(t, 1, strings.Count(body, "<button"), "one button")
	require.Contains(t, body, "<div data-digits hidden>", "one tap, where the login began here")
}

func TestVerifyForgetsAReturnPathThatLeavesTheSite(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"//evil.example", "https%3A%2F%2Fevil.example", "/%5Cevil.example", "/%255Cevil.example"} {
		w := setup(t).get(t, verifyPath(openLink)+"&redirectToPath="+path)
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), `data-next="/auth/signed-in"`)
		require.NotContains(t, w.Body.String(), "evil")
	}
}

// The secret must not be able to reach the server, the log or a referrer, whatever is put into the query.
func TestVerifyEscapesWhatItEchoes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, q := range []string{
		"preAuthSessionId=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
		"preAuthSessionId=" + openLink + "&redirectToPath=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
		"preAuthSessionId=" + openLink + "&lang=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
		"preAuthSessionId=" + openLink + "&tenantId=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
	} {
		require.NotContains(t, b.get(t, "/auth/verify?"+q).Body.String(), "<script>alert", q)
	}
}

func TestUnknownLinkLooksExactlyLikeAnExpiredOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	normal := func(link string) string {
		w := b.get(t, verifyPath(link))
		require.Equal(t, http.StatusGone, w.Code)
		return strings.ReplaceAll(w.Body.String(), link, "LINK")
	}
	require.Equal(t, normal(expiredLink), normal("dW5rbm93bg"))
}

func TestDeadLinkSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, link := range []string{usedLink, expiredLink, "dW5rbm93bg", "%00", strings.Repeat("a", 4000), "a'b", ""} {
		w := b.get(t, verifyPath(link))
		require.Equal(t, http.StatusGone, w.Code, link)
		require.Contains(t, w.Body.String(), `<a class="primary" href="/auth">`, link)
		require.Contains(t, w.Body.String(), "https://help.example/")
	}
	require.Equal(t, 3, b.sessions.looked, "what cannot be an id is not looked up")
}

func TestPagesPromiseNoHelpThatNobodyGives(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"/auth", verifyPath(openLink), verifyPath(usedLink), verifyPath(expiredLink), "/auth/signed-in", verifyPath(brokenLink), "/nothing",
	} {
		help := "Get help from a person"
		require.Contains(t, setup(t).get(t, target, "Accept-Language", "en").Body.String(), help, target)
		b := setup(t, func(c *web.Config) { c.SupportURL, c.HomeURL = "", "" })
		body := b.get(t, target, "Accept-Language", "en").Body.String()
		require.NotContains(t, body, help, target)
		require.NotContains(t, body, `href=""`, target)
	}
}

func TestVerifyAsksToTryAgainWhenStorageIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.get(t, verifyPath(brokenLink), "Accept-Language", "en")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Contains(t, w.Body.String(), "try again in a moment")
	require.NotContains(t, w.Body.String(), errAway.Error(), "an operator's words are for operators")
	require.Contains(t, b.log.String(), errAway.Error())
}

// Against link previews, scanners and prefetching.
func TestTwentyPreviewsThenOneConsume(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, agent := range []string{
		"WhatsApp/2.23.20.0", "facebookexternalhit/1.1", "TelegramBot (like TwitterBot)", "Slackbot-LinkExpanding 1.0",
		"Googlebot/2.1", "Mozilla/5.0 SafeLinks", "Barracuda Sentinel", "curl/8", "bingbot/2.0", "Mozilla/5.0 (prefetch)",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := b.do(t, method, verifyPath(openLink), "", "User-Agent", agent, "Sec-Purpose", "prefetch")
			require.Equal(t, http.StatusOK, w.Code, "preview %d", i)
			require.Empty(t, w.Result().Cookies())
		}
	}
	require.Zero(t, b.sessions.consumed)
	require.False(t, b.sessions.used)

	body := `{"preAuthSessionId":"` + openLink + `","linkCode":"` + goodCode + `"}`
	foreign := b.do(t, http.MethodPost, consumePath, body, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	require.Equal(t, http.StatusForbidden, foreign.Code)
	require.Zero(t, b.sessions.consumed, "another site's POST does not reach the sign-in")

	first := b.do(t, http.MethodPost, consumePath, body, "Sec-Fetch-Site", "same-origin")
	require.JSONEq(t, `{"status":"OK"}`, first.Body.String())
	second := b.do(t, http.MethodPost, consumePath, body, "Sec-Fetch-Site", "same-origin")
	require.JSONEq(t, `{"status":"RESTART_FLOW_ERROR"}`, second.Body.String())
	require.Equal(t, http.StatusGone, b.get(t, verifyPath(openLink)).Code)
}

func TestLanguageFollowsTheQueryThenTheBrowserThenTheDefault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "id"},
		{"", "en-GB,en;q=0.8", "en"},
		{"", "id-ID,en;q=0.5", "id"},
		{"", "in", "id"}, // the old code, which Android still sends
		{"", "jv", "id"}, // Javanese
		{"", "de-DE,fr;q=0.4", "id"},
		{"", "de,en;q=0.4", "en"},
		{"", ";;;,,", "id"},
		{"", strings.Repeat("en,", 500), "id"},
		{"en", "id", "en"},
		{"id", "en", "id"},
		{"xx", "en", "en"},
	} {
		w := b.get(t, "/auth/signed-in?lang="+c.query, "Accept-Language", c.accept)
		require.Equal(t, c.want, w.Header().Get("Content-Language"), "%+v", c)
		require.Contains(t, w.Body.String(), `<html lang="`+c.want+`">`)
	}
}

func TestChangingTheLanguageKeepsTheLink(t *testing.T) {
	t.Parallel()
	body := setup(t).get(t, verifyPath(openLink)+"&redirectToPath=%2Fjournal&x=%3Cb%3E", "Accept-Language", "en").Body.String()
	require.Contains(t, body, `href="?lang=id&amp;preAuthSessionId=b3Blbi1saW5r-_%3D&amp;redirectToPath=%2Fjournal"`)
	chosen := setup(t).get(t, verifyPath(openLink)+"&lang=en").Body.String()
	require.Contains(t, chosen, `data-next="/auth/signed-in?lang=en"`)
}
