package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

func TestStaleRequestGetsNoLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	w.pairAndStart()
	u, late := w.user(), w.user()
	for range 3 { // an outage collects impatient taps
		_, err := u.Text(t.Context(), w.account, phrase, whatsapp.SentAt(time.Now().Add(-5*time.Minute)))
		require.NoError(t, err)
	}
	_, err := late.Text(t.Context(), w.account, phrase, whatsapp.SentAt(time.Now().Add(-7*time.Hour)))
	require.NoError(t, err)
	text := w.next(u)
	_, isLink := linkIn(text)
	require.False(t, isLink, text)
	w.quiet()
	require.Len(t, u.Received(), 1, "told once to tap again")
	require.Empty(t, late.Received(), "after six hours not a word")
	mustLink(t, w.requestLink(u).URL) // a fresh tap is answered
}

// TestTwoTapsOneAnswer: requests of one number within the configured time get one link.
func TestTwoTapsOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite, func(cfg *app.Config) { cfg.Login.Coalesce = 20 * time.Second })
	b := w.pairAndStart()
	u := w.user()
	tapped := time.Now().Add(-30 * time.Second)
	for i := range 3 {
		_, err := u.Text(t.Context(), w.account, phrase, whatsapp.SentAt(tapped.Add(time.Duration(i)*5*time.Second)))
		require.NoError(t, err)
	}
	first := mustLink(t, w.next(u))
	require.Eventually(t, func() bool { return w.account.Device().PendingMessages() == 0 }, 30*time.Second, 10*time.Millisecond)
	w.quiet()
	require.Len(t, u.Received(), 1)
	second := w.requestLink(u) // sent 30 s after the first, by WhatsApp's clock
	require.Equal(t, "RESTART_FLOW_ERROR", newBrowser(t, b.URL()).confirm(t, first).status(), "superseded")
	newBrowser(t, b.URL()).signIn(t, second)
}

func TestFloodIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	w.pairAndStart()
	flooder, other := w.user(), w.user()
	for range 150 {
		_, err := flooder.Text(t.Context(), w.account, phrase)
		require.NoError(t, err)
	}
	require.NotEmpty(t, w.requestLink(other).URL, "nobody else is held up or locked out")
	require.Eventually(t, func() bool { return w.account.Device().PendingMessages() == 0 }, 60*time.Second, 20*time.Millisecond)
	w.quiet()
	links := 0
	for _, r := range flooder.Received() {
		if _, ok := linkIn(r.Text); ok {
			links++
		}
	}
	burst := w.cfg.Login.Limits.Number.Burst
	require.GreaterOrEqual(t, links, burst, "what the budget allows is answered")
	require.LessOrEqual(t, links, burst+1, "the budget, and what one interval adds")
	require.LessOrEqual(t, len(flooder.Received()), links+1, "one notice, then silence")
}

func TestTwentyPreviewsThenOneConsume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	b := w.pairAndStart()
	l := w.requestLink(w.user())
	for i := range 20 {
		scanner := newBrowser(t, b.URL())
		page := scanner.open(t, l)
		require.Equal(t, http.StatusOK, page.StatusCode)
		head := scanner.do(t, http.MethodHead, "/auth/verify?preAuthSessionId="+l.PreAuthSessionID, nil)
		require.Equal(t, http.StatusOK, head.StatusCode)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := scanner.do(t, method, consumePath+"?preAuthSessionId="+l.PreAuthSessionID+"&linkCode="+l.Code, nil)
			require.GreaterOrEqual(t, a.StatusCode, 400, "preview %d", i)
		}
		require.Equal(t, http.StatusUnauthorized, scanner.session(t).StatusCode)
	}
	newBrowser(t, b.URL()).signIn(t, l)
}

func TestHundredConfirmsOneSession(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, engine)
			b := w.pairAndStart()
			u := w.user()
			l := w.requestLink(u)
			var all sync.WaitGroup
			answers := make(chan string, 100)
			for range 100 {
				all.Go(func() {
					a, err := newBrowser(t, b.URL()).tryConfirm(t.Context(), l)
					if err != nil {
						answers <- err.Error()
						return
					}
					answers <- a.status()
				})
			}
			all.Wait()
			close(answers)
			got := map[string]int{}
			for a := range answers {
				got[a]++
			}
			require.Equal(t, 1, got["OK"], "%v", got)
			require.Equal(t, 99, got["RESTART_FLOW_ERROR"]+got["GENERAL_ERROR"], "%v", got)
			w.recorded(u, 1)
		})
	}
}

