package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

const (
	consumeCode = "/recipe/signinup/code/consume"
	listCodes   = "/recipe/signinup/codes"
	userRoles   = "/recipe/user/roles"
	addRole     = "/recipe/user/role"
	makeSession = "/recipe/session"
)

func TestConfirmedLinkSignsIn(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	b := w.browser()
	guest := b.guest()
	b.begin("")
	a := b.present(m, nil)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "OK", a.says("status"))
	require.Equal(t, true, a.body["createdNewUser"])
	id := w.core.user(m.number)
	require.NotEmpty(t, id)
	require.Equal(t, id, a.body["user"].(map[string]any)["id"])
	require.Equal(t, id, b.whoami())
	require.Equal(t, []string{"Patient"}, w.core.roles(id))

	audit := w.store.recorded()
	require.Len(t, audit, 1)
	s := audit[0]
	require.Equal(t, id, s.UserID)
	require.True(t, s.NewUser)
	require.False(t, s.Reconciled)
	require.Equal(t, m.number, s.Number)
	require.Equal(t, guest, s.Guest)
	require.Len(t, s.Jobs, 2)
	require.Len(t, s.GuestJobs, 1)
	serial := map[string]string{
		auth.JobFHIRSync: "fhir:" + m.number.Digits(), auth.JobClaimGuest: "fhir:" + m.number.Digits(),
		auth.JobContactSync: "contact:" + m.number.Digits(),
	}
	for _, j := range slices.Concat(s.Jobs, s.GuestJobs) {
		require.Equal(t, s.Intent, j.Key)
		require.Equal(t, serial[j.Kind], j.Serial)
		var f auth.FollowUp
		require.NoError(t, json.Unmarshal(j.Payload, &f))
		n, err := f.Number()
		require.NoError(t, err)
		require.Equal(t, m.number, n)
		require.Equal(t, id, f.UserID)
		require.Equal(t, guest, f.Guest)
		require.True(t, f.NewUser)
		require.True(t, f.At.Equal(s.At))
	}
	select {
	case <-w.wakes:
	default:
		require.Fail(t, "the jobs' runner was not woken")
	}
	require.Equal(t, auth.LinkConsumed, w.store.state(m.reply))
	require.Zero(t, w.store.openIntents())

	again := w.link(m.number, newReply(t))
	a = w.browser().consume(again)
	require.Equal(t, "OK", a.says("status"))
	require.Equal(t, false, a.body["createdNewUser"])
	require.Equal(t, id, a.body["user"].(map[string]any)["id"])
	require.Len(t, w.store.recorded()[1].Jobs, 2, "nothing to claim without a guest")
}

func TestRolesOfAUserStay(t *testing.T) {
	w := setup(t, func(c *auth.Config) { c.DefaultRole = "Patient " + digits(t, 10) }) // unknown to every core
	m := w.fresh()
	require.Equal(t, "OK", w.browser().consume(m).says("status"))
	id := w.core.user(m.number)
	require.Equal(t, []string{w.cfg.DefaultRole}, w.core.roles(id))
	w.stop()
	w.cfg.DefaultRole = "Guest"
	w.start()
	b := w.browser()
	require.Equal(t, "OK", b.consume(w.link(m.number, newReply(t))).says("status"))
	require.NotContains(t, w.core.roles(id), "Guest", "a user with a role gets no other")
}

