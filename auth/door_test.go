package auth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

func withReference(c *auth.Config) { c.Reference = true }

// named is a link of a new number whose message names a login.
func (w *world) named(reference string) magic {
	w.t.Helper()
	r := asked(newNumber(w.t), newReply(w.t))
	r.Reference = reference
	return w.linkFor(r)
}

// view is what the link's page would show in this browser.
func (b browser) view(m magic) auth.LinkView {
	b.w.t.Helper()
	r := httptest.NewRequestWithContext(b.w.t.Context(), http.MethodGet, "/auth/verify", nil)
	at, err := url.Parse(b.w.web.URL)
	require.NoError(b.w.t, err)
	for _, c := range b.Jar.Cookies(at) {
		r.AddCookie(c)
	}
	v, err := b.w.service.Link(b.w.t.Context(), r, m.preAuth)
	require.NoError(b.w.t, err)
	return v
}

func other(digits string) string {
	if digits == "0000" {
		return "0001"
	}
	return "0000"
}

func TestForeignAttemptNeverSignsIn(t *testing.T) {
	for name, reference := range map[string]bool{"with the reference": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := setup(t, func(c *auth.Config) { c.Reference = reference })
			a := w.browser() // the attacker's
			a.guest()
			ref := a.begin("/journal")
			require.Equal(t, reference, ref != "")
			m := w.named(ref) // the victim's number sends the text
			state := a.do(http.MethodGet, "/api/v1/auth/login/attempt", nil)
			want := auth.AttemptWaiting
			if reference {
				want = auth.AttemptReceived
			}
			require.JSONEq(t, `{"state":"`+want+`"}`, state.raw, "and no more than that")
			require.Empty(t, a.whoami())
			b := w.browser() // the victim's phone opens the link
			require.Equal(t, auth.DoorDigits, b.view(m).Door)
			require.Equal(t, auth.ReasonDigits, b.present(m, nil).says("reason"))
			require.Equal(t, "OK", b.consumeAlone(m).says("status"))
			require.NotEmpty(t, b.whoami())
			require.Empty(t, a.whoami(), "the waiting browser stays a guest")
			require.Equal(t, http.StatusUnauthorized, a.claim().status)
			require.Empty(t, w.store.recorded()[0].Guest, "nothing of the attacker comes along")
		})
	}
}

// Straight at the route, whatever a page would have asked before.
func TestForeignBrowserNeedsDigits(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	right := lastOf(m.number)
	b := w.browser()
	before := w.proxy.count("")
	a := b.present(m, nil)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "GENERAL_ERROR", a.says("status"))
	require.Equal(t, auth.ReasonDigits, a.says("reason"))
	require.EqualValues(t, 3, a.body["triesLeft"])
	require.NotEmpty(t, a.says("message"))
	for _, none := range []any{"", right[1:], right + "0", "12 4", "۱۲۳۴", 1234, nil, []string{right}, true} {
		require.Equal(t, auth.ReasonDigits, b.present(m, map[string]any{"digits": none}).says("reason"), none)
	}
	require.Zero(t, w.store.tries(m.reply), "what is no guess costs none")
	for left := 2; left > 0; left-- {
		a = b.present(m, map[string]any{"digits": other(right)})
		require.Equal(t, auth.ReasonWrongDigits, a.says("reason"))
		require.EqualValues(t, left, a.body["triesLeft"])
		require.Equal(t, left, w.browser().view(m).TriesLeft)
	}
	require.Equal(t, before, w.proxy.count(""), "wrong digits never reach the core")
	require.Contains(t, w.core.codes(m.number), codeID(t, w, m))
	a = b.present(m, map[string]any{"digits": other(right)})
	require.Equal(t, map[string]any{"status": "RESTART_FLOW_ERROR"}, a.body)
	require.Equal(t, auth.LinkRevoked, w.store.state(m.reply))
	require.Empty(t, w.core.codes(m.number), "dead at the core, too")
	require.Equal(t, "RESTART_FLOW_ERROR", b.consume(m).says("status"), "the right ones come too late")
	require.Equal(t, auth.ViewExpired, b.view(m).State)
	require.Empty(t, w.store.recorded())

	again := w.link(m.number, newReply(t))
	require.Equal(t, "OK", b.consume(again).says("status"), "a new link has tries of its own")
}

func codeID(t *testing.T, w *world, m magic) string {
	t.Helper()
	l, err := w.store.LinkByReply(t.Context(), m.reply)
	require.NoError(t, err)
	return l.CodeID
}

func TestParallelGuesses(t *testing.T) {
	t.Run("in memory", func(t *testing.T) { parallelGuesses(t, setup(t)) })
	t.Run("in SQLite", func(t *testing.T) {
		w, _, _ := withStorage(t)
		parallelGuesses(t, w)
	})
}

func parallelGuesses(t *testing.T, w *world) {
	t.Helper()
	m := w.fresh()
	wrong := other(lastOf(m.number))
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for range 50 {
		b := w.browser()
		all.Go(func() {
			a := b.present(m, map[string]any{"digits": wrong})
			mu.Lock()
			defer mu.Unlock()
			got[a.says("status")+" "+a.says("reason")]++
		})
	}
	all.Wait()
	require.Equal(t, map[string]int{"GENERAL_ERROR digits_wrong": 2, "RESTART_FLOW_ERROR ": 48}, got, "three are evaluated: two go on, the third ends the link")
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
}