// TestKillBetweenConsumeAndRecord kills the bot when the core has consumed the code and the bot has not heard of it.
func TestKillBetweenConsumeAndRecord(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			core := newProxy(t)
			w := newWorld(t, engine, core.before)
			b := w.pairAndStart()
			u := w.user()
			l := w.requestLink(u)
			core.then("/recipe/signinup/code/consume", b.kill)
			_, err := newBrowser(t, b.URL()).tryConfirm(t.Context(), l)
			require.Error(t, err, "the browser hears nothing")
			core.then("/recipe/signinup/code/consume", nil)
			store := w.store()
			require.Empty(t, signIns(t, store, u))

			b.start()
			w.awaitReady(b)
			require.Eventually(t, func() bool { return len(signIns(t, store, u)) == 1 }, time.Minute, 50*time.Millisecond,
				"the confirmed number is not forgotten")
			w.recorded(u, 1)
			require.Equal(t, "RESTART_FLOW_ERROR", newBrowser(t, b.URL()).confirm(t, l).status(), "the link stays spent")
			newBrowser(t, b.URL()).signIn(t, w.requestLink(u))
			w.recorded(u, 2)
		})
	}
}

func TestForeignCodeRefused(t *testing.T) {
	t.Parallel()
	core := newProxy(t)
	w := newWorld(t, storage.SQLite, core.before)
	b := w.pairAndStart()
	u := w.user()
	foreign := w.mint(newNumber())
	br := newBrowser(t, b.URL())
	before := core.called("/consume")
	require.Equal(t, "RESTART_FLOW_ERROR", br.confirm(t, foreign).status())
	mine := w.requestLink(u)
	for name, l := range map[string]link{
		"my id, foreign code":  {PreAuthSessionID: mine.PreAuthSessionID, Code: foreign.Code},
		"foreign id, my code":  {PreAuthSessionID: foreign.PreAuthSessionID, Code: mine.Code},
		"my id, broken code":   {PreAuthSessionID: mine.PreAuthSessionID, Code: mine.Code[1:]},
		"my id, no code":       {PreAuthSessionID: mine.PreAuthSessionID},
		"nothing":              {},
		"control characters":   {PreAuthSessionID: "\x00\r\n", Code: "\x7f"},
		"very long code":       {PreAuthSessionID: mine.PreAuthSessionID, Code: strings.Repeat("A", 9000)},
		"my id in other cases": {PreAuthSessionID: strings.ToUpper(mine.PreAuthSessionID), Code: mine.Code},
	} {
		require.NotEqual(t, "OK", br.confirm(t, l).status(), name)
	}
	require.Equal(t, before, core.called("/consume"), "the core was not even asked")
	require.Equal(t, http.StatusUnauthorized, br.session(t).StatusCode)
	br.signIn(t, mine) // and all that did not harm the link
}

func TestPublicMintingClosed(t *testing.T) {
	t.Parallel()
	core := newProxy(t)
	w := newWorld(t, storage.SQLite, core.before)
	b := w.pairAndStart()
	br := newBrowser(t, b.URL())
	u := w.user()
	before := core.called("/recipe/signinup/code")
	for _, prefix := range []string{"/auth", "/auth/public", "/AUTH", "/auth/", "//auth"} {
		for _, c := range []struct{ method, path string }{
			{http.MethodPost, "/signinup/code"}, {http.MethodPost, "/signinup/code/resend"},
			{http.MethodPost, "/SignInUp/Code"}, {http.MethodPost, "/signinup/code/"},
			{http.MethodGet, "/signup/phonenumber/exists?phoneNumber=" + u.Phone()}, {http.MethodGet, "/passwordless/phonenumber/exists?phoneNumber=" + u.Phone()},
			{http.MethodGet, "/signup/email/exists?email=a%40b.c"}, {http.MethodGet, "/passwordless/email/exists?email=a%40b.c"},
			{http.MethodGet, "/emailpassword/email/exists?email=a%40b.c"},
		} {
			var body any
			if c.method == http.MethodPost {
				body = map[string]string{"phoneNumber": u.Phone(), "email": "a@b.c"}
			}
			for _, rid := range []string{"", "passwordless", "session"} {
				a := br.do(t, c.method, prefix+c.path, body, "rid", rid)
				require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusTemporaryRedirect, http.StatusMovedPermanently}, a.StatusCode,
					"%s %s%s rid=%q: %s", c.method, prefix, c.path, rid, a.Text)
			}
		}
	}
	require.Equal(t, before, core.called("/recipe/signinup/code"), "no code was minted")
}

// TestWrongAccountNotReady: a device that is paired with another account than the configured one is not used.
func TestWrongAccountNotReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	w.pairQR()
	w.cfg.WhatsApp.Number = "+" + newNumber()
	alerts := w.alertHook()
	b := w.prepareOutside()
	b.start()
	w.awaitNotReady(b, "wrong account")
	u := w.user()
	_, err := u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	require.Never(t, func() bool { return u.Raw() > 0 || w.account.Device().PendingMessages() == 0 }, time.Second, 50*time.Millisecond,
		"nothing is answered, and the message stays with WhatsApp")
	select {
	case told := <-alerts:
		require.Contains(t, told, `"wrong account"`)
		require.NotContains(t, told, w.number)
	case <-time.After(time.Minute):
		t.Fatal("nobody was told of the wrong account")
	}
}

