package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// guest makes the browser a guest and answers its id.
func (b *browser) guest(t *testing.T) string {
	t.Helper()
	a := b.do(t, http.MethodPost, "/auth/anonymous-session", nil, "Origin", b.base, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusOK, a.StatusCode, a.Text)
	return a.json(t)["data"].(map[string]any)["guest_id"].(string)
}

// startLogin is the button of the login page; it answers what the message says.
func (b *browser) startLogin(t *testing.T, returnPath string) (text string) {
	t.Helper()
	a := b.do(t, http.MethodPost, "/auth/login/start", map[string]string{"returnPath": returnPath}, "Origin", b.base, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, "OK", a.status(), a.Text)
	return a.json(t)["text"].(string)
}

// consume presents a link with whatever else is said, and begins no login before.
func (b *browser) consume(t *testing.T, l link, more map[string]any) answer {
	t.Helper()
	body := map[string]any{"preAuthSessionId": l.PreAuthSessionID, "linkCode": l.Code}
	for k, v := range more {
		body[k] = v
	}
	return b.do(t, http.MethodPost, consumePath, body,
		"rid", "passwordless", "st-auth-mode", "cookie", "Origin", b.base, "Sec-Fetch-Site", "same-origin")
}

func (b *browser) claim(t *testing.T) answer {
	t.Helper()
	return b.do(t, http.MethodPatch, "/auth/anonymous/claim", nil, "rid", "session", "st-auth-mode", "cookie", "Origin", b.base, "Sec-Fetch-Site", "same-origin")
}

