package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// oneLink insists that the request is answered with exactly one message beside those that the user had before, and that
// its link works.
func (w *world) oneLink(b bot, u *whatsapp.User, had int) {
	w.t.Helper()
	l := mustLink(w.t, w.next(u))
	newBrowser(w.t, b.URL()).signIn(w.t, l)
	w.quiet()
	require.Len(w.t, u.Received(), had+1)
}

// quiet waits until no job of the line is waiting or running.
func (w *world) quiet() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return w.count(`SELECT COUNT(*) FROM jobs WHERE state IN ('ready', 'running')
			AND kind IN ('login.answer', 'reply.send', 'command.run')`) == 0
	}, 60*time.Second, 20*time.Millisecond)
}

func TestSocketDropsLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	b := w.pairAndStart()
	for name, at := range map[string]whatsapp.DropPoint{
		"before handling": whatsapp.BeforeDelivery, "during handling": whatsapp.DuringHandling, "after handling": whatsapp.AfterHandling,
		"before sending": whatsapp.BeforeSending, "before the ack": whatsapp.BeforeAck,
	} {
		u := w.user()
		w.account.Device().DropAt(at, 1)
		_, err := u.Text(t.Context(), w.account, phrase)
		require.NoError(t, err, name)
		w.oneLink(b, u, 0)
	}
}

func TestLostAckMakesNoSecondBubble(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite, func(cfg *app.Config) { cfg.WhatsApp.SendTimeout = time.Second })
	b := w.pairAndStart()
	u := w.user()
	w.account.LoseAcks(1)
	_, err := u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	w.oneLink(b, u, 0)
	require.GreaterOrEqual(t, u.Raw(), 2, "the resend has the same id, so the phone shows one message")
}

func TestSameMessageOneLink(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, engine)
			b := w.pairAndStart()
			u := w.user()
			id, err := u.Text(t.Context(), w.account, phrase)
			require.NoError(t, err)
			l := mustLink(t, w.next(u))
			for range 3 { // WhatsApp delivers it again, also to the next life of the bot
				_, err := u.Text(t.Context(), w.account, phrase, whatsapp.WithID(id))
				require.NoError(t, err)
			}
			b.kill()
			_, err = u.Text(t.Context(), w.account, phrase, whatsapp.WithID(id))
			require.NoError(t, err)
			b.start()
			w.awaitReady(b)
			require.Eventually(t, func() bool { return w.account.Device().PendingMessages() == 0 }, 30*time.Second, 10*time.Millisecond)
			w.quiet()
			require.Len(t, u.Received(), 1)
			newBrowser(t, b.URL()).signIn(t, l)
		})
	}
}

// TestRetryKeepsTheLink kills the bot after WhatsApp has the reply and before the bot knows it: the next life sends
// the same link under the same id.
func TestRetryKeepsTheLink(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, engine)
			b := w.pairAndStart()
			u := w.user()
			w.account.Device().HoldAcks()
			_, err := u.Text(t.Context(), w.account, phrase)
			require.NoError(t, err)
			l := mustLink(t, w.next(u)) // the phone has it, the bot waits for the ack
			b.kill()
			w.account.Device().Release()
			b.start()
			w.awaitReady(b)
			w.quiet()
			require.Len(t, u.Received(), 1)
			require.GreaterOrEqual(t, u.Raw(), 2, "it was sent again")
			newBrowser(t, b.URL()).signIn(t, l)
		})
	}
}

// TestCoreDown: the user is told once, and the request is answered when the core is back.
func TestCoreDown(t *testing.T) {
	t.Parallel()
	core := newProxy(t)
	w := newWorld(t, storage.SQLite, core.before)
	b := w.pairAndStart()
	u := w.user()
	core.down(true)
	_, err := u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	_, isLink := linkIn(w.next(u))
	require.False(t, isLink, "first a word that it will take a moment")
	w.awaitNotReady(b, "core")
	core.down(false)
	l := mustLink(t, w.next(u))
	newBrowser(t, b.URL()).signIn(t, l)
	w.quiet()
	require.Len(t, u.Received(), 2, "told once, answered once")
	w.awaitReady(b)
}