// alertHook has alerts told to a webhook, and returns what it hears.
func (w *world) alertHook() <-chan string {
	heard := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			heard <- string(body)
		}
	}))
	w.t.Cleanup(hook.Close)
	w.cfg.Alerts.WebhookURL, w.cfg.Alerts.Secret = hook.URL, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	return heard
}

func TestPageHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	b := w.pairAndStart()
	l := w.requestLink(w.user())
	br := newBrowser(t, b.URL())
	for _, path := range []string{
		"/auth/verify?preAuthSessionId=" + l.PreAuthSessionID, "/auth/verify", "/auth/signed-in", "/auth/session", "/livez", "/readyz",
		"/", "/nothing", consumePath, "/auth/signout", "/auth/session/refresh", "/auth/jwt/jwks.json", "/auth/signinup/code",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := br.do(t, method, path, nil)
			h := a.Header
			name := method + " " + path
			require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'", name)
			require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", name)
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), name)
			require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), name)
			if !strings.HasSuffix(path, "/jwks.json") { // public keys, which SuperTokens wants cached
				require.Contains(t, h.Get("Cache-Control"), "no-store", name)
			}
		}
	}
	cross := br.do(t, http.MethodPost, consumePath, map[string]string{}, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, cross.StatusCode)
}

// TestSpoofedHost: whatever a client says its host is, links and pages are built from configuration.
func TestSpoofedHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	b := w.pairAndStart()
	l := w.requestLink(w.user())
	require.True(t, strings.HasPrefix(l.URL, w.cfg.Auth.WebsiteDomain+"/auth/verify?"), l.URL)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.URL()+"/auth/verify?preAuthSessionId="+l.PreAuthSessionID, nil)
	require.NoError(t, err)
	req.Host = "evil.example"
	req.Header.Set("X-Forwarded-Host", "evil.example")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	require.NotContains(t, fmt.Sprint(resp.Header), "evil.example")
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NotContains(t, string(body), "evil.example")
}

// TestAdminsAndEverybodyElse: an admin gets /help and /whoami; anybody else's command is other text.
func TestAdminsAndEverybodyElse(t *testing.T) {
	t.Parallel()
	adminNumber := newNumber()
	w := newWorld(t, storage.SQLite, func(cfg *app.Config) { cfg.Admins.Owner = []string{"+" + adminNumber} })
	w.pairAndStart()
	admin, err := theServer().NewUser(adminNumber, newLID(), "Admin")
	require.NoError(t, err)
	for command, word := range map[string]string{"/help": "/whoami", "/whoami": "owner"} {
		_, err := admin.Text(t.Context(), w.account, command)
		require.NoError(t, err)
		answer := w.next(admin)
		require.Contains(t, strings.ToLower(answer), word)
		require.NotContains(t, answer, adminNumber)
	}
	u := w.user()
	_, err = u.Text(t.Context(), w.account, "/help")
	require.NoError(t, err)
	require.NotEmpty(t, w.requestLink(u).URL, "the command got no answer, the request did")
	require.Len(t, u.Received(), 1)
}

// TestOtherTextAndHumans: one short reply a day that names people, and none where a human is answering.
func TestOtherTextAndHumans(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite, func(cfg *app.Config) {
		cfg.Replies.OtherText, cfg.Replies.HumanContact, cfg.Replies.EmergencyLine = "reply", "hello@konsulin.example", "119 ext. 8"
	})
	w.pairAndStart()
	u, cared := w.user(), w.user()
	_, err := u.Text(t.Context(), w.account, "saya tidak kuat lagi")
	require.NoError(t, err)
	text := w.next(u)
	require.Contains(t, text, "119 ext. 8")
	require.Contains(t, text, "hello@konsulin.example")
	_, err = u.Text(t.Context(), w.account, "halo?")
	require.NoError(t, err)

	require.NotEmpty(t, w.requestLink(cared, whatsapp.Via(whatsapp.LIDWithPN)).URL)
	require.NoError(t, w.account.WriteAsHuman(t.Context(), cared, "Saya di sini."))
	require.Equal(t, "Saya di sini.", w.next(cared))
	require.Eventually(t, func() bool { return w.count(`SELECT COUNT(*) FROM chats`) == 1 }, 30*time.Second, 20*time.Millisecond)
	_, err = cared.Text(t.Context(), w.account, "terima kasih")
	require.NoError(t, err)
	require.NotEmpty(t, w.requestLink(cared).URL, "a login request is answered all the same")
	w.quiet()
	require.Len(t, cared.Received(), 3)
	require.Len(t, u.Received(), 1, "once a day")
}
