package auth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// beside is a Service beside a gateway that consumes the codes.
func beside(c *auth.Config) { c.Elsewhere, c.Grace, c.NoContact = true, 15*time.Second, true }

// session is what a gateway makes after it consumed a code, or after another way of signing in.
func (c coreClient) session(userID string) (handle string) {
	c.t.Helper()
	got := c.do(http.MethodPost, "/public/recipe/session", "session", nil, map[string]any{
		"userId": userID, "userDataInJWT": map[string]any{}, "userDataInDatabase": map[string]any{},
		"enableAntiCsrf": false, "useDynamicSigningKey": true,
	})
	require.Equal(c.t, "OK", got["status"])
	return got["session"].(map[string]any)["handle"].(string)
}

// gateway consumes a code as a gateway on the same core does.
func (c coreClient) gateway(m magic) {
	c.t.Helper()
	require.Equal(c.t, "OK", c.consumeDirectly(m))
	c.session(c.user(m.number))
}

func (w *world) watch() int {
	w.t.Helper()
	n, err := w.service.Watch(context.Background(), time.Millisecond)
	require.NoError(w.t, err)
	return n
}

// later lets time pass until every link is due again.
func (w *world) later(d time.Duration) int {
	w.t.Helper()
	w.clock.advance(d)
	return w.watch()
}

func TestWatchTellsApart(t *testing.T) {
	for name, c := range map[string]struct {
		meets   func(*world, magic)
		signIns int
		state   auth.LinkState
	}{
		"consumed":   {func(w *world, m magic) { w.core.gateway(m) }, 1, auth.LinkConsumed},
		"still open": {func(*world, magic) {}, 0, auth.LinkOpen},
		"superseded": {func(w *world, m magic) { w.link(m.number, newReply(w.t)) }, 0, auth.LinkRevoked},
		"revoked":    {func(w *world, m magic) { w.core.revokeAll(m.number) }, 0, auth.LinkRevoked},
		"expired":    {func(w *world, _ magic) { w.clock.advance(16 * time.Minute) }, 0, auth.LinkOpen},
		"the gateway made the user": {
			func(w *world, m magic) { require.Equal(w.t, "OK", w.core.consumeDirectly(w.core.createCode(m.number))) },
			0, auth.LinkRevoked,
		},
		"signed in another way before the code went": {func(w *world, m magic) {
			require.Equal(w.t, "OK", w.core.consumeDirectly(m)) // makes the user
			again := w.link(m.number, m.reply+"B")
			w.core.session(w.core.user(m.number))
			time.Sleep(50 * time.Millisecond)
			require.Zero(w.t, w.watch(), "the code is still there")
			require.Equal(w.t, "OK", w.core.consumeDirectly(again))
		}, 0, auth.LinkRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t, beside)
			m := w.fresh()
			c.meets(w, m)
			found := w.watch() + w.later(5*time.Second) + w.later(31*time.Second)
			require.Equal(t, c.signIns, found)
			require.Len(t, w.store.recorded(), c.signIns)
			require.Equal(t, c.state, w.store.state(m.reply))
			require.Zero(t, w.store.openIntents())
			require.Zero(t, w.later(time.Hour), "once")
			require.NotContains(t, w.logs.String(), m.number.Digits())
		})
	}
}

func TestNoticedIsRecordedAsIfConsumedHere(t *testing.T) {
	w := setup(t, beside)
	m := w.fresh()
	w.core.gateway(m)
	before := w.clock.Now()
	require.Equal(t, 1, w.watch())
	got := w.store.recorded()[0]
	require.Equal(t, w.core.user(m.number), got.UserID)
	require.Equal(t, m.number, got.Number)
	require.True(t, got.NewUser)
	require.Equal(t, []string{"Patient"}, w.core.roles(got.UserID))
	require.Len(t, got.Jobs, 1, "the contact is the gateway's")
	require.Equal(t, auth.JobFHIRSync, got.Jobs[0].Kind)
	require.False(t, got.Jobs[0].RunAt.Before(before.Add(15*time.Second)), "the gateway writes first")
}