func TestForeignCodeRefused(t *testing.T) {
	w := setup(t)
	m, other := w.fresh(), w.fresh()
	foreign := w.core.createCode(newNumber(t))
	before := w.proxy.count("")
	post := func(body any) answer {
		return w.browser().do(http.MethodPost, "/api/v1/auth/signinup/code/consume", body, "st-auth-mode", "cookie")
	}
	for name, refused := range map[string]magic{
		"a code that the core made for somebody else": foreign,
		"an invented one":                          {preAuth: "invented", code: "invented"},
		"an invented code for our session":         {preAuth: m.preAuth, code: "invented"},
		"our code for an invented session":         {preAuth: "invented", code: m.code},
		"a foreign code for our session":           {preAuth: m.preAuth, code: foreign.code},
		"our code for a foreign session":           {preAuth: foreign.preAuth, code: m.code},
		"the code of another link":                 {preAuth: m.preAuth, code: other.code},
		"nothing":                                  {},
		"no code":                                  {preAuth: m.preAuth},
		"the beginning of the code":                {preAuth: m.preAuth, code: m.code[:len(m.code)-1]},
		"more than the code":                       {preAuth: m.preAuth, code: m.code + "A"},
		"the code in lower case, if it has others": {preAuth: m.preAuth, code: strings.ToLower(m.code) + "-"},
	} {
		a := w.browser().consume(refused)
		require.Equal(t, http.StatusOK, a.status, name)
		require.Equal(t, map[string]any{"status": "RESTART_FLOW_ERROR"}, a.body, name)
		require.Empty(t, a.header.Values("Set-Cookie"), name)
	}
	a := post(map[string]any{"preAuthSessionId": m.preAuth, "deviceId": "device", "userInputCode": "123456"})
	require.Equal(t, map[string]any{"status": "RESTART_FLOW_ERROR"}, a.body, "typed codes are nobody's way in")
	for name, bad := range map[string]any{
		"no session":        map[string]any{"linkCode": m.code},
		"a number":          map[string]any{"preAuthSessionId": 7, "linkCode": m.code},
		"a code of numbers": map[string]any{"preAuthSessionId": m.preAuth, "linkCode": 7},
		"no code at all":    map[string]any{"preAuthSessionId": m.preAuth},
		"null":              nil,
		"a list":            []string{m.preAuth, m.code},
		"a text":            m.code,
	} {
		require.Equal(t, http.StatusBadRequest, post(bad).status, name)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, post(map[string]any{"preAuthSessionId": strings.Repeat("a", 1<<20)}).status)
	require.Equal(t, before, w.proxy.count(""), "refused without a call to the core")
	require.Empty(t, w.store.recorded())
	require.Equal(t, auth.LinkOpen, w.store.state(m.reply))
	require.Equal(t, "OK", w.browser().consume(m).says("status"), "and the link still works")
	require.Equal(t, "OK", w.core.consumeDirectly(foreign), "the foreign code was good, only not ours")
}

