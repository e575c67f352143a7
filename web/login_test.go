package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

const plainChat = "https://wa.me/6281299990000?text=Request%20login%2C%20authenticate%20me."

func aPhone() []string {
	return []string{"User-Agent", "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"}
}

// button is the tag of the button that opens WhatsApp.
func button(t *testing.T, body string) string {
	t.Helper()
	found := regexp.MustCompile(`<a class="primary" href="[^"]*" rel="noopener noreferrer"[^>]*>`).FindString(body)
	require.NotEmpty(t, found, "a button that is a link, so that it needs no script")
	return html.UnescapeString(found)
}

func TestLoginButtonOpensTheChatWithThePredefinedText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/auth", "/auth/", "/auth?lang=en", "/auth?redirectToPath=/journal"} {
		w := b.get(t, path)
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, button(t, w.Body.String()), `href="`+plainChat+`"`, path)
	}
	b = setup(t, func(c *web.Config) { c.WebsiteBasePath = "/" })
	require.Contains(t, button(t, b.get(t, "/").Body.String()), plainChat, "also where the pages live at the root")
	require.Equal(t, http.StatusNotFound, b.get(t, "/nothing").Code)
}

func TestLoginOpensATabOnAComputerAndTheAppOnAPhone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header  []string
		desktop bool
	}{
		"no name":        {nil, true},
		"computer":       {[]string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140"}, true},
		"Android phone":  {aPhone(), false},
		"iPhone":         {[]string{"User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile/15E148 Safari/604.1"}, false},
		"hint: phone":    {[]string{"User-Agent", "x", "Sec-CH-UA-Mobile", "?1"}, false},
		"hint: computer": {append(aPhone(), "Sec-CH-UA-Mobile", "?0"), true},
	} {
		w := setup(t).get(t, "/auth", c.header...)
		body := w.Body.String()
		require.Equal(t, c.desktop, strings.Contains(button(t, body), `target="_blank"`), name)
		require.Equal(t, c.desktop, strings.Contains(body, `class="qr"`), name)
		require.Equal(t, c.desktop, strings.Contains(body, "https://web.whatsapp.com/"), name)
		require.Contains(t, strings.Join(w.Header().Values("Vary"), ", "), "User-Agent", name)
	}
}

func TestLoginCarriesTheReferenceAndWatchesForTheMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NotContains(t, b.get(t, "/auth").Body.String(), "data-attempt", "without a reference there is nothing to watch")

	b.sessions.attempt = referenced("waiting")
	body := b.get(t, "/auth", "Accept-Language", "en").Body.String()
	require.Contains(t, button(t, body), "text=Request%20login%2C%20authenticate%20me.%20%23K7QM2X")
	require.Contains(t, body, `data-attempt="/api/v1/auth/login/attempt" data-wakeful="1800000"`)
	require.Contains(t, body, `<div role="status" data-status></div>`)

	b.sessions.attempt = referenced("received")
	body = b.get(t, "/auth", "Accept-Language", "en").Body.String()
	require.Contains(t, body, `<div role="status" data-status><p class="good">Your message has arrived.`, "also without a script")
}

func TestLoginKeepsASafeReturnPathAndForgetsOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := html.UnescapeString(b.get(t, "/auth?redirectToPath=%2Fjournal%3Fday%3D1", "Accept-Language", "en").Body.String())
	require.Contains(t, body, `href="/journal?day=1"`)
	require.Contains(t, body, `href="/auth?lang=id&redirectToPath=%2Fjournal%3Fday%3D1"`, "also in the other language")
	for _, path := range []string{"//evil.example", "https%3A%2F%2Fevil.example", "/%5Cevil.example", "/%255Cevil.example"} {
		body := b.get(t, "/auth?redirectToPath="+path).Body.String()
		require.NotContains(t, body, "evil")
		require.Contains(t, body, `href="/auth/signed-in"`)
	}
	b.sessions.attempt.Text, b.sessions.attempt.ReturnPath = "x", "//evil.example"
	require.NotContains(t, b.get(t, "/auth").Body.String(), "evil", "what was stored is looked at again")
}

func TestLoginWorksWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sessions.startErr = errAway
	w := b.get(t, "/auth")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, button(t, w.Body.String()), plainChat)
	require.NotContains(t, w.Body.String(), errAway.Error())
	require.Contains(t, b.log.String(), errAway.Error())

	b = setup(t)
	b.sessions.startErr = auth.ErrBusy
	require.Contains(t, button(t, b.get(t, "/auth").Body.String()), plainChat)
	require.NotContains(t, b.log.String(), "attempt", "a flood does not fill the log")
}

func TestLoginHeadStartsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Empty(t, b.do(t, http.MethodHead, "/auth", "").Result().Cookies())
	require.Zero(t, b.sessions.started)
	require.Len(t, b.get(t, "/auth").Result().Cookies(), 1)
	require.Equal(t, 1, b.sessions.started)
}

func TestLoginWithoutANumberSaysWhatToSend(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *web.Config) { c.BotNumber = phone.Number{} })
	body := b.get(t, "/auth", "Accept-Language", "en").Body.String()
	require.Contains(t, body, "send this message to Konsulin")
	require.Contains(t, body, web.DefaultPhrase)
	require.NotContains(t, body, "wa.me")
	require.NotContains(t, body, `class="qr"`)
}

func TestLoginLeadsToAnotherChatWhereSoConfigured(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *web.Config) { c.ChatURL = "http://127.0.0.1:8090/chat/" })
	require.Contains(t, button(t, b.get(t, "/auth").Body.String()), `href="http://127.0.0.1:8090/chat/6281299990000?text=`)
	for _, wrong := range []string{"javascript:alert(1)", "wa.me", "/chat"} {
		_, err := web.New(web.Config{Sessions: b.sessions, Patients: b.patients, ChatURL: wrong})
		require.ErrorContains(t, err, "chat URL", wrong)
	}
}