func TestRestartInTheWatchingWindowLosesNothing(t *testing.T) {
	w := setup(t, beside)
	m := w.fresh()
	require.Zero(t, w.watch())
	w.stop()
	w.core.gateway(m) // while nobody watches
	w.start()
	require.Equal(t, 1, w.watch())

	m = w.fresh()
	w.core.gateway(m)
	w.store.loseAnswer("BeginSignIn", 1) // the intent is written, then the process dies
	_, err := w.service.Watch(context.Background(), time.Millisecond)
	require.ErrorIs(t, err, errStoreAway)
	w.stop()
	w.start()
	require.Zero(t, w.watch(), "a link that is being consumed is its intent's")
	require.Equal(t, 1, w.reconcile())
	require.Zero(t, w.later(time.Minute))
	require.Len(t, w.store.recorded(), 2)
}

// TestSignInIsNoticedAmongManySessions: the core lists the sessions of a user in no order, so the one that counts may
// stand anywhere.
func TestSignInIsNoticedAmongManySessions(t *testing.T) {
	const list, sessions = "/recipe/session/user", 230
	for name, move := range map[string]func(all []string, the string) []string{
		"first": func(all []string, the string) []string { return append([]string{the}, all...) },
		"last":  func(all []string, the string) []string { return append(all, the) },
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t, beside)
			number := newNumber(t)
			require.Equal(t, "OK", w.core.consumeDirectly(w.core.createCode(number)))
			user := w.core.user(number)
			for range sessions {
				w.core.session(user)
			}
			time.Sleep(50 * time.Millisecond) // more than times lose when they are stored
			m := w.link(number, newReply(t))
			require.Zero(t, w.watch(), "the code is still there")
			require.Equal(t, "OK", w.core.consumeDirectly(m))
			the := w.core.session(user)
			w.proxy.set(func(p *proxy) { p.rewrite[list] = func(raw []byte) []byte { return moved(t, raw, the, move) } })

			found, asked := 0, w.proxy.count("/recipe/session")
			for range 3 {
				found += w.later(time.Minute) // far longer than it takes to give up on a link
			}
			require.Equal(t, 1, found)
			require.Equal(t, auth.LinkConsumed, w.store.state(m.reply))
			require.LessOrEqual(t, w.proxy.count("/recipe/session")-asked, sessions+1, "each is asked about once")
		})
	}
}

// moved gives a session another place in the core's list.
func moved(t *testing.T, raw []byte, the string, move func([]string, string) []string) []byte {
	var list struct {
		Status         string   `json:"status"`
		SessionHandles []string `json:"sessionHandles"`
	}
	if err := json.Unmarshal(raw, &list); err != nil { // in the proxy's goroutine
		t.Errorf("the core's list of sessions: %v", err)
	}
	others := slices.DeleteFunc(list.SessionHandles, func(h string) bool { return h == the })
	list.SessionHandles = move(others, the)
	out, err := json.Marshal(list)
	if err != nil {
		t.Errorf("a list of sessions: %v", err)
	}
	return out
}

// TestAskingForAnotherLinkForgetsNoConfirmation: the new link takes the old one's place before anybody has looked.
func TestAskingForAnotherLinkForgetsNoConfirmation(t *testing.T) {
	w := setup(t, beside)
	m := w.fresh()
	w.core.gateway(m)
	w.link(m.number, newReply(t))
	require.Len(t, w.store.recorded(), 1)
	require.Equal(t, auth.LinkConsumed, w.store.state(m.reply))
}

func TestWatchIsCheap(t *testing.T) {
	w := setup(t, beside)
	const links = 150
	for range links {
		w.fresh()
	}
	calls := func() int { return w.proxy.count("/recipe/signinup/codes") }
	began := calls()
	require.Zero(t, w.watch())
	require.Equal(t, 100, calls()-began, "bounded at a time")
	require.Zero(t, w.watch())
	require.LessOrEqual(t, calls()-began, 2*links)
	w.clock.advance(16 * time.Minute)
	for range 4 {
		require.Zero(t, w.watch())
	}
	began = calls()
	require.Zero(t, w.later(time.Minute))
	require.Equal(t, began, calls(), "an expired link is looked at once more and then left alone")
}
