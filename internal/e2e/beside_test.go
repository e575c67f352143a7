package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// TestLoginBesideAGateway: the bot answers in the chat, the gateway's page consumes the link, the bot notices, records it
// once, and adds to the Patient what is missing there; the contact and the guest's records are the gateway's.
func TestLoginBesideAGateway(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			v := newBeside(t, engine, nil)
			b := v.startOutside()
			own := newBrowser(t, b.URL())
			for _, path := range []string{"/auth/verify", "/auth/session", "/auth/login", gatewayBase + "/signinup/code/consume"} {
				require.Equal(t, http.StatusNotFound, own.do(t, http.MethodGet, path, nil).StatusCode, "the bot hosts no page: %s", path)
			}
			siti, br := v.user(), newBrowser(t, v.gateway.URL())
			guest := v.guest(br)
			l := v.requestLink(siti)
			require.Contains(t, l.URL, v.gateway.URL()+"/auth/verify?")
			for range 5 {
				require.Equal(t, http.StatusOK, br.open(t, l).StatusCode, "opening the page consumes nothing")
			}
			a := v.follow(br, l)
			require.Equal(t, "OK", a.status(), a.Text)
			userID, _ := a.json(t)["user"].(map[string]any)["id"].(string)
			v.noticed(userID, 1)
			v.settled()
			v.converged(numberOf(t, siti), userID)
			require.Equal(t, "+"+siti.Phone(), v.contacts(numberOf(t, siti))[0].Name, "as the gateway called it")
			v.claimed(br, guest)

			require.Equal(t, "RESTART_FLOW_ERROR", v.follow(br, l).status(), "a link works once")
			v.signIn(v.requestLink(siti))
			v.noticed(userID, 2)
			v.settled()
			v.converged(numberOf(t, siti), userID)
			require.Zero(t, v.count("SELECT count(*) FROM jobs WHERE kind IN ('contact.sync', 'fhir.claim_guest')"))
			b.Stop()
		})
	}
}

// guest makes the browser a guest with a record.
func (v *beside) guest(br *browser) (id string) {
	v.world.t.Helper()
	a := br.do(v.world.t, http.MethodPost, gatewayBase+"/anonymous-session", nil)
	id, _ = a.json(v.world.t)["data"].(map[string]any)["guest_id"].(string)
	_, err := v.fhir.Put([]byte(`{"resourceType":"QuestionnaireResponse","status":"completed",
		"identifier":{"system":"https://login.konsulin.care/guestid","value":"` + id + `"}}`))
	require.NoError(v.world.t, err)
	return id
}

// claimed has the front end claim the guest's record, which becomes the Patient's.
func (v *beside) claimed(br *browser, guest string) {
	v.world.t.Helper()
	a := br.do(v.world.t, http.MethodPatch, gatewayBase+"/anonymous/claim", nil)
	require.InDelta(v.world.t, 1, a.json(v.world.t)["data"].(map[string]any)["count"], 0, a.Text)
	raw := string(v.fhir.All("QuestionnaireResponse")[0])
	require.Contains(v.world.t, raw, `"author":{"reference":"Patient/`)
	require.NotContains(v.world.t, raw, guest)
}

// TestACodeThatTheGatewayDeletesIsNoSignIn: an invitation makes the number's user, which deletes the bot's code. Nobody has
// signed in then, and the next link works.
func TestACodeThatTheGatewayDeletesIsNoSignIn(t *testing.T) {
	t.Parallel()
	v := newBeside(t, storage.SQLite, nil)
	v.startOutside()
	siti := v.user()
	l := v.requestLink(siti)
	require.NoError(t, v.gateway.Invite(t.Context(), siti.Phone()))
	require.Eventually(t, func() bool {
		return v.count("SELECT count(*) FROM links WHERE state = 'revoked'") == 1
	}, 2*time.Minute, 50*time.Millisecond, "it is noted after half a minute")
	require.Equal(t, "RESTART_FLOW_ERROR", v.follow(newBrowser(t, v.gateway.URL()), l).status())
	require.Zero(t, v.count("SELECT count(*) FROM audit WHERE event = 'sign-in'"))
	v.noticed(v.signIn(v.requestLink(siti)), 1)
}

