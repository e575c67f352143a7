package whatsapp

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/bot"
	sandbox "github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

func TestMessagesArriveAndAreAnsweredWithEveryAddressing(t *testing.T) {
	t.Parallel()
	w := connected(t)
	for i, how := range []sandbox.Addressing{sandbox.LIDWithPN, sandbox.PNWithLID, sandbox.PNOnly, sandbox.LIDOnly, sandbox.BarePN} {
		u := w.user(t, i)
		id := w.text(t, u, sandbox.Via(how))
		m := w.message(t, id)
		require.Equal(t, u.Phone(), m.From.Digits(), how)
		require.Equal(t, "Request login, authenticate me.", m.Text)
		require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0"+strings.Repeat("A", 16))), how)
		require.Equal(t, reply(m, "").Text, next1(t, u).Text, how)
	}
	u := w.user(t, 77)
	id := w.text(t, u, sandbox.Via(sandbox.Bare))
	require.Eventually(t, func() bool { w.in.mu.Lock(); defer w.in.mu.Unlock(); return len(w.in.strangers) == 1 }, patience, time.Millisecond)
	s := w.in.strangers[0]
	require.Equal(t, id, s.ID)
	require.Equal(t, u.LID()+"@lid", s.Chat)
	require.NoError(t, w.line.Send(t.Context(), bot.Outgoing{ID: "3EB0BBBBBBBBBBBBBBBB", Chat: s.Chat, Text: "we cannot see your number"}))
	require.Equal(t, "we cannot see your number", next1(t, u).Text)
	require.Len(t, w.in.received(), 5)
}

func TestOnlyTextsReachTheIntakeFromTheWire(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	read := map[sandbox.Shape]bool{sandbox.PlainText: true, sandbox.ExtendedText: true, sandbox.Reply: true, sandbox.Disappearing: true}
	for _, shape := range sandbox.Shapes() {
		id := w.text(t, u, sandbox.As(shape))
		if read[shape] {
			w.message(t, id)
		}
	}
	last := w.text(t, u)
	w.message(t, last)
	require.Eventually(t, func() bool { return w.account.Device().Pending() == 0 }, patience, time.Millisecond, "all are acknowledged")
	require.Len(t, w.in.received(), len(read)+1)
	require.Empty(t, w.in.strangers)
	require.Empty(t, w.in.humans)
}

func TestNobodyIsToldThatTheBotReads(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	id := w.text(t, u)
	m := w.message(t, id)
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	require.Equal(t, "inactive", w.settled(t, id).Receipt)
	require.False(t, u.WasRead(id))
	require.False(t, w.account.Device().Available(), "the phone keeps its notifications")
}

func TestFailedMessageComesAgain(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){
		"error": func() {},
		"panic": func() { panic("secret words") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := connected(t)
			var tries atomic.Int32
			w.in.when(func(string) error {
				if tries.Add(1) <= 3 {
					fail()
					return errors.New("database is locked")
				}
				return nil
			}, nil)
			id := w.text(t, w.user(t, 1))
			w.message(t, id)
			w.settled(t, id)
			require.Equal(t, int32(4), tries.Load())
			require.Len(t, w.in.received(), 1)
			inState(t, w.line, Connected)
		})
	}
}

func TestMessagesSurviveDroppedConnections(t *testing.T) {
	t.Parallel()
	for name, point := range map[string]sandbox.DropPoint{
		"before delivery": sandbox.BeforeDelivery, "during handling": sandbox.DuringHandling, "after handling": sandbox.AfterHandling,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := connected(t)
			u := w.user(t, 1)
			w.acquainted(t, u)
			w.account.Device().DropAt(point, 3)
			for range 5 {
				id := w.text(t, u)
				w.message(t, id)
				w.settled(t, id)
			}
			inState(t, w.line, Connected)
			require.NoError(t, w.line.Send(t.Context(), reply(w.in.received()[0], "3EB0AAAAAAAAAAAAAAAA")))
			next1(t, u)
		})
	}
}

