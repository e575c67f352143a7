package browser_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

// nobody is a sign-in that knows nobody and no link.
type nobody struct{}

func (nobody) Routes(next http.Handler) http.Handler { return next }

func (nobody) Session(http.ResponseWriter, *http.Request) (auth.Session, bool, bool) {
	return auth.Session{}, false, false
}

func (nobody) Link(context.Context, *http.Request, string) (auth.LinkView, error) {
	return auth.LinkView{State: auth.ViewExpired}, nil
}

func (nobody) StartAttempt(http.ResponseWriter, *http.Request, string) (auth.Attempt, error) {
	return auth.Attempt{Text: phrase, State: auth.AttemptWaiting, Expires: time.Hour}, nil
}

func (nobody) PatientState(context.Context, string) (string, error) { return "", errors.New("nobody") }

// TestLineDown: while WhatsApp lets the bot answer nobody, the login page says so instead of sending people into a chat that
// is dead, and the button is back when the line is.
func TestLineDown(t *testing.T) {
	var down atomic.Bool
	number, err := phone.Parse("+6281299990000")
	require.NoError(t, err)
	s, err := web.New(web.Config{
		Sessions: nobody{}, Patients: nobody{}, BotNumber: number, SupportURL: "https://help.example/", HomeURL: "https://app.example/",
		LineDown: func() (string, time.Duration) {
			if down.Load() {
				return "timelocked", 25 * time.Minute
			}
			return "", 0
		},
	})
	require.NoError(t, err)
	site := httptest.NewServer(s.Handler())
	t.Cleanup(site.Close)
	b := newBrowser(t)
	b.visit(site.URL + "/auth?lang=en")
	b.sees("Login with WhatsApp")
	down.Store(true)
	for lang, says := range map[string]string{"en": "about 25 minutes", "id": "sekitar 25 menit"} {
		page := site.URL + "/auth?lang=" + lang
		b.visit(page)
		b.sees(says)
		require.Zero(t, eval[int](b, `document.querySelectorAll("a[href*='wa.me'], a[href*='whatsapp'], svg.qr").length`))
		b.keepLoaded("line-down-"+lang, page)
	}
	down.Store(false)
	b.click("main a.primary")
	b.sees("WhatsApp")
	require.Positive(t, eval[int](b, `document.querySelectorAll("a[href*='wa.me']").length`))
}