// TestANumberThatTheCoreHoldsWithAPlusGetsNoLink: a link would make a second user of one person. The user reads where to get
// help instead of waiting for a link, and gets one when the account is put right.
func TestANumberThatTheCoreHoldsWithAPlusGetsNoLink(t *testing.T) {
	t.Parallel()
	v := newBeside(t, storage.SQLite, nil)
	v.startOutside()
	siti := v.user()
	plus := v.mint("+" + siti.Phone())
	br := newBrowser(t, v.gateway.URL())
	a := br.do(t, http.MethodPost, gatewayBase+"/signinup/code/consume", map[string]string{"preAuthSessionId": plus.PreAuthSessionID, "linkCode": plus.Code})
	require.Equal(t, "OK", a.status(), a.Text)
	_, err := siti.Text(t.Context(), v.account, phrase)
	require.NoError(t, err)
	require.Contains(t, v.next(siti), v.cfg.Replies.WayOut)
	require.Eventually(t, func() bool {
		return v.count("SELECT count(*) FROM jobs WHERE kind = 'login.answer' AND state = 'dead'") == 1
	},
		time.Minute, 20*time.Millisecond, "laid aside for a person, and not tried again")
	require.Zero(t, v.count("SELECT count(*) FROM links"))
}

// TestKillInTheWatchingWindow kills the bot with SIGKILL while it notices a sign-in: when it has seen that the code is gone,
// when it has found the session, between its intent and its record, and while nobody watches. The next life records it
// once.
func TestKillInTheWatchingWindow(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			v := newBeside(t, engine, nil, func(cfg *app.Config) { cfg.Auth.CoreTimeout = time.Second })
			b := v.startOutside()
			for _, step := range []struct {
				path    string // of the call to the core whose answer the bot never hears
				intents int    // that are open then
			}{
				{"/recipe/user/roles", 1}, // first: the jobs of an earlier sign-in ask for roles too
				{"/recipe/session/user", 0}, {"/recipe/session", 0}, {"", 0},
			} {
				siti := v.user()
				l := v.requestLink(siti)
				var once sync.Once
				dead := make(chan int, 1)
				kill := func() {
					once.Do(func() {
						b.kill()
						dead <- v.count("SELECT count(*) FROM intents WHERE closed_at IS NULL")
					})
				}
				if step.path == "" {
					kill()
				} else {
					v.core.then(step.path, kill)
				}
				userID := v.signIn(l)
				require.Equal(t, step.intents, <-dead, step.path)
				v.core.then(step.path, nil)
				require.Zero(t, v.count("SELECT count(*) FROM audit WHERE event = 'sign-in' AND user_id = $1", userID), "not recorded yet")
				b.start()
				v.noticed(userID, 1)
				v.awaitReady(b)
			}
			b.Stop()
		})
	}
}

// TestGatewayAndBotOnePatient: both write, on a FHIR server that does not serialise, in twenty rounds: the gateway before the
// session as it does, after the session but within the grace, and only when the bot has written. One Patient and one contact
// after each, whoever makes the contact.
func TestGatewayAndBotOnePatient(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"gateway", "bot"} {
		t.Run("contact by "+by, func(t *testing.T) {
			t.Parallel()
			var round atomic.Int64
			var v *beside
			late := func(userID string) {
				if round.Load()%3 == 2 {
					v.botWrote(userID)
				}
			}
			v = newBeside(t, storage.SQLite, late, func(cfg *app.Config) { cfg.Contact.By, cfg.Auth.Grace = by, 2*time.Second })
			v.fhir.Racy(true)
			v.fhir.Slow(5 * time.Millisecond)
			b := v.startOutside()
			for i := range 20 {
				round.Store(int64(i))
				v.omni.Slow(0)
				if i%3 == 1 { // the gateway has seen that there is no Patient, and waits for the webhook before it makes one
					v.omni.Slow(300 * time.Millisecond)
				}
				siti := v.user()
				if i%3 == 0 { // the front end asks for a code, too, whose records come first
					a := newBrowser(t, v.gateway.URL()).do(t, http.MethodPost, gatewayBase+"/signinup/code", map[string]any{"phoneNumber": siti.Phone()})
					require.Equal(t, "OK", a.status(), a.Text)
				}
				userID := v.signIn(v.requestLink(siti))
				v.noticed(userID, 1)
				v.settled()
				v.converged(numberOf(t, siti), userID)
			}
			require.Len(t, v.fhir.All("Patient"), 20)
			require.Len(t, v.omni.Contacts(), 20)
			b.Stop()
		})
	}
}

// botWrote waits until the bot has written the user's Patient.
func (v *beside) botWrote(userID string) {
	for range 3000 {
		for _, raw := range v.fhir.All("Patient") {
			if strings.Contains(string(raw), userID) {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	panic(fmt.Sprint("the bot wrote nothing for ", userID))
}
