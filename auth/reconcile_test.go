package auth_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// kill is what a crash leaves: the intent is written, the code is consumed or not, nothing else has happened.
func (w *world) kill(consumed bool, m magic) {
	w.t.Helper()
	link, err := w.store.LinkByReply(context.Background(), m.reply)
	require.NoError(w.t, err)
	require.NoError(w.t, w.store.BeginSignIn(context.Background(), auth.Intent{
		ID: "killed-" + m.reply, ReplyID: m.reply, CodeID: link.CodeID, Number: m.number, Guest: "a-guest",
		StartedAt: w.clock.Now(), ExpiresAt: link.ExpiresAt, PreAuth: m.preAuth,
	}))
	if consumed {
		require.Equal(w.t, "OK", w.core.consumeDirectly(m))
	}
	w.stop()
	w.start()
}

func (w *world) reconcile() int {
	w.t.Helper()
	n, err := w.service.Reconcile(context.Background(), w.clock.Now())
	require.NoError(w.t, err)
	return n
}

func TestKillBetweenConsumeAndRecord(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.kill(true, m)
	require.Equal(t, 1, w.reconcile())
	audit := w.store.recorded()
	require.Len(t, audit, 1)
	id := w.core.user(m.number)
	require.Equal(t, id, audit[0].UserID)
	require.Equal(t, m.number, audit[0].Number)
	require.Equal(t, "a-guest", audit[0].Guest)
	require.True(t, audit[0].Reconciled)
	require.True(t, audit[0].NewUser)
	require.Len(t, audit[0].Jobs, 2)
	require.Len(t, audit[0].GuestJobs, 1)
	require.Equal(t, []string{"Patient"}, w.core.roles(id), "the role, too")
	require.Zero(t, w.core.sessions(id), "nobody is there to have a session")
	require.Zero(t, w.reconcile(), "once")
	require.Len(t, w.store.recorded(), 1)
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
	require.Equal(t, "OK", w.browser().consume(w.link(m.number, newReply(t))).says("status"))
}

func TestKillWhileTheDatabaseIsAway(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.store.fail("RecordSignIn", 1000)
	b := w.browser()
	a := b.consume(m)
	require.Equal(t, auth.ReasonNewLink, a.says("reason"), a.raw)
	require.Empty(t, a.header.Values("Set-Cookie"))
	id := w.core.user(m.number)
	require.NotEmpty(t, id)
	require.Zero(t, w.core.sessions(id), "no session without a record")
	require.Equal(t, 1, w.store.openIntents())
	_, err := w.service.Reconcile(context.Background(), w.clock.Now())
	require.ErrorIs(t, err, errStoreAway)
	require.NotContains(t, err.Error(), m.number.Digits())
	w.store.fail("RecordSignIn", 0)
	w.stop()
	w.start()
	require.Equal(t, 1, w.reconcile())
	require.Len(t, w.store.recorded(), 1)
}

func TestRecordWhoseAnswerWasLostCountsOnce(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.store.loseAnswer("RecordSignIn", 1)
	b := w.browser()
	require.Equal(t, "OK", b.consume(m).says("status"))
	require.NotEmpty(t, b.whoami())
	require.Len(t, w.store.recorded(), 1)
}

func TestKillBeforeConsumeOpensTheLinkAgain(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.kill(false, m)
	require.Zero(t, w.reconcile(), "what the dead process sent may still be on its way")
	w.clock.advance(coreTimeout)
	require.Equal(t, 1, w.reconcile())
	require.Empty(t, w.store.recorded())
	require.Equal(t, auth.LinkOpen, w.store.state(m.reply))
	require.Equal(t, "OK", w.browser().consume(m).says("status"))
	require.Len(t, w.store.recorded(), 1)
}

func TestKillBeforeConsumeAndThenExpired(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.kill(false, m)
	w.clock.advance(time.Until(m.expires) + time.Second)
	require.Equal(t, 1, w.reconcile())
	require.Empty(t, w.store.recorded(), "nobody was confirmed")
	require.Equal(t, auth.LinkRevoked, w.store.state(m.reply))
	require.Empty(t, w.core.user(m.number))
}

func TestKillAndTheCoreForgetsTheCode(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.kill(false, m)
	w.core.revokeAll(m.number)
	w.clock.advance(coreTimeout)
	require.Equal(t, 1, w.reconcile())
	require.Empty(t, w.store.recorded())
	require.Equal(t, auth.LinkRevoked, w.store.state(m.reply))
}