// answered is what a guest fills in, so many times.
func (s *behind) answered(guest string, times int) {
	s.t.Helper()
	for i := range times {
		_, err := s.fhir.Put([]byte(fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","status":"completed",
			"identifier":{"system":"https://login.konsulin.care/guestid","value":%q},"item":[{"linkId":"%d"}]}`, guest, i)))
		require.NoError(s.t, err)
	}
}

// owned counts the records that are the owner's, and those that are still some guest's.
func (s *behind) owned(owner string) (theirs, left int) {
	s.t.Helper()
	for _, raw := range s.fhir.All("QuestionnaireResponse") {
		switch text := string(raw); {
		case strings.Contains(text, "guestid"):
			left++
		case strings.Contains(text, `"`+owner+`"`):
			theirs++
		}
	}
	return theirs, left
}

// send sends a text and returns the link that comes back.
func (w *world) send(u *whatsapp.User, text string) link {
	w.t.Helper()
	_, err := u.Text(w.t.Context(), w.account, text)
	require.NoError(w.t, err)
	return mustLink(w.t, w.next(u))
}

// TestContinuity: who was a guest is the same person after the sign-in. All their records are theirs, none is left, the
// path that they were on comes back, and doing it twice is harmless.
func TestContinuity(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newBehind(t)
			w := newWorld(t, engine, s.join, func(c *app.Config) { c.Login.Reference = true })
			b := w.pairAndStart()
			u := w.user()
			br := newBrowser(t, b.URL())
			guest := br.guest(t)
			s.answered(guest, 60)
			s.answered("somebody-else-0001", 1)
			text := br.startLogin(t, "/journal?day=2")
			require.Contains(t, text, phrase+" #")
			require.Equal(t, "waiting", br.do(t, http.MethodGet, "/auth/login/attempt", nil).json(t)["state"])
			l := w.send(u, text)
			require.JSONEq(t, `{"state":"received"}`, br.do(t, http.MethodGet, "/auth/login/attempt", nil).Text)
			page := br.open(t, l)
			require.Equal(t, http.StatusOK, page.StatusCode)
			a := br.consume(t, l, nil)
			require.Equal(t, "OK", a.status(), a.Text)
			me := br.session(t).json(t)["userId"].(string)

			answer := br.claim(t)
			require.Equal(t, http.StatusOK, answer.StatusCode, answer.Text)
			data := answer.json(t)["data"].(map[string]any)
			require.Equal(t, true, data["claimed"])
			require.EqualValues(t, 60, data["count"])
			require.Len(t, data["referenceList"], 60)
			owner := "Patient/" + s.patients(numberOf(t, u), me)[0].ID
			theirs, left := s.owned(owner)
			require.Equal(t, 60, theirs)
			require.Equal(t, 1, left, "somebody else's stays where it is")
			require.Equal(t, http.StatusNoContent, br.claim(t).StatusCode, "there is no guest any more")

			again := br.guest(t)
			require.NotEqual(t, guest, again)
			require.Equal(t, "OK", br.consume(t, w.send(u, br.startLogin(t, "")), nil).status())
			w.settled()
			theirs, _ = s.owned(owner)
			require.Equal(t, 60, theirs, "twice is harmless")
		})
	}
}

// TestParallelGuesses straight at the route, in front of both engines.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, engine)
			b := w.pairAndStart()
			u := w.user()
			l := w.requestLink(u)
			all := numberOf(t, u).Digits()
			right := all[len(all)-4:]
			wrong := "0000"
			if right == wrong {
				wrong = "0001"
			}
			require.Equal(t, "digits_required", newBrowser(t, b.URL()).consume(t, l, nil).json(t)["reason"])
			got := map[any]int{}
			var mu sync.Mutex
			var guesses sync.WaitGroup
			for range 50 {
				br := newBrowser(t, b.URL())
				guesses.Go(func() {
					a, err := br.try(t.Context(), http.MethodPost, consumePath,
						map[string]string{"preAuthSessionId": l.PreAuthSessionID, "linkCode": l.Code, "digits": wrong}, "rid", "passwordless")
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						got[err.Error()]++
						return
					}
					got[a.status()]++
				})
			}
			guesses.Wait()
			require.Equal(t, map[any]int{"GENERAL_ERROR": 2, "RESTART_FLOW_ERROR": 48}, got)
			require.Equal(t, "RESTART_FLOW_ERROR", newBrowser(t, b.URL()).consume(t, l, map[string]any{"digits": right}).status())
			again := w.requestLink(u)
			require.Equal(t, "OK", newBrowser(t, b.URL()).consume(t, again, map[string]any{"digits": right}).status(), "others cannot lock them out")
		})
	}
}

// TestKillBetweenConsumeAndUpgrade: the process dies when the core has consumed the link and nobody has written that
// down. The sign-in is recorded afterwards, the guest has become the user, and the records are theirs.
func TestKillBetweenConsumeAndUpgrade(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newBehind(t)
			core := newProxy(t)
			w := newWorld(t, engine, s.join, core.before)
			b := w.pairAndStart()
			u := w.user()
			br := newBrowser(t, b.URL())
			guest := br.guest(t)
			s.answered(guest, 3)
			br.startLogin(t, "/journal")
			l := w.requestLink(u)
			core.then("/recipe/signinup/code/consume", b.kill)
			_, err := br.tryConfirm(context.WithoutCancel(t.Context()), l)
			require.Error(t, err)
			core.then("/recipe/signinup/code/consume", nil)
			require.Equal(t, 1, w.count("SELECT COUNT(*) FROM guests WHERE state = 'live'"))
			b.start()
			w.awaitReady(b)
			require.Eventually(t, func() bool { return w.count("SELECT COUNT(*) FROM guests WHERE state = 'upgraded'") == 1 },
				90*time.Second, 50*time.Millisecond)
			w.settled()
			store := w.store()
			rows, err := store.ListAudit(t.Context(), storage.AuditQuery{Event: storage.EventSignIn})
			require.NoError(t, err)
			require.Len(t, rows, 1)
			require.Equal(t, true, rows[0].Detail["guest"])
			theirs, left := s.owned("Patient/" + s.patients(numberOf(t, u), rows[0].UserID)[0].ID)
			require.Equal(t, []int{3, 0}, []int{theirs, left})

			require.Equal(t, "OK", br.consume(t, w.requestLink(u), nil).status(), "the next link, in the same browser")
			data := br.claim(t).json(t)["data"].(map[string]any)
			require.EqualValues(t, 3, data["count"], "and the front end hears what was done meanwhile")
		})
	}
}