func TestHundredConfirmsOneSession(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	cookies := 0
	for range 100 {
		all.Go(func() {
			a := w.browser().consume(m)
			mu.Lock()
			defer mu.Unlock()
			answers[a.says("status")+" "+a.says("reason")]++
			if len(a.header.Values("Set-Cookie")) > 0 {
				cookies++
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, answers["OK "], answers)
	require.Equal(t, 99, answers["RESTART_FLOW_ERROR "]+answers["GENERAL_ERROR try_again"], answers)
	require.Equal(t, 1, cookies)
	require.Equal(t, 1, w.core.sessions(w.core.user(m.number)))
	require.Len(t, w.store.recorded(), 1)
	require.Equal(t, 1, w.proxy.count(consumeCode), "the core is asked once")
	require.Zero(t, w.store.openIntents())
}

// Another process, whose clock is ahead, takes the intent for dead and abandons it while the core is consuming.
func TestIntentAbandonedByAnotherProcessForgetsNobody(t *testing.T) {
	for _, reopened := range []bool{true, false} {
		t.Run(fmt.Sprint("link open again: ", reopened), func(t *testing.T) {
			w := setup(t)
			m := w.fresh()
			w.proxy.set(func(p *proxy) {
				p.before[consumeCode] = func() {
					open, err := w.store.OpenIntents(context.Background(), w.clock.Now().Add(time.Hour))
					if err == nil && len(open) == 1 {
						_ = w.store.AbandonSignIn(context.Background(), open[0].ID, reopened, "the other clock")
					}
				}
			})
			b := w.browser()
			a := b.consume(m)
			require.True(t, w.store.reasons["the other clock"])
			require.Equal(t, "OK", a.says("status"), a.raw)
			require.Len(t, w.store.recorded(), 1)
			require.Equal(t, auth.LinkConsumed, w.store.state(m.reply))
			require.NotEmpty(t, b.whoami())
			require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
			require.Zero(t, w.reconcile())
			require.Len(t, w.store.recorded(), 1, "once")
		})
	}
}

func TestCodeThatDiedAtTheCoreRestartsTheFlow(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.core.revokeAll(m.number)
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
	require.Equal(t, auth.LinkRevoked, w.store.state(m.reply))
	require.Empty(t, w.store.recorded())
	require.Zero(t, w.store.openIntents())
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
	require.Equal(t, 1, w.proxy.count(consumeCode))
}

// What the core did not get, or did not do, leaves the link as good as before.
func TestLinkSurvivesACoreThatDidNothing(t *testing.T) {
	for name, fault := range map[string]func(*proxy){
		"refused connection": func(*proxy) {},
		"500":                func(p *proxy) { p.set(func(p *proxy) { p.fail[consumeCode] = 500 }) },
		"503":                func(p *proxy) { p.set(func(p *proxy) { p.fail[consumeCode] = 503 }) },
		"401":                func(p *proxy) { p.set(func(p *proxy) { p.fail[consumeCode] = 401 }) },
		"429, again and again": func(p *proxy) {
			p.set(func(p *proxy) { p.fail[consumeCode] = 429 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			m := w.fresh()
			fault(w.proxy)
			if name == "refused connection" {
				w.down()
			}
			a := w.browser().consume(m)
			require.Equal(t, http.StatusOK, a.status)
			require.Equal(t, "GENERAL_ERROR", a.says("status"))
			require.Equal(t, auth.ReasonTryAgain, a.says("reason"))
			require.Empty(t, a.header.Values("Set-Cookie"))
			require.Zero(t, w.store.openIntents())
			if name == "refused connection" {
				w.proxy.up()
			}
			if name == "429, again and again" {
				require.Equal(t, 6, w.proxy.count(consumeCode), "the SDK repeats a 429 five times")
			}
			w.proxy.set(func(p *proxy) { clear(p.fail) })
			require.Equal(t, "OK", w.browser().consume(m).says("status"), "at once")
			require.Len(t, w.store.recorded(), 1)
		})
	}
}

func TestLostAnswerOfTheCoreIsFoundOutAtOnce(t *testing.T) {
	for name, fault := range map[string]func(*proxy){
		"connection cut": func(p *proxy) { p.lose[consumeCode] = 1 },
		"an empty user": func(p *proxy) {
			p.garbage[consumeCode] = `{"status":"OK","createdNewUser":true,"user":{"id":"","timeJoined":1}}`
		},
		"somebody else": func(p *proxy) {
			p.garbage[consumeCode] = `{"status":"OK","createdNewUser":true,"user":{"id":"x","timeJoined":1,"phoneNumber":"628120000"}}`
		},
		"no user":            func(p *proxy) { p.garbage[consumeCode] = `{"status":"OK"}` },
		"not JSON":           func(p *proxy) { p.garbage[consumeCode] = `<html>` },
		"an answer for none": func(p *proxy) { p.garbage[consumeCode] = `{}` },
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			m := w.fresh()
			w.proxy.set(fault)
			b := w.browser()
			a := b.consume(m)
			require.Equal(t, "OK", a.says("status"), a.raw)
			id := w.core.user(m.number)
			require.Equal(t, id, b.whoami())
			audit := w.store.recorded()
			require.Len(t, audit, 1)
			require.Equal(t, id, audit[0].UserID)
			require.True(t, audit[0].NewUser)
			require.False(t, audit[0].Reconciled, "its browser saw it")
			require.Equal(t, []string{"Patient"}, w.core.roles(id))
			require.Equal(t, 1, w.proxy.count(consumeCode))
		})
	}
}

// The core may still be working on a request whose connection is cut, so the link stays taken until that has passed.
func TestUndecidedLinkWaitsUntilTheCoreMustBeDone(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.proxy.set(func(p *proxy) { p.cut[consumeCode] = 1 })
	a := w.browser().consume(m)
	require.Equal(t, auth.ReasonTryAgain, a.says("reason"))
	require.Equal(t, 1, w.store.openIntents())
	a = w.browser().consume(m)
	require.Equal(t, auth.ReasonTryAgain, a.says("reason"))
	require.Equal(t, 1, w.proxy.count(consumeCode))
	v, err := w.service.Link(context.Background(), opener(t), m.preAuth)
	require.NoError(t, err)
	require.Equal(t, auth.ViewOpen, v.State)
	w.clock.advance(coreTimeout * 2)
	n, err := w.service.Reconcile(context.Background(), w.clock.Now())
	require.NoError(t, err)
	require.Zero(t, n, "a sweep waits as well")
	w.clock.advance(w.service.Settle())
	require.Equal(t, "OK", w.browser().consume(m).says("status"), "the next try looks after it")
	require.Len(t, w.store.recorded(), 1)
	require.Zero(t, w.store.openIntents())
}

func TestHangingCoreIsLeftInTime(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	hang := make(chan struct{})
	w.proxy.set(func(p *proxy) { p.hang[consumeCode] = hang })
	a := w.browser().consume(m)
	require.Equal(t, auth.ReasonTryAgain, a.says("reason"))
	require.Equal(t, 1, w.store.openIntents(), "the core may consume it yet")
	close(hang) // and it does
	require.Eventually(t, func() bool { return w.core.user(m.number) != "" }, coreTimeout*5, coreTimeout/100)
	w.clock.advance(w.service.Settle() + coreTimeout)
	n, err := w.service.Reconcile(context.Background(), w.clock.Now())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, w.store.recorded(), 1)
	require.True(t, w.store.recorded()[0].Reconciled)
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
}

func TestUserWithoutRoleIsNotForgotten(t *testing.T) {
	for name, fault := range map[string]func(*proxy){
		"roles unknown":           func(p *proxy) { p.fail[userRoles] = 500 },
		"roles garbled":           func(p *proxy) { p.garbage[userRoles] = `{}` },
		"role refused":            func(p *proxy) { p.fail[addRole] = 500 },
		"role given, answer lost": func(p *proxy) { p.lose[addRole] = 2 },
		"core gone":               func(p *proxy) { p.cut[userRoles] = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			m := w.fresh()
			w.proxy.set(fault)
			a := w.browser().consume(m)
			if a.says("status") != "OK" { // the second attempt may have made it
				require.Equal(t, auth.ReasonNewLink, a.says("reason"), a.raw)
				require.Empty(t, w.store.recorded(), "no session without a record, no record without a role")
				require.Empty(t, a.header.Values("Set-Cookie"))
				w.proxy.set(func(p *proxy) { clear(p.fail); clear(p.garbage); clear(p.lose); clear(p.cut) })
				n, err := w.service.Reconcile(context.Background(), w.clock.Now())
				require.NoError(t, err)
				require.Equal(t, 1, n)
			}
			require.Len(t, w.store.recorded(), 1)
			require.Equal(t, []string{"Patient"}, w.core.roles(w.core.user(m.number)))
		})
	}
}