func TestOneMessageHandledTwiceAtOnceIsHarmless(t *testing.T) {
	t.Parallel()
	w := connected(t)
	w.acquainted(t, w.user(t, 1))
	var inside atomic.Int32
	both := make(chan struct{})
	w.in.when(nil, func(ctx context.Context, _ string) {
		switch inside.Add(1) {
		case 1:
			w.account.Device().Drop()
		case 2:
			close(both)
		}
		select {
		case <-both:
		case <-ctx.Done():
		}
	})
	id := w.text(t, w.user(t, 2))
	w.message(t, id)
	w.settled(t, id)
	require.Equal(t, int32(2), inside.Load())
	for _, m := range w.in.received()[1:] { // the intake drops the second one
		require.Equal(t, id, m.ID)
	}
	inState(t, w.line, Connected)
	w.message(t, w.text(t, w.user(t, 3)))
}

func TestMessagesOfAnAbsenceArrive(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.NoError(t, w.account.Seed(t.Context(), w.line.store))
	u := w.user(t, 1)
	var ids []string
	for range 10 {
		ids = append(ids, w.text(t, u))
	}
	running(t, w.line)
	for _, id := range ids {
		w.message(t, id)
		w.settled(t, id)
	}
	require.Len(t, w.in.received(), 10)
}

func TestStopFinishesTheMessageAtHand(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.NoError(t, w.account.Seed(t.Context(), w.line.store))
	stop := running(t, w.line)
	inState(t, w.line, Connected)
	entered, release := make(chan struct{}), make(chan struct{})
	w.in.when(nil, func(ctx context.Context, _ string) {
		close(entered)
		<-release
	})
	id := w.text(t, w.user(t, 1))
	<-entered
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	s := w.line.current()
	require.Eventually(t, func() bool {
		if s.gate.enter() {
			s.gate.leave()
			return false
		}
		return true
	}, patience, time.Millisecond, "nothing new is taken")
	select {
	case <-stopped:
		require.FailNow(t, "Run returned while a message was being taken")
	default:
	}
	close(release)
	<-stopped
	require.Len(t, w.in.received(), 1)
	require.Equal(t, id, w.in.received()[0].ID)
	require.ErrorIs(t, w.line.Send(t.Context(), reply(w.in.received()[0], "3EB0AAAAAAAAAAAAAAAA")), bot.ErrLineDown)
}

func TestLostAcknowledgementIsRetriedWithTheSameID(t *testing.T) {
	t.Parallel()
	w := connected(t, func(c *Config) { c.SendTimeout = 900 * time.Millisecond })
	u := w.user(t, 1)
	m := w.acquainted(t, u)
	w.account.LoseAcks(1)
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	require.Equal(t, "3EB0AAAAAAAAAAAAAAAA", next1(t, u).ID)
	require.Eventually(t, func() bool { return u.Raw() == 1+2 }, patience, time.Millisecond)
	require.Len(t, u.Received(), 1+1, "one bubble")
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	require.Eventually(t, func() bool { return u.Raw() == 1+3 }, patience, time.Millisecond)
	require.Len(t, u.Received(), 1+1, "one bubble")
}

func TestSilentServerEndsTheSendInTime(t *testing.T) {
	t.Parallel()
	w := connected(t, func(c *Config) { c.SendTimeout = 300 * time.Millisecond })
	u := w.user(t, 1)
	m := w.acquainted(t, u)
	w.account.LoseAcks(1000)
	err := w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA"))
	require.Error(t, err)
	require.False(t, permanent(err))
	requireNothingPersonal(t, err.Error())
	w.account.LoseAcks(0)
	require.Eventually(t, func() bool { return w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")) == nil }, patience, time.Millisecond,
		"the line connects anew and the same message goes out")
	next1(t, u)
	require.Len(t, u.Received(), 1+1)
}

func TestDropWhileSendingLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for name, point := range map[string]sandbox.DropPoint{"before": sandbox.BeforeSending, "before the acknowledgement": sandbox.BeforeAck} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := connected(t)
			u := w.user(t, 1)
			m := w.acquainted(t, u)
			w.account.Device().DropAt(point, 1)
			require.Eventually(t, func() bool {
				err := w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA"))
				require.False(t, permanent(err))
				return err == nil
			}, patience, time.Millisecond)
			require.Equal(t, "3EB0AAAAAAAAAAAAAAAA", next1(t, u).ID)
			require.Len(t, u.Received(), 1+1)
		})
	}
}

