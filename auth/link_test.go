package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

func TestLinkIsMadeFromConfigurationOnly(t *testing.T) {
	w := setup(t, func(c *auth.Config) {
		c.WebsiteDomain, c.WebsiteBasePath, c.RedirectToPath = "https://konsulin.example/", "/Auth/", "/find?kind=a&b=c d"
	})
	m := w.fresh()
	require.True(t, strings.HasPrefix(m.url, "https://konsulin.example/Auth/verify?preAuthSessionId="), "the page and nothing of the caller")
	u, err := url.Parse(m.url)
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"preAuthSessionId": {m.preAuth}, "tenantId": {"public"}, "redirectToPath": {"/find?kind=a&b=c d"},
	}, u.Query())
	require.NotEmpty(t, m.code)
	require.NotContains(t, strings.Split(m.url, "#")[0], m.code, "the code is in the fragment only")
	require.Greater(t, time.Until(m.expires), time.Minute, "the lifetime is the core's")
	require.Len(t, w.core.codes(m.number), 1, "under digits only")
}

func TestLifetimeIsTheCoresAndTheClockOurs(t *testing.T) {
	w := setup(t)
	lifetime := w.fresh().expires.Sub(w.clock.Now()).Round(time.Minute)
	require.Positive(t, lifetime)
	for _, ahead := range []time.Duration{2 * time.Hour, -4 * time.Hour} {
		w.clock.advance(ahead)
		before := w.clock.Now()
		m := w.fresh()
		require.False(t, m.expires.Before(before.Add(lifetime-time.Second)), "a link of a core whose clock is behind lives")
		require.False(t, m.expires.After(w.clock.Now().Add(lifetime)), "and none outlives its code")
		v, err := w.service.Link(context.Background(), opener(t), m.preAuth)
		require.NoError(t, err)
		require.Equal(t, auth.ViewOpen, v.State)
	}
}

func TestRetryKeepsTheLink(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	again := w.link(m.number, m.reply)
	require.Equal(t, m, again)
	w.stop()
	w.start()
	require.Equal(t, m, w.link(m.number, m.reply), "also after a restart")
	require.Equal(t, 1, w.proxy.count("/recipe/signinup/code"))
	require.Equal(t, "OK", w.browser().consume(m).says("status"))
	_, err := w.service.CreateLink(context.Background(), asked(m.number, m.reply))
	require.ErrorIs(t, err, auth.ErrLinkSpent)
	require.Equal(t, 1, w.proxy.count("/recipe/signinup/code"), "a spent link is not replaced")
}

// cuts are ways to cut off the making of a link, by what is cut.
type cuts map[string]func(*world)

// retried checks that a link whose making was cut off is made by the next try, and that it is its number's only one.
func (c cuts) retried(t *testing.T, shape ...func(*auth.Config)) {
	const create = "/recipe/signinup/code"
	all := cuts{
		"creating, before":         func(w *world) { w.proxy.set(func(p *proxy) { p.cut[create] = 1 }) },
		"creating, answer lost":    func(w *world) { w.proxy.set(func(p *proxy) { p.lose[create] = 1 }) },
		"creating, garbage":        func(w *world) { w.proxy.set(func(p *proxy) { p.garbage[create] = `{"status":"OK"}` }) },
		"creating, not even JSON":  func(w *world) { w.proxy.set(func(p *proxy) { p.garbage[create] = "<html>" }) },
		"storing":                  func(w *world) { w.store.fail("SaveLink", 1) },
		"storing, answer lost":     func(w *world) { w.store.loseAnswer("SaveLink", 1) },
		"looking it up, at first":  func(w *world) { w.store.fail("LinkByReply", 1) },
		"the whole core, for once": func(w *world) { w.down() },
	}
	maps.Copy(all, c)
	for name, fault := range all {
		t.Run(name, func(t *testing.T) {
			w := setup(t, shape...)
			n, reply := newNumber(t), newReply(t)
			w.core.createCode(n) // somebody else's, so that there is one to revoke
			fault(w)
			_, err := w.service.CreateLink(context.Background(), asked(n, reply))
			require.Error(t, err)
			require.NotErrorIs(t, err, auth.ErrLinkSpent)
			require.NotContains(t, err.Error(), n.Digits())
			w.proxy.set(func(p *proxy) { clear(p.fail); clear(p.garbage) })
			if name == "the whole core, for once" {
				w.proxy.up()
			}
			var stored []byte
			if rec, err := w.store.LinkByReply(context.Background(), reply); err == nil {
				stored = rec.Sealed
			}
			m := w.link(n, reply)
			rec, err := w.store.LinkByReply(context.Background(), reply)
			require.NoError(t, err)
			require.True(t, rec.Alone)
			if stored != nil {
				require.Equal(t, stored, rec.Sealed, "the stored link is the one that is sent")
			}
			require.Len(t, w.core.codes(n), 1, "every other code of the number is revoked")
			require.Equal(t, "OK", w.core.consumeDirectly(m))
		})
	}
}

