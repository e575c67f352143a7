package auth_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/stretchr/testify/require"
)

// records is a FHIR server that says what every guest did, and how often it was asked.
type records struct {
	mu    sync.Mutex
	kinds map[string]int
	err   error
	asked atomic.Int64
}

func (r *records) count(context.Context, string) (map[string]int, error) {
	r.asked.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.kinds), r.err
}

func (r *records) say(kinds map[string]int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds, r.err = kinds, err
}

// counting is a world in which messages name their login and guests' records are counted.
func counting(t *testing.T, change ...func(*auth.Config)) (*world, *records) {
	t.Helper()
	r := &records{kinds: map[string]int{"QuestionnaireResponse": 3}}
	return setup(t, append([]func(*auth.Config){withReference, func(c *auth.Config) { c.GuestRecords = r.count }}, change...)...), r
}

// offered is what the consume route offers for the right digits.
func (b browser) offered(m magic) map[string]any {
	b.w.t.Helper()
	a := b.present(m, map[string]any{"digits": lastOf(m.number)})
	require.Equal(b.w.t, http.StatusOK, a.status)
	require.Equal(b.w.t, "GENERAL_ERROR", a.says("status"), a.raw)
	require.Equal(b.w.t, auth.ReasonOffer, a.says("reason"), a.raw)
	require.NotEmpty(b.w.t, a.says("message"))
	require.Empty(b.w.t, a.header.Values("Set-Cookie"))
	return a.body["offer"].(map[string]any)
}

func yes(m magic, tag any) map[string]any {
	return map[string]any{"digits": lastOf(m.number), "bringGuest": true, "offer": tag}
}

func no(m magic) map[string]any {
	return map[string]any{"digits": lastOf(m.number), "bringGuest": false}
}

// Whoever has a link and another browser learns the masked number and nothing else until the digits are right, from the
// page's view, from the route for front ends and from the consume route.
func TestForeignBrowserLearnsNothingBeforeTheDigits(t *testing.T) {
	w, fhir := counting(t)
	elsewhere, thief := w.browser(), w.browser()
	elsewhere.guest()
	thief.guest()
	m := w.named(elsewhere.begin("/journal/secret"))
	plain := w.link(newNumber(t), newReply(t)) // whose login was not begun by anybody we know
	require.Equal(t, "OK", thief.consumeAlone(w.fresh()).says("status"), "and somebody is signed in")

	seen, unknown := thief.view(m), thief.view(plain)
	require.Equal(t, auth.LinkView{State: auth.ViewOpen, Masked: m.number.Masked(), Expires: seen.Expires, Door: auth.DoorDigits, TriesLeft: 3}, seen)
	require.Equal(t, auth.LinkView{State: auth.ViewOpen, Masked: plain.number.Masked(), Expires: unknown.Expires, Door: auth.DoorDigits, TriesLeft: 3}, unknown)
	a := thief.looks(m)
	require.Equal(t, map[string]any{
		"state": "open", "number": m.number.Masked(), "expires_in": a.body["expires_in"], "door": "digits", "triesLeft": 3.0, "comes": false, "other": false,
	}, a.body)
	tag := "guessed"
	for _, more := range []map[string]any{nil, {"bringGuest": true}, {"bringGuest": false}, {"bringGuest": true, "offer": tag, "replaceSession": true}} {
		a := thief.present(m, more)
		require.Equal(t, map[string]any{"status": "GENERAL_ERROR", "reason": auth.ReasonDigits, "triesLeft": 3.0, "message": a.says("message")}, a.body)
	}
	for left := 2.0; left > 0; left-- {
		wrong := yes(m, tag)
		wrong["digits"] = other(lastOf(m.number))
		a := thief.present(m, wrong)
		require.Equal(t, map[string]any{"status": "GENERAL_ERROR", "reason": auth.ReasonWrongDigits, "triesLeft": left, "message": a.says("message")}, a.body)
	}
	require.Zero(t, fhir.asked.Load(), "and nobody is asked what the guest did")
	require.Equal(t, auth.LinkOpen, w.store.state(m.reply))
}

func TestForeignGuestNotClaimed(t *testing.T) {
	w, _ := counting(t)
	elsewhere := w.browser() // where the login began
	began := elsewhere.guest()
	m := w.named(elsewhere.begin("/journal"))
	here := w.browser() // where the link is opened
	own := here.guest()
	o := here.offered(m)
	require.Equal(t, map[string]any{
		"guest": true, "here": false, "records": 3.0, "kinds": map[string]any{"QuestionnaireResponse": 3.0}, "tag": o["tag"],
	}, o)
	require.Equal(t, auth.LinkOpen, w.store.state(m.reply), "an offer consumes nothing")
	require.Empty(t, w.store.recorded())
	a := here.present(m, no(m))
	require.Equal(t, "OK", a.says("status"))
	require.Equal(t, "/journal", a.says("returnPath"), "where the login wanted to go is told now")
	first := w.store.recorded()[0]
	require.Empty(t, first.Guest, "they said no")
	require.Equal(t, own, first.Apart)
	require.Empty(t, w.store.guest(began).UserID)
	a = here.claim()
	require.JSONEq(t, `{"data":{"claimed":false,"count":0,"referenceList":[],"reason":"set_apart"}}`, a.raw)
	require.Empty(t, w.store.guest(own).UserID, "the user can never claim what was here before")
	require.Equal(t, own, here.guest(), "whoever it belongs to still has it")

	r := asked(m.number, newReply(t))
	r.Reference = elsewhere.begin("")
	again := w.linkFor(r)
	b := w.browser()
	require.Equal(t, "OK", b.present(again, yes(again, b.offered(again)["tag"])).says("status"))
	require.Equal(t, w.core.user(m.number), w.store.guest(began).UserID, "an explicit yes brings along who began the login")
}