func TestSignInOutlivesItsBrowser(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	ctx, leave := context.WithCancel(context.Background())
	w.proxy.set(func(p *proxy) { p.before[consumeCode] = leave })
	body, err := json.Marshal(map[string]string{"preAuthSessionId": m.preAuth, "linkCode": m.code, "digits": lastOf(m.number)})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.web.URL+"/api/v1/auth/signinup/code/consume", strings.NewReader(string(body)))
	require.NoError(t, err)
	_, err = http.DefaultClient.Do(r)
	require.ErrorIs(t, err, context.Canceled)
	require.Eventually(t, func() bool { return len(w.store.recorded()) == 1 }, coreTimeout*5, coreTimeout/100)
	require.Zero(t, w.store.openIntents())
}

func TestRecordedSignInWithoutSessionAsksForANewLink(t *testing.T) {
	for name, fault := range map[string]func(*proxy){
		"refused":     func(p *proxy) { p.fail[makeSession] = 500 },
		"answer lost": func(p *proxy) { p.lose[makeSession] = 1 },
		"garbage":     func(p *proxy) { p.garbage[makeSession] = `{}` },
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			m := w.fresh()
			w.proxy.set(fault)
			b := w.browser()
			a := b.consume(m)
			require.Equal(t, "GENERAL_ERROR", a.says("status"))
			require.Equal(t, auth.ReasonNewLink, a.says("reason"))
			require.Empty(t, a.header.Values("Set-Cookie"))
			require.Len(t, w.store.recorded(), 1, "the number was confirmed")
			require.Empty(t, b.whoami())
			require.Equal(t, "RESTART_FLOW_ERROR", b.consume(m).says("status"))
			w.proxy.set(func(p *proxy) { clear(p.fail); clear(p.garbage) })
			require.Equal(t, "OK", b.consume(w.link(m.number, newReply(t))).says("status"))
			require.NotEmpty(t, b.whoami())
		})
	}
}

func TestDatabaseAwayBeforeTheCoreIsAskedCostsNothing(t *testing.T) {
	for _, method := range []string{"LinkByPreAuth", "BeginSignIn"} {
		t.Run(method, func(t *testing.T) {
			w := setup(t)
			m := w.fresh()
			w.store.fail(method, 1)
			a := w.browser().consume(m)
			require.Equal(t, auth.ReasonTryAgain, a.says("reason"))
			require.Zero(t, w.proxy.count(consumeCode))
			require.Equal(t, "OK", w.browser().consume(m).says("status"))
		})
	}
}