// notAlone are the ways to cut off the end of a number's older codes.
var notAlone = cuts{
	"listing":               func(w *world) { w.proxy.set(func(p *proxy) { p.fail[list] = 500 }) },
	"listing, garbage":      func(w *world) { w.proxy.set(func(p *proxy) { p.garbage[list] = `{"status":"OK"}` }) },
	"revoking":              func(w *world) { w.proxy.set(func(p *proxy) { p.fail[revoke] = 503 }) },
	"revoking, before":      func(w *world) { w.proxy.set(func(p *proxy) { p.cut[revoke] = 1 }) },
	"revoking, answer lost": func(w *world) { w.proxy.set(func(p *proxy) { p.lose[revoke] = 1 }) },
}

const list, revoke = "/recipe/signinup/codes", "/recipe/signinup/code/remove"

func TestRetryKeepsTheLinkWhereverItWasCutOff(t *testing.T) {
	notAlone.retried(t)
}

func TestRetryKeepsTheLinkBesideAGateway(t *testing.T) {
	all := maps.Clone(notAlone)
	all["noting it, before"] = func(w *world) { w.store.fail("LinkAlone", 1) }
	all["noting it, answer lost"] = func(w *world) { w.store.loseAnswer("LinkAlone", 1) }
	all.retried(t, beside)
}

// TestALateRevocationKillsNoNewerLink: a core that stalls does later what nobody waits for any more.
func TestALateRevocationKillsNoNewerLink(t *testing.T) {
	for _, path := range []string{list, revoke, "/recipe/signinup/code"} {
		t.Run(path, func(t *testing.T) {
			w := setup(t, func(c *auth.Config) { c.CoreTimeout = time.Second })
			n, reply := newNumber(t), newReply(t)
			w.core.createCode(n)
			stall := make(chan struct{})
			w.proxy.set(func(p *proxy) { p.hang[path] = stall })
			_, err := w.service.CreateLink(context.Background(), asked(n, reply))
			require.Error(t, err)
			w.proxy.set(func(p *proxy) { delete(p.hang, path) })
			m := w.link(n, reply) // the retry, whose link is sent
			w.proxy.set(func(p *proxy) { p.lose[path] = 1 })
			close(stall)
			require.Eventually(t, func() bool {
				late := false
				w.proxy.set(func(p *proxy) { late = p.lose[path] == 0 })
				return late
			}, time.Minute, time.Millisecond, "the core has done it")
			require.Equal(t, "OK", w.browser().consume(m).says("status"), "the link that was sent works")
		})
	}
}