// The core deletes a code first and makes the user after: in between, the code is gone and nobody is there.
func TestCodeThatIsGoneBeforeItsUserIsThereIsNotDead(t *testing.T) {
	const user = "/recipe/user"
	for name, leave := range map[string]func(*world, magic){
		"after a crash": func(w *world, m magic) { w.kill(true, m) },
		"after an answer that was lost": func(w *world, m magic) {
			w.proxy.set(func(p *proxy) { p.lose[consumeCode] = 1 })
			a := w.browser().consume(m)
			require.NotEqual(w.t, "OK", a.says("status"), a.raw)
			require.Equal(w.t, auth.ReasonTryAgain, a.says("reason"), a.raw)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t, func(c *auth.Config) { c.CoreTimeout = time.Minute }) // the sweep comes early
			m := w.fresh()
			w.proxy.set(func(p *proxy) { p.garbage[user] = `{"status":"UNKNOWN_PHONE_NUMBER_ERROR"}` })
			leave(w, m)
			require.Empty(t, w.core.codes(m.number), "the code is gone")
			asked := w.proxy.count(user)
			require.Zero(t, w.reconcile())
			require.Equal(t, asked+1, w.proxy.count(user), "the sweep did look")
			require.Equal(t, 1, w.store.openIntents())
			require.Equal(t, auth.LinkConsuming, w.store.state(m.reply))
			w.proxy.set(func(p *proxy) { clear(p.garbage) })
			require.Equal(t, 1, w.reconcile())
			audit := w.store.recorded()
			require.Len(t, audit, 1)
			require.Equal(t, w.core.user(m.number), audit[0].UserID)
			require.True(t, audit[0].Reconciled)
			require.Equal(t, auth.LinkConsumed, w.store.state(m.reply))
		})
	}
}

func TestReconcileWaitsForTheCoreAndTheDatabase(t *testing.T) {
	w := setup(t)
	first, second := w.fresh(), w.fresh()
	w.kill(true, first)
	w.kill(true, second)
	w.down()
	n, err := w.service.Reconcile(context.Background(), w.clock.Now())
	require.Error(t, err)
	require.Zero(t, n)
	w.proxy.up()
	w.store.fail("OpenIntents", 1)
	_, err = w.service.Reconcile(context.Background(), w.clock.Now())
	require.ErrorIs(t, err, errStoreAway)
	require.Equal(t, 2, w.reconcile())
	require.Len(t, w.store.recorded(), 2)
}

func TestOneRefusedIntentKeepsNoOtherWaiting(t *testing.T) {
	for status, closed := range map[int]int{400: 1, 404: 1, 401: 0} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			w := setup(t)
			first, second := w.fresh(), w.fresh()
			w.kill(true, first)
			w.kill(true, second)
			w.proxy.set(func(p *proxy) {
				p.fail[listCodes] = status
				p.before[listCodes] = func() { p.set(func(p *proxy) { clear(p.fail) }) } // the first only
			})
			n, err := w.service.Reconcile(context.Background(), w.clock.Now())
			var e *auth.CoreError
			require.ErrorAs(t, err, &e)
			require.Equal(t, status, e.Status)
			require.Equal(t, closed, n)
			require.Equal(t, 2-closed, w.reconcile(), "the next sweep finds the rest")
		})
	}
}

func TestReconcileClosesWhatCanBeRead(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.kill(true, m)
	w.store.fail("OpenIntents, one row", 1)
	n, err := w.service.Reconcile(context.Background(), w.clock.Now())
	require.ErrorIs(t, err, errStoreAway, "the caller hears of the other")
	require.Equal(t, 1, n)
	require.Len(t, w.store.recorded(), 1)
}

func TestReconcileLeavesYoungIntentsAlone(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	w.kill(true, m)
	n, err := w.service.Reconcile(context.Background(), w.clock.Now().Add(-w.service.Settle()))
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, 1, w.store.openIntents())
}

func TestReconcileLeavesLiveConfirmationsAlone(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	hang, reached := make(chan struct{}), make(chan struct{})
	w.proxy.set(func(p *proxy) {
		p.hang[consumeCode] = hang
		p.before[consumeCode] = func() { close(reached) }
	})
	done := make(chan answer)
	go func() { done <- w.browser().consume(m) }()
	<-reached
	n, err := w.service.Reconcile(context.Background(), w.clock.Now().Add(time.Hour))
	close(hang)
	a := <-done
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, "OK", a.says("status"))
	require.Len(t, w.store.recorded(), 1)
}