func TestRightDigitsAreNeverTakenForGuesses(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.proxy.set(func(p *proxy) { p.fail[consumeCode] = 503 })
	for range 5 {
		require.Equal(t, auth.ReasonTryAgain, w.browser().consume(m).says("reason"))
	}
	w.proxy.set(func(p *proxy) { clear(p.fail) })
	require.Equal(t, "OK", w.browser().consume(m).says("status"))
}

func TestTheBrowserThatAskedGoesThroughItsDoor(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	b := w.browser()
	b.begin("/journal?day=2")
	v := b.view(m)
	require.Equal(t, auth.DoorTap, v.Door)
	require.Equal(t, "/journal?day=2", v.ReturnPath)
	require.Equal(t, "OK", b.present(m, nil).says("status"))
	require.Equal(t, auth.AttemptNone, b.do(http.MethodGet, "/api/v1/auth/login/attempt", nil).says("state"), "it is used")

	w.stop()
	w.cfg.Reference = true
	w.start()
	b = w.browser()
	m = w.named(b.begin(""))
	require.Equal(t, auth.DoorSelf, b.view(m).Door)
	plain := w.fresh()
	require.Equal(t, auth.DoorDigits, b.view(plain).Door, "a link that names no login is not this browser's")
	require.Equal(t, "OK", b.present(m, nil).says("status"))
}

func TestTheFirstNumberHasTheLogin(t *testing.T) {
	w := setup(t, withReference)
	b := w.browser()
	ref := b.begin("")
	first := w.named(ref)
	second := w.named(ref)
	require.Equal(t, auth.DoorSelf, b.view(first).Door)
	require.Equal(t, auth.DoorDigits, b.view(second).Door, "another number's message counts for nothing")
	r := asked(first.number, newReply(t))
	r.Reference = ref
	newer := w.linkFor(r)
	require.Equal(t, auth.DoorSelf, b.view(newer).Door, "the newest link of the first one does")
	require.Equal(t, auth.DoorDigits, w.browser().view(newer).Door)
	require.Equal(t, "OK", b.present(newer, nil).says("status"))
}

func TestAnOldLoginOpensNothing(t *testing.T) {
	w := setup(t)
	b := w.browser()
	b.begin("")
	w.clock.advance(31 * time.Minute)
	m := w.fresh()
	require.Equal(t, auth.DoorDigits, b.view(m).Door)
	require.Equal(t, auth.AttemptExpired, b.do(http.MethodGet, "/api/v1/auth/login/attempt", nil).says("state"))
	require.Equal(t, auth.ReasonDigits, b.present(m, nil).says("reason"))
}

func TestVictimKeepsOwnSession(t *testing.T) {
	w := setup(t)
	b := w.browser()
	own := w.fresh()
	require.Equal(t, "OK", b.consume(own).says("status"))
	me := b.whoami()
	m := w.fresh() // an attacker's link
	require.False(t, b.view(m).Other, "whose link it is not is for whoever knows the digits")
	guest := b.guest()
	wrong := map[string]any{"digits": other(lastOf(m.number)), "bringGuest": true, "replaceSession": true}
	require.Equal(t, auth.ReasonWrongDigits, b.present(m, wrong).says("reason"))
	require.Equal(t, me, b.whoami(), "agreeing to everything is worth nothing without them")
	a := b.consume(m)
	require.Equal(t, "GENERAL_ERROR", a.says("status"))
	require.Equal(t, auth.ReasonOther, a.says("reason"))
	require.Equal(t, me, b.whoami(), "still signed in as before")
	require.Len(t, w.store.recorded(), 1)
	require.Equal(t, auth.LinkOpen, w.store.state(m.reply), "nothing is spent")
	b.begin("")
	require.True(t, b.view(m).Other, "where a login began a page knows it before")
	require.Equal(t, auth.ReasonOther, b.present(m, nil).says("reason"), "through every door")
	require.Equal(t, guest, b.guest())

	a = b.present(m, map[string]any{"replaceSession": true})
	require.Equal(t, "OK", a.says("status"))
	require.Equal(t, w.core.user(m.number), b.whoami())
	require.Zero(t, w.core.sessions(me), "the session that was there is over")

	again := w.link(m.number, newReply(t))
	require.False(t, b.view(again).Other, "the same person is not asked")
	require.Equal(t, "OK", b.consume(again).says("status"), "nor is there a guest left to ask about")
	require.Equal(t, 1, w.core.sessions(w.core.user(m.number)), "and has one session")
}

// ParallelGuesses on PostgreSQL is e2e's: this package's tests need no database server.
func TestStorageKeepsWhatADoorNeeds(t *testing.T) {
	store, err := storage.Open(t.Context(), storage.Config{Engine: storage.SQLite, Dir: filepath.Join(t.TempDir(), "data")})
	require.NoError(t, err)
	w := setup(t, withReference, func(c *auth.Config) { c.Links, c.SignIns, c.Guests, c.Attempts = store, store, store, store })
	t.Cleanup(func() {
		w.stop()
		require.NoError(t, store.Close())
	})
	b := w.browser()
	id := b.guest()
	m := w.named(b.begin("/journal"))
	w.stop()
	w.start() // nothing of it lives in memory
	require.Equal(t, auth.DoorSelf, b.view(m).Door)
	require.Equal(t, "OK", b.present(m, nil).says("status"))
	g, err := store.Guest(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, w.core.user(m.number), g.UserID)
	require.ElementsMatch(t, []string{auth.JobFHIRSync, auth.JobContactSync, auth.JobClaimGuest}, jobKinds(t, store))
}