// TestCoreDownTooLong: a request that grew stale while the core was away gets no link, but the advice to tap again.
func TestCoreDownTooLong(t *testing.T) {
	t.Parallel()
	core := newProxy(t)
	w := newWorld(t, storage.SQLite, core.before, func(cfg *app.Config) { cfg.Login.StaleAfter = 10 * time.Second })
	w.pairAndStart()
	u := w.user()
	core.down(true)
	_, err := u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	soon, tapAgain := w.next(u), w.next(u)
	core.down(false)
	w.quiet()
	for _, text := range []string{soon, tapAgain} {
		_, isLink := linkIn(text)
		require.False(t, isLink, text)
	}
	require.Len(t, u.Received(), 2)
	require.NotEmpty(t, w.requestLink(u).URL)
}

// TestLineStates: each way in which WhatsApp refuses the bot shows in state, readiness and log, and nothing is sent,
// although a request waits for its answer.
func TestLineStates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault func(a *whatsapp.Account)
		says  string
	}{
		"logged out": {func(a *whatsapp.Account) { a.Device().StreamError("401") }, "logged out"},
		"replaced":   {func(a *whatsapp.Account) { a.Device().StreamError("replaced") }, "replaced"},
		"outdated":   {func(a *whatsapp.Account) { a.LoginFailure(405); a.Device().Drop() }, "outdated"},
		"banned":     {func(a *whatsapp.Account) { a.LoginBan(101, time.Hour); a.Device().Drop() }, "banned"},
		"timelocked": {func(a *whatsapp.Account) { a.Device().Timelock(time.Now().Add(time.Hour)) }, "timelocked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core := newProxy(t)
			w := newWorld(t, storage.SQLite, core.before)
			b := w.pairAndStart()
			u := w.user()
			core.down(true)
			_, err := u.Text(t.Context(), w.account, phrase)
			require.NoError(t, err)
			w.next(u) // "it will take a moment": the request is accepted and waits for the core
			c.fault(w.account)
			w.awaitNotReady(b, c.says)
			require.Contains(t, b.Log(), c.says)
			live := newBrowser(t, b.URL()).do(t, http.MethodGet, "/livez", nil)
			require.Equal(t, http.StatusOK, live.StatusCode, "alive, and not ready")
			sendsNobodyIntoTheChat(t, b.URL(), c.says)
			core.down(false)
			require.Never(t, func() bool { return u.Raw() > 1 }, 3*time.Second, 50*time.Millisecond, "the answer is not sent")
			require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM jobs WHERE state IN ('ready', 'running')`), "and not forgotten")
		})
	}
}

// sendsNobodyIntoTheChat checks what browsers hear of a line that is down.
func sendsNobodyIntoTheChat(t *testing.T, base, reason string) {
	b := newBrowser(t, base)
	page := b.do(t, http.MethodGet, "/auth?lang=en", nil)
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, page.Text, "not possible right now")
	require.NotContains(t, page.Text, "?text=")
	start := b.do(t, http.MethodPost, "/auth/login/start", struct{}{}, "Origin", base, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusServiceUnavailable, start.StatusCode)
	require.Contains(t, start.Text, `"reason":"`+reason+`"`)
	require.NotEmpty(t, start.Header.Get("Retry-After"))
}

// TestDatabaseBusy holds one of the bot's databases locked, longer than it waits for it, while a request arrives.
func TestDatabaseBusy(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"konsulin.db", "whatsapp.db"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storage.SQLite)
			b := w.pairAndStart()
			u := w.user()
			release := w.lockDatabase(file)
			_, err := u.Text(t.Context(), w.account, phrase)
			require.NoError(t, err)
			require.Never(t, func() bool { return len(u.Received()) > 0 }, 7*time.Second, 50*time.Millisecond,
				"nothing is answered that is not written down")
			release()
			w.oneLink(b, u, 0)
		})
	}
}