func TestLoginOffersToGoOnWithoutOnlyWhereThereIsAPlace(t *testing.T) {
	t.Parallel()
	const words = "go on without signing in"
	require.Contains(t, setup(t).get(t, "/auth", "Accept-Language", "en").Body.String(), words)
	b := setup(t, func(c *web.Config) { c.HomeURL = "" })
	require.NotContains(t, b.get(t, "/auth", "Accept-Language", "en").Body.String(), words)
}

func sendCode(t *testing.T, b *bundle, values url.Values, header ...string) (status int, location, body string, cookies []*http.Cookie) {
	t.Helper()
	w := b.do(t, http.MethodPost, "/auth/code", values.Encode(), append([]string{
		"Content-Type", "application/x-www-form-urlencoded", "Accept-Language", "en", "Sec-Fetch-Site", "same-origin"}, header...)...)
	return w.Code, w.Header().Get("Location"), w.Body.String(), w.Result().Cookies()
}

func TestDesktopCodeIsAFormThatNeedsNoScript(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NotContains(t, b.get(t, "/auth").Body.String(), `action="/auth/code"`, "off by default")
	b.sessions.attempt = referenced("waiting")
	require.NotContains(t, b.get(t, "/auth", aPhone()...).Body.String(), `action="/auth/code"`, "for computers")
	require.Contains(t, b.get(t, "/auth").Body.String(), `<form class="code" method="post" action="/auth/code">`)

	var sent string
	b.sessions.code = func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		sent = r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("st-auth-mode") + " " + string(body)
		http.SetCookie(w, &http.Cookie{Name: "sAccessToken", Value: "token"})
		_, _ = w.Write([]byte(`{"status":"OK"}`))
	}
	status, location, _, cookies := sendCode(t, b, url.Values{"code": {"123 456"}, "redirectToPath": {"/journal"}})
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "/journal", location)
	require.Equal(t, `POST /api/v1/auth/login/code application/json; charset=utf-8 cookie {"code":"123456","replaceSession":false}`, sent)
	require.Len(t, cookies, 1, "the session's cookies reach the browser")
	require.Equal(t, "sAccessToken", cookies[0].Name)

	for _, evil := range []string{"//evil.example", "https://evil.example", ""} {
		_, location, _, _ = sendCode(t, b, url.Values{"code": {"123456"}, "redirectToPath": {evil}})
		require.Equal(t, "/auth/signed-in", location)
	}
	_, _, _, _ = sendCode(t, b, url.Values{"code": {"123456"}, "replace": {"yes"}})
	require.Contains(t, sent, `"replaceSession":true`)
}

func TestDesktopCodeExplainsEachRefusal(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"status":"GENERAL_ERROR","reason":"code_wrong","triesLeft":4}`: "That is not the code. You have 4 tries left.",
		`{"status":"GENERAL_ERROR","reason":"code_wrong","triesLeft":1}`: "That is not the code. You have one try left.",
		`{"status":"RESTART_FLOW_ERROR"}`:                                "This code does not work any more.",
		`{"status":"GENERAL_ERROR","reason":"new_link"}`:                 "This code does not work any more.",
		`{"status":"GENERAL_ERROR","reason":"signed_in_as_other"}`:       "End the other sign-in and continue with my number",
		`{"status":"GENERAL_ERROR","reason":"try_again"}`:                "Please try again in a moment.",
		`not JSON`: "Please try again in a moment.",
	} {
		b := setup(t)
		b.sessions.attempt = referenced("received")
		b.sessions.code = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }
		_, location, body, _ := sendCode(t, b, url.Values{"code": {"123456"}, "redirectToPath": {"/journal"}})
		require.Empty(t, location)
		require.Contains(t, body, want, answer)
		require.Contains(t, body, `name="redirectToPath" value="/journal"`)
		require.NotContains(t, body, "123456", "the code is not shown again")
	}
	b := setup(t)
	status, _, _, _ := sendCode(t, b, url.Values{"code": {"1"}})
	require.Equal(t, http.StatusServiceUnavailable, status, "where the route is not there")
	b.sessions.code = func(http.ResponseWriter, *http.Request) { t.Error("another site's form must not reach the route") }
	status, _, _, _ = sendCode(t, b, url.Values{"code": {"1"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	require.Equal(t, http.StatusForbidden, status)
}

func TestVerifyOpensTheDoorThatTheRouteWillAskFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := func(link string) string { return b.get(t, verifyPath(link), "Accept-Language", "en").Body.String() }

	self := page(selfLink)
	require.Contains(t, self, " data-self>", "it completes by itself")
	require.Contains(t, self, `data-next="/journal?day=2"`, "and goes on where it began")
	require.Contains(t, self, "comes along")

	digits := page(digitsLink)
	require.NotContains(t, digits, "data-self")
	require.Contains(t, digits, "<div data-digits>")
	require.Contains(t, digits, "You have 3 tries.")
	require.Contains(t, digits, "stays in the browser where you did it", "where what was done before is")
	require.Contains(t, digits, "<div data-offer hidden>", "an offer comes after the digits")
	require.Contains(t, digits, `<input type="checkbox" data-bring aria-describedby="careful">`, "default: no")
	require.Contains(t, page(lastLink), "You have one try left.")

	other := page(otherLink)
	require.NotContains(t, other, "data-self")
	require.Contains(t, other, "Somebody else is signed in here")
	require.Contains(t, other, ">End it and sign in</button>")
}
