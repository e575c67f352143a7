package web_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

// line is one that a test takes down and up.
type line struct {
	reason atomic.Pointer[string]
	wait   time.Duration
}

func (l *line) goes(reason string) { l.reason.Store(&reason) }

func (l *line) down() (string, time.Duration) { return *l.reason.Load(), l.wait }

func setupLine(t *testing.T, wait time.Duration, change ...func(*web.Config)) (*bundle, *line) {
	l := &line{wait: wait}
	l.goes("")
	return setup(t, append(change, func(c *web.Config) { c.LineDown = l.down })...), l
}

// The page of a line that is down sends nobody into a chat where nobody answers, and says what to do, in both languages.
func TestLineDownIsSaidAndNobodyIsSentIntoTheChat(t *testing.T) {
	t.Parallel()
	for lang, says := range map[string][]string{
		"en": {"not possible right now", "about 59 minutes", "a link that you have received already still works", "Get help from a person"},
		"id": {"sedang tidak bisa", "sekitar 59 menit", "tautan yang sudah Anda terima tetap berlaku", "help.example"},
	} {
		for _, device := range []string{"?1", "?0"} {
			b, l := setupLine(t, 58*time.Minute+time.Second)
			up := b.get(t, "/auth?lang="+lang, "Sec-CH-UA-Mobile", device).Body.String()
			require.Contains(t, up, "wa.me")
			l.goes("banned")
			w := b.get(t, "/auth?lang="+lang+"&redirectToPath=/journal", "Sec-CH-UA-Mobile", device)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			down := w.Body.String()
			for _, sentence := range says {
				require.Contains(t, down, sentence)
			}
			for _, way := range []string{"wa.me", "web.whatsapp.com", "class=\"qr\"", web.DefaultPhrase, "banned"} {
				require.NotContains(t, down, way)
			}
			require.Contains(t, down, "redirectToPath=%2Fjournal", "trying again keeps where to go")
			l.goes("")
			back := b.get(t, "/auth?lang="+lang, "Sec-CH-UA-Mobile", device).Body.String()
			require.Equal(t, up, back, "it comes back as it was")
		}
	}
}

func TestLineDownWithoutAnEndOrAPersonPromisesNeither(t *testing.T) {
	t.Parallel()
	b, l := setupLine(t, 0, func(c *web.Config) { c.SupportURL = "" })
	l.goes("logged out")
	page := b.get(t, "/auth?lang=en").Body.String()
	require.Contains(t, page, "Please try again later.")
	require.NotContains(t, page, "may work again")
	require.NotContains(t, page, "If it cannot wait")
}

// What was sent before goes on working: a link, a code from the chat, a session.
func TestLineDownLeavesWhatWasSentBefore(t *testing.T) {
	t.Parallel()
	b, l := setupLine(t, 0)
	l.goes("timelocked")
	require.Contains(t, b.get(t, "/auth/verify?lang=en&preAuthSessionId="+openLink).Body.String(), "Sign in")
	w := b.do(t, http.MethodPost, "/api/v1/auth/signinup/code/consume", `{"preAuthSessionId":"`+openLink+`","linkCode":"`+goodCode+`"}`)
	require.Contains(t, w.Body.String(), "OK")
	b.sessions.attempt = referenced("received")
	page := b.get(t, "/auth?lang=en", "Sec-CH-UA-Mobile", "?0").Body.String()
	require.Contains(t, page, "Type the code from the chat")
	require.True(t, strings.Contains(page, "Your message has arrived"))
	b.sessions.who = &auth.Session{UserID: "user", Roles: []string{"Patient"}}
	require.Equal(t, http.StatusOK, b.get(t, "/api/v1/auth/session").Code)
}
