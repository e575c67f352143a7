package auth_test

import (
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

func withCode(c *auth.Config) { c.Reference, c.DesktopCode = true, true }

func (b browser) code(code any, more ...map[string]any) answer {
	b.w.t.Helper()
	body := map[string]any{"code": code}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	return b.do(http.MethodPost, "/api/v1/auth/login/code", body, "st-auth-mode", "cookie", "rid", "passwordless")
}

func wrongCode(code string) string { return other(code[:4]) + code[4:] }

func TestDesktopCodeOpensTheBrowserWhereTheLoginBegan(t *testing.T) {
	w := setup(t, withCode)
	b := w.browser()
	guest := b.guest()
	m := w.named(b.begin("/journal"))
	require.Regexp(t, regexp.MustCompile(`^[0-9]{6}$`), m.typed)
	r := asked(m.number, m.reply)
	require.Empty(t, w.linkFor(r).typed, "no code for a message that names nothing")
	stranger := w.browser()
	require.Equal(t, map[string]any{"status": "RESTART_FLOW_ERROR"}, stranger.code(m.typed).body, "not the browser where it began")
	stranger.begin("")
	require.Equal(t, map[string]any{"status": "RESTART_FLOW_ERROR"}, stranger.code(m.typed).body, "nor one with another login")
	a := b.code(m.typed)
	require.Equal(t, "OK", a.says("status"), a.raw)
	require.Equal(t, w.core.user(m.number), a.body["user"].(map[string]any)["id"])
	require.Equal(t, true, a.body["createdNewUser"])
	require.Equal(t, w.core.user(m.number), b.whoami())
	require.Equal(t, guest, w.store.recorded()[0].Guest, "the guest comes along, as through the door of its own browser")
	require.Equal(t, "RESTART_FLOW_ERROR", b.code(m.typed).says("status"), "once")
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"), "it was this very link")
}

func TestDesktopCodeOfARetryIsTheSame(t *testing.T) {
	w := setup(t, withCode)
	b := w.browser()
	r := asked(newNumber(t), newReply(t))
	r.Reference = b.begin("")
	first := w.linkFor(r)
	w.stop()
	w.start()
	require.Equal(t, first.typed, w.linkFor(r).typed)
	require.Equal(t, first.url, w.linkFor(r).url)
	r.ReplyID = newReply(t)
	require.NotEqual(t, first.typed, w.linkFor(r).typed, "another link has another code")
}

func TestDesktopCodeEndsAfterFiveWrongOnes(t *testing.T) {
	w := setup(t, withCode)
	b := w.browser()
	ref := b.begin("")
	m := w.named(ref)
	for _, none := range []any{"", "12345", "1234567", 123456, nil} {
		a := b.code(none)
		require.NotEqual(t, "OK", a.says("status"))
	}
	before := w.proxy.count("")
	for left := 4; left > 0; left-- {
		a := b.code(wrongCode(m.typed))
		require.Equal(t, auth.ReasonWrongCode, a.says("reason"))
		require.EqualValues(t, left, a.body["triesLeft"])
	}
	require.Equal(t, "RESTART_FLOW_ERROR", b.code(wrongCode(m.typed)).says("status"))
	require.Equal(t, "RESTART_FLOW_ERROR", b.code(m.typed).says("status"), "the right one comes too late")
	require.Equal(t, before, w.proxy.count(""), "none reached the core")
	r := asked(m.number, newReply(t))
	r.Reference = ref
	newer := w.linkFor(r)
	require.Equal(t, "RESTART_FLOW_ERROR", b.code(newer.typed).says("status"), "a newer link gives no new tries")
	require.Equal(t, "OK", b.present(newer, nil).says("status"), "the link itself is as good as before")
}

func TestDesktopCodeInParallel(t *testing.T) {
	w := setup(t, withCode)
	b := w.browser()
	m := w.named(b.begin(""))
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for range 50 {
		all.Go(func() {
			a := b.code(wrongCode(m.typed))
			mu.Lock()
			defer mu.Unlock()
			got[a.says("status")+" "+a.says("reason")]++
		})
	}
	all.Wait()
	require.Equal(t, map[string]int{"GENERAL_ERROR code_wrong": 4, "RESTART_FLOW_ERROR ": 46}, got)
}

func TestDesktopCodeIsShortLived(t *testing.T) {
	w := setup(t, withCode)
	b := w.browser()
	m := w.named(b.begin(""))
	w.clock.advance(5*time.Minute + time.Second)
	require.Equal(t, "RESTART_FLOW_ERROR", b.code(m.typed).says("status"))
	require.Equal(t, "OK", b.present(m, nil).says("status"), "the link lives on")
}

func TestDesktopCodeAsksWhoIsSignedIn(t *testing.T) {
	w := setup(t, withCode)
	b := w.browser()
	require.Equal(t, "OK", b.consume(w.fresh()).says("status"))
	m := w.named(b.begin(""))
	require.Equal(t, auth.ReasonOther, b.code(m.typed).says("reason"))
	require.Equal(t, "OK", b.code(m.typed, map[string]any{"replaceSession": true}).says("status"))
	require.Equal(t, w.core.user(m.number), b.whoami())
}

func TestDesktopCodeIsOffByDefault(t *testing.T) {
	w := setup(t, withReference)
	b := w.browser()
	m := w.named(b.begin(""))
	require.Empty(t, m.typed)
	require.Equal(t, "RESTART_FLOW_ERROR", b.code("123456").says("status"))
}