// A yes is to the guest that was offered, for the link that offered it, and to nobody else.
func TestAYesToAnotherGuestIsRefused(t *testing.T) {
	w, _ := counting(t)
	elsewhere := w.browser()
	began := elsewhere.guest()
	m := w.named(elsewhere.begin(""))
	b := w.browser()
	own := b.guest()
	another := w.named(w.begun())
	foreign := w.browser().offered(another)["tag"]
	tag := b.offered(m)["tag"]
	require.NotEqual(t, foreign, tag)
	for name, wrong := range map[string]any{"none": nil, "empty": "", "the guest's id": began, "of another link": foreign, "a number": 7, "longer": tag.(string) + "A"} {
		a := b.present(m, yes(m, wrong))
		require.Equal(t, auth.ReasonOffer, a.says("reason"), name)
		require.Equal(t, tag, a.body["offer"].(map[string]any)["tag"], name)
	}
	w.store.kill(began)
	a := b.present(m, yes(m, tag))
	require.Equal(t, auth.ReasonOffer, a.says("reason"), "who was offered is gone, and nobody comes instead")
	require.Equal(t, false, a.body["offer"].(map[string]any)["guest"])
	require.Equal(t, auth.LinkOpen, w.store.state(m.reply))
	require.Equal(t, "OK", b.present(m, no(m)).says("status"))
	require.Empty(t, w.store.recorded()[0].Guest)
	require.Equal(t, own, w.store.recorded()[0].Apart)
}

// The answer to an offer is worth nothing without the digits, and wrong ones count as ever.
func TestTheAnswerToAnOfferNeedsTheDigitsAgain(t *testing.T) {
	w, _ := counting(t)
	elsewhere := w.browser()
	elsewhere.guest()
	m := w.named(elsewhere.begin(""))
	b := w.browser()
	tag := b.offered(m)["tag"]
	without := map[string]any{"bringGuest": true, "offer": tag}
	require.Equal(t, auth.ReasonDigits, b.present(m, without).says("reason"))
	wrong := yes(m, tag)
	wrong["digits"] = other(lastOf(m.number))
	require.EqualValues(t, 2, b.present(m, wrong).body["triesLeft"])
	b.offered(m)
	require.Equal(t, 1, w.store.tries(m.reply), "right ones give none back")
	require.EqualValues(t, 1, b.present(m, wrong).body["triesLeft"])
	require.Equal(t, "RESTART_FLOW_ERROR", b.present(m, wrong).says("status"))
	require.Equal(t, "RESTART_FLOW_ERROR", b.present(m, yes(m, tag)).says("status"), "dead is dead")
	require.Empty(t, w.store.recorded())
}

func TestOwnGuestComesThroughTheDoorOfDigitsOnlyWhenAsked(t *testing.T) {
	w := setup(t)
	b := w.browser()
	own := b.guest()
	m := w.fresh()
	o := b.offered(m)
	require.Equal(t, map[string]any{"guest": true, "here": true, "records": 0.0, "tag": o["tag"]}, o, "how much is not known here")
	require.Equal(t, "OK", b.present(m, yes(m, o["tag"])).says("status"))
	require.Equal(t, w.core.user(m.number), w.store.guest(own).UserID)
}

func TestAGuestWhoDidNothingIsNotOffered(t *testing.T) {
	w, fhir := counting(t)
	fhir.say(map[string]int{}, nil)
	b := w.browser()
	own := b.guest()
	require.Equal(t, "OK", b.consume(w.fresh()).says("status"))
	require.Equal(t, own, w.store.recorded()[0].Apart)
}

// A guest that stayed apart, for a no or because there was nothing to ask about, comes along when the person says so later.
func TestAYesUndoesThatAGuestStayedApart(t *testing.T) {
	w, fhir := counting(t)
	fhir.say(map[string]int{}, nil)
	b := w.browser()
	own := b.guest()
	first := w.fresh()
	require.Equal(t, "OK", b.consume(first).says("status"))
	require.Equal(t, own, w.store.recorded()[0].Apart)
	fhir.say(map[string]int{"QuestionnaireResponse": 60}, nil)
	second := w.link(first.number, newReply(t))
	require.Equal(t, "OK", b.present(second, no(second)).says("status"))
	require.Equal(t, guest.Live, w.store.guest(own).State)
	third := w.link(first.number, newReply(t))
	require.Equal(t, "OK", b.present(third, yes(third, b.offered(third)["tag"])).says("status"))
	require.Equal(t, w.core.user(first.number), w.store.guest(own).UserID)
}