func TestSendsInParallelAllArrive(t *testing.T) {
	t.Parallel()
	w := connected(t)
	const n = 20
	errs := make(chan error, n)
	users := make([]*sandbox.User, n)
	for i := range users {
		users[i] = w.user(t, i)
		m := w.message(t, w.text(t, users[i]))
		go func() { errs <- w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")) }()
	}
	for range n {
		require.NoError(t, <-errs)
	}
	for _, u := range users {
		next1(t, u)
	}
}

func TestHumanAnswerIsNoticed(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	require.NoError(t, w.account.WriteAsHuman(t.Context(), u, "a person here"))
	require.Eventually(t, func() bool { w.in.mu.Lock(); defer w.in.mu.Unlock(); return len(w.in.humans) == 1 }, patience, time.Millisecond)
	require.Equal(t, u.Phone(), w.in.humans[0].Chat)
	require.Len(t, w.in.received(), 1)
}

func TestUnreadableMessageIsReadAfterARetry(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	id, err := u.Garbled(t.Context(), w.account, "Authenticate me")
	require.NoError(t, err)
	require.Equal(t, "Authenticate me", w.message(t, id).Text)
}

func TestWaitingMessageHealsAfterARestart(t *testing.T) {
	t.Parallel()
	for name, ttl := range map[string]time.Duration{"kept": time.Hour, "purged": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, func(c *Config) { c.MessageTTL = time.Hour })
			require.NoError(t, w.account.Seed(t.Context(), w.line.store))
			stop := running(t, w.line)
			inState(t, w.line, Connected)
			u := w.user(t, 1)
			first := w.text(t, u)
			m := w.message(t, first)
			w.settled(t, first)
			u.FailNext(1)
			w.account.Device().HoldDelivery() // the request to send it again does not come through
			require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
			require.Eventually(t, func() bool { return len(u.Waiting()) == 1 }, patience, time.Millisecond)
			stop()
			w.account.Device().Release()
			again := w.newLine(t, func(c *Config) { c.MessageTTL = ttl })
			require.NoError(t, again.Purge(t.Context(), time.Now()))
			running(t, again)
			inState(t, again, Connected)
			require.Eventually(t, func() bool { return w.account.Device().Pending() == 0 }, patience, time.Millisecond)
			if name == "kept" {
				require.Equal(t, "3EB0AAAAAAAAAAAAAAAA", next1(t, u).ID)
				return
			}
			require.Len(t, u.Waiting(), 1, "the plaintext is gone")
			require.Empty(t, u.Received())
		})
	}
}

func TestNothingLeaksIntoTheLog(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 98765432)
	require.Equal(t, theirDigits, u.Phone())
	var failed atomic.Bool
	w.in.when(func(string) error {
		if failed.CompareAndSwap(false, true) {
			return errors.New("database is locked")
		}
		return nil
	}, nil)
	m := w.message(t, w.text(t, u))
	u.FailNext(1)
	require.Eventually(t, func() bool { // the refused message made the line connect again
		return w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")) == nil
	}, patience, time.Millisecond)
	next1(t, u)
	_, err := u.Garbled(t.Context(), w.account, "Authenticate me")
	require.NoError(t, err)
	for _, shape := range sandbox.Shapes() {
		w.text(t, u, sandbox.As(shape))
	}
	w.account.NackSends(463)
	require.Error(t, w.line.Send(t.Context(), reply(m, "3EB0BBBBBBBBBBBBBBBB")))
	w.account.Device().Drop()
	w.account.Unlink()
	inState(t, w.line, LoggedOut)
	out := w.log.String()
	require.Contains(t, out, "line state")
	require.Contains(t, out, "Handler for [hidden] failed")
	requireNothingPersonal(t, out)
	for _, secret := range []string{u.LID(), ourDigits, w.account.LID(), "authenticate me", "Authenticate me", m.ID} {
		require.NotContains(t, out, secret)
	}
}