// TestLinkOfAnEarlierVersionIsMadeAlone: it was stored before the number's older codes were dead.
func TestLinkOfAnEarlierVersionIsMadeAlone(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	older := w.core.createCode(m.number)
	w.store.forgetAlone(m.reply)
	require.Equal(t, m, w.link(m.number, m.reply))
	require.Len(t, w.core.codes(m.number), 1)
	require.Equal(t, "RESTART_FLOW_ERROR", w.core.consumeDirectly(older))
	require.Equal(t, "OK", w.browser().consume(m).says("status"))
}

func TestALinkCostsTheCoreTwoCalls(t *testing.T) {
	w := setup(t)
	w.fresh()
	before := w.proxy.count("")
	w.fresh()
	require.Equal(t, before+2, w.proxy.count(""))
}

func TestCodeWithAPartMissingIsNoLink(t *testing.T) {
	const create = "/recipe/signinup/code"
	whole := func() map[string]any {
		return map[string]any{
			"status": "OK", "preAuthSessionId": newReply(t), "codeId": newReply(t), "deviceId": "d", "userInputCode": "u",
			"linkCode": "l", "codeLifetime": 900000, "timeCreated": time.Now().UnixMilli(),
		}
	}
	w := setup(t, beside) // where the core is asked for the code that it has just made
	ask := func(t *testing.T, body map[string]any) (saved bool, err error) {
		t.Helper()
		raw, err := json.Marshal(body)
		require.NoError(t, err)
		w.proxy.set(func(p *proxy) { p.garbage[create] = string(raw) })
		reply := newReply(t)
		_, err = w.service.CreateLink(context.Background(), asked(newNumber(t), reply))
		_, lookedUp := w.store.LinkByReply(context.Background(), reply)
		return lookedUp == nil, err
	}
	saved, err := ask(t, whole())
	require.ErrorIs(t, err, auth.ErrLinkSpent, "the core has made no such code")
	require.True(t, saved, "a whole answer is believed")
	for field, empty := range map[string]any{"preAuthSessionId": "", "codeId": "", "linkCode": "", "codeLifetime": 0} {
		for name, spoil := range map[string]func(map[string]any){
			"missing": func(b map[string]any) { delete(b, field) },
			"empty":   func(b map[string]any) { b[field] = empty },
		} {
			t.Run(field+" "+name, func(t *testing.T) {
				body := whole()
				spoil(body)
				writes := w.store.changes()
				saved, err := ask(t, body)
				var e *auth.CoreError
				require.ErrorAs(t, err, &e)
				require.Contains(t, e.Reason, "unexpected answer")
				require.False(t, saved)
				require.Equal(t, writes, w.store.changes())
			})
		}
	}
}

func TestNewerLinkSupersedesOlderOnes(t *testing.T) {
	w := setup(t)
	foreign := newNumber(t)
	w.core.createCode(foreign)
	n := newNumber(t)
	old, older := w.link(n, newReply(t)), w.core.createCode(n)
	m := w.link(n, newReply(t))
	require.Len(t, w.core.codes(n), 1)
	require.Len(t, w.core.codes(foreign), 1, "only codes of this number")
	require.Zero(t, w.proxy.count("/recipe/signinup/codes/remove"), "which would take a newer link if it reached the core late")
	require.Equal(t, auth.LinkRevoked, w.store.state(old.reply))
	consumed := w.proxy.count("/recipe/signinup/code/consume")
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(old).says("status"))
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(older).says("status"))
	require.Equal(t, consumed, w.proxy.count("/recipe/signinup/code/consume"), "refused without asking the core")
	require.Equal(t, "RESTART_FLOW_ERROR", w.core.consumeDirectly(old), "dead at the core, too")
	_, err := w.service.CreateLink(context.Background(), asked(n, old.reply))
	require.ErrorIs(t, err, auth.ErrLinkSpent)
	require.Equal(t, "OK", w.browser().consume(m).says("status"))
}

