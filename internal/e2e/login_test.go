package e2e_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// TestLoginEndToEnd is the product's promise: from an unpaired account to a session that lasts and ends.
func TestLoginEndToEnd(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine+" in one process", func(t *testing.T) { // one at a time: see inside
			w := newWorld(t, engine)
			w.pairQR()
			wholeLogin(t, w, w.startInside())
		})
		t.Run(engine+" in separate processes", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, engine)
			b := w.prepareOutside()
			b.start()
			w.awaitNotReady(b, "unpaired")
			w.pairByCode() // beside the running bot, which then starts to use the account by itself
			w.awaitReady(b)
			wholeLogin(t, w, b)
		})
	}
}

// pairByCode runs konsulin-bot's pair command in a process of its own and types its code into the phone.
func (w *world) pairByCode() {
	w.t.Helper()
	pair := &outside{t: w.t, args: w.botArgs("pair", "--code")}
	pair.start()
	code := regexp.MustCompile(`\b[0-9A-Z]{4}-[0-9A-Z]{4}\b`)
	require.Eventually(w.t, func() bool { return code.MatchString(pair.Log()) }, 30*time.Second, 20*time.Millisecond)
	require.NoError(w.t, w.account.EnterCode(code.FindString(pair.Log())))
	require.NoError(w.t, pair.cmd.Wait(), pair.Log())
	require.Contains(w.t, pair.Log(), "Linked with")
}

func wholeLogin(t *testing.T, w *world, b bot) {
	t.Helper()
	u := w.user()
	l := w.requestLink(u)
	require.Equal(t, "public", l.TenantID)

	phone := newBrowser(t, b.URL())
	require.Equal(t, http.StatusUnauthorized, phone.session(t).StatusCode, "nobody is signed in yet")
	page := phone.open(t, l)
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, page.Text, "••••", "the page shows the masked number")
	require.NotContains(t, page.Text, l.Code)

	consumed := phone.confirm(t, l)
	require.Equal(t, "OK", consumed.status(), consumed.Text)
	who := phone.session(t)
	require.Equal(t, http.StatusOK, who.StatusCode, who.Text)
	me := who.json(t)
	require.NotEmpty(t, me["userId"])
	require.Equal(t, []any{"Patient"}, me["roles"])
	require.Equal(t, "pending", me["patient"])

	again := phone.restart(t, consumed.Response)
	require.Equal(t, http.StatusOK, again.session(t).StatusCode, "the session outlives the browser")

	refreshed := again.refresh(t)
	require.Equal(t, http.StatusOK, refreshed.StatusCode, refreshed.Text)
	require.NotEmpty(t, refreshed.Cookies(), "refresh hands out new tokens")
	require.Equal(t, http.StatusOK, again.session(t).StatusCode)

	require.Equal(t, "RESTART_FLOW_ERROR", newBrowser(t, b.URL()).confirm(t, l).status(), "a link works once")

	require.Equal(t, "OK", again.signOut(t).status())
	require.Equal(t, http.StatusUnauthorized, again.session(t).StatusCode, "signed out")

	// The same person again: the same user, another session.
	second := newBrowser(t, b.URL())
	second.signIn(t, w.requestLink(u))
	require.Equal(t, me["userId"], second.session(t).json(t)["userId"])
	w.recorded(u, 2)
}

// recorded insists that exactly n sign-ins of the user are in the audit, each with its two jobs.
func (w *world) recorded(u *whatsapp.User, n int) {
	w.t.Helper()
	rows := signIns(w.t, w.store(), u)
	require.Len(w.t, rows, n)
	for _, row := range rows {
		require.Equal(w.t, 2, w.count(`SELECT COUNT(*) FROM jobs WHERE key = $1`, row.IntentID))
	}
}

// TestLoginWithEveryAddressing logs in however WhatsApp says who wrote, as long as there is a number.
func TestLoginWithEveryAddressing(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, engine)
			b := w.pairAndStart()
			for _, how := range []whatsapp.Addressing{
				whatsapp.LIDWithPN, whatsapp.PNWithLID, whatsapp.PNOnly, whatsapp.LIDOnly,
			} {
				u := w.user()
				if how == whatsapp.LIDOnly { // known from an earlier message
					newBrowser(t, b.URL()).signIn(t, w.requestLink(u, whatsapp.Via(whatsapp.LIDWithPN)))
				}
				br := newBrowser(t, b.URL())
				br.signIn(t, w.requestLink(u, whatsapp.Via(how)))
				require.Equal(t, http.StatusOK, br.session(t).StatusCode, "%v", how)
			}
			u := w.user()
			_, err := u.Text(t.Context(), w.account, phrase, whatsapp.Via(whatsapp.Bare))
			require.NoError(t, err)
			way := w.next(u)
			require.Contains(t, way, w.cfg.Replies.WayOut, "a sender without a number is told the way out")
			_, isLink := linkIn(way)
			require.False(t, isLink)
		})
	}
}

// pairAndStart pairs and starts a bot in a process of its own.
func (w *world) pairAndStart() *outside {
	w.t.Helper()
	w.pairQR()
	return w.startOutside()
}

// TestLoginInTwoLanguages answers in the language of the number's country.
func TestLoginInTwoLanguages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	w.pairAndStart()
	indonesian := w.user()
	german, err := theServer().NewUser(digits("4915", 13), newLID(), "Anna")
	require.NoError(t, err)
	for u, word := range map[*whatsapp.User]string{indonesian: "menit", german: "minute"} {
		_, err := u.Text(t.Context(), w.account, "  AUTHENTICATE   me!! ")
		require.NoError(t, err)
		text := w.next(u)
		require.True(t, strings.Contains(strings.ToLower(text), word), text)
		mustLink(t, text)
	}
}