// Whoever has a link and its digits cannot have the FHIR server asked without end.
func TestOffersAskTheServerRarely(t *testing.T) {
	fifty := func(t *testing.T, b browser, m magic) {
		t.Helper()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				b.view(m)
				b.looks(m)
				b.present(m, map[string]any{"digits": lastOf(m.number)})
			})
		}
		all.Wait()
	}
	t.Run("one answer", func(t *testing.T) {
		w, fhir := counting(t)
		b := w.browser()
		b.guest()
		m := w.fresh()
		fifty(t, b, m)
		require.EqualValues(t, 1, fhir.asked.Load())
		require.InDelta(t, 3, b.offered(m)["records"], 0)
	})
	t.Run("a server that is away", func(t *testing.T) {
		w, fhir := counting(t)
		fhir.say(nil, errors.New("away"))
		b := w.browser()
		b.guest()
		m := w.fresh()
		fifty(t, b, m)
		require.EqualValues(t, 3, fhir.asked.Load())
		require.InDelta(t, 0, b.offered(m)["records"], 0, "it is offered without a count")
		fifty(t, b, w.fresh())
		require.EqualValues(t, 6, fhir.asked.Load(), "each link has its own")
	})
	t.Run("a client that floods", func(t *testing.T) {
		still := time.Now()
		w, fhir := counting(t, func(c *auth.Config) { c.Now = func() time.Time { return still } }) // no budget comes back
		b := w.browser()
		b.guest()
		m := w.fresh()
		for spent := 0; b.do(http.MethodGet, linkRoute+"unknown", nil).status != http.StatusTooManyRequests; spent++ {
			require.Less(t, spent, 10_000)
		}
		b.offered(m)
		require.Zero(t, fhir.asked.Load())
	})
}

// The browser that the user turned to last goes on with the link that is in the chat already.
func TestALaterReferenceTakesOverTheOpenLink(t *testing.T) {
	w := setup(t, withReference)
	first, second, stranger := w.browser(), w.browser(), w.browser()
	m := w.named(first.begin("/first"))
	require.Equal(t, auth.DoorSelf, first.view(m).Door)
	ref := second.begin("/second")
	require.NoError(t, w.service.TieNewest(t.Context(), newNumber(t), ref), "somebody who has no link")
	require.Equal(t, auth.DoorSelf, first.view(m).Door)
	require.NoError(t, w.service.TieNewest(t.Context(), m.number, ref))
	require.NoError(t, w.service.TieNewest(t.Context(), m.number, ref), "twice is once")
	require.Equal(t, auth.DoorSelf, second.view(m).Door)
	require.Equal(t, auth.DoorDigits, first.view(m).Door, "a link is one login's")

	other := w.named(stranger.begin(""))
	taken := stranger.begin("")
	require.NoError(t, w.service.TieNewest(t.Context(), m.number, taken), "a login that another number has")
	require.Equal(t, auth.DoorSelf, stranger.view(other).Door)
	require.Equal(t, auth.DoorDigits, stranger.view(m).Door)
	a := second.present(m, nil)
	require.Equal(t, "OK", a.says("status"))
	require.Equal(t, "/second", a.says("returnPath"))
	require.NoError(t, w.service.TieNewest(t.Context(), m.number, first.begin("")), "a link that is used is nobody's any more")
}

// Whoever gets no new session keeps the one that they had.
func TestAFailureBetweenTwoSessionsLeavesTheOldOne(t *testing.T) {
	for name, fault := range map[string]func(*proxy){
		"refused":     func(p *proxy) { p.fail[makeSession] = 500 },
		"answer lost": func(p *proxy) { p.lose[makeSession] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			b := w.browser()
			require.Equal(t, "OK", b.consume(w.fresh()).says("status"))
			before := b.whoami()
			require.NotEmpty(t, before)
			m := w.fresh()
			w.proxy.set(fault)
			more := map[string]any{"digits": lastOf(m.number), "replaceSession": true}
			require.Equal(t, auth.ReasonNewLink, b.present(m, more).says("reason"))
			require.Equal(t, before, b.whoami(), "neither is worse than the old one")
			require.Equal(t, 1, w.core.sessions(before))
			w.proxy.set(func(p *proxy) { clear(p.fail) })
			m = w.link(m.number, newReply(t))
			more["digits"] = lastOf(m.number)
			require.Equal(t, "OK", b.present(m, more).says("status"))
			require.Equal(t, w.core.user(m.number), b.whoami())
			require.Zero(t, w.core.sessions(before), "the old one ends once the new one is there")
		})
	}
}