func TestLinkThatDiedAtTheCoreIsNotSent(t *testing.T) {
	w := setup(t, beside)
	n, reply := newNumber(t), newReply(t)
	w.store.fail("LinkAlone", 1)
	_, err := w.service.CreateLink(context.Background(), asked(n, reply))
	require.ErrorIs(t, err, errStoreAway)
	w.core.revokeAll(n)
	_, err = w.service.CreateLink(context.Background(), asked(n, reply))
	require.ErrorIs(t, err, auth.ErrLinkSpent)
}

func TestExpiredLinkIsSpent(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.clock.advance(time.Until(m.expires) + time.Second)
	_, err := w.service.CreateLink(context.Background(), asked(m.number, m.reply))
	require.ErrorIs(t, err, auth.ErrLinkSpent)
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
	require.Zero(t, w.proxy.count("/recipe/signinup/code/consume"))
	require.NotContains(t, err.Error(), m.code)
}

func TestLinkSealedWithAnotherKeyIsSpent(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.stop()
	w.cfg.SealKey = bytes.Repeat([]byte{8}, 32)
	w.start()
	_, err := w.service.CreateLink(context.Background(), asked(m.number, m.reply))
	require.ErrorIs(t, err, auth.ErrLinkSpent)
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
}

func TestReplyOfAnotherNumberGetsNoLink(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	_, err := w.service.CreateLink(context.Background(), asked(newNumber(t), m.reply))
	require.Error(t, err)
	_, err = w.service.CreateLink(context.Background(), asked(phone.Number{}, newReply(t)))
	require.Error(t, err)
	_, err = w.service.CreateLink(context.Background(), asked(newNumber(t), ""))
	require.Error(t, err)
}

func TestLookingAtALinkChangesNothing(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	calls, writes := w.proxy.count(""), w.store.changes()
	for range 20 {
		v, err := w.service.Link(context.Background(), opener(t), m.preAuth)
		require.NoError(t, err)
		require.Equal(t, auth.ViewOpen, v.State)
		require.Equal(t, m.number.Masked(), v.Masked)
		require.InDelta(t, time.Until(m.expires).Seconds(), v.Expires.Seconds(), 30)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
		a := w.browser().do(method, "/api/v1/auth/signinup/code/consume?preAuthSessionId="+url.QueryEscape(m.preAuth), nil)
		require.Equal(t, http.StatusTeapot, a.status, "only a POST consumes")
	}
	require.Equal(t, calls, w.proxy.count(""))
	require.Equal(t, writes, w.store.changes())

	require.Equal(t, "OK", w.browser().consume(m).says("status"))
	v, err := w.service.Link(context.Background(), opener(t), m.preAuth)
	require.NoError(t, err)
	require.Equal(t, auth.LinkView{State: auth.ViewUsed}, v)
	v, err = w.service.Link(context.Background(), opener(t), "invented")
	require.NoError(t, err)
	require.Equal(t, auth.LinkView{State: auth.ViewExpired}, v)
	late := w.fresh()
	w.clock.advance(time.Until(late.expires) + time.Second)
	v, err = w.service.Link(context.Background(), opener(t), late.preAuth)
	require.NoError(t, err)
	require.Equal(t, auth.LinkView{State: auth.ViewExpired}, v)
	w.store.fail("LinkByPreAuth", 1)
	_, err = w.service.Link(context.Background(), opener(t), late.preAuth)
	require.ErrorIs(t, err, errStoreAway)
}

func TestCancelledCallerLeavesAtOnce(t *testing.T) {
	w := setup(t)
	require.NoError(t, w.service.Ping(context.Background()))
	hang, reached := make(chan struct{}), make(chan struct{})
	w.proxy.set(func(p *proxy) {
		p.hang["/recipe/signinup/code"] = hang
		p.before["/recipe/signinup/code"] = func() { close(reached) }
	})
	defer close(hang)
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { <-reached; cancel(errors.New("enough")) }()
	_, err := w.service.CreateLink(ctx, asked(newNumber(t), newReply(t)))
	require.ErrorIs(t, err, context.Canceled)
}
