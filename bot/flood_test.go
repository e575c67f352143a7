package bot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

func TestFloodIsBounded(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	const minutes, perMinute = 60, 600
	for i := range minutes * perMinute {
		w.receive(t, n, fmt.Sprint("A", i), tap)
		w.run()
		w.now = w.now.Add(time.Minute / perMinute)
	}
	limit := w.cfg.Limits.Number
	links := limit.Burst + int(time.Hour/limit.Every)
	require.LessOrEqual(t, w.counts["login link"], links)
	require.Greater(t, w.counts["login link"], limit.Burst, "the sender is not locked out for ever")
	require.Len(t, w.sent, w.counts["login link"]+1, "one notice in the window, then silence")
	require.LessOrEqual(t, len(w.inbox), minutes*gateLimit(limit), "what is written is bounded, too")
	require.Equal(t, minutes*perMinute, len(w.inbox)+w.counts["login flood"])
	require.Equal(t, len(w.inbox), w.counts["login link"]+w.counts["login limited"]+w.counts["login limited_day"]+w.counts["login coalesced"])
}

func TestDayHasItsOwnBudget(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	for i := range 24 * 12 {
		w.receive(t, n, fmt.Sprint("A", i), tap)
		w.run()
		w.now = w.now.Add(5 * time.Minute)
	}
	day := w.cfg.Limits.NumberDay
	require.LessOrEqual(t, w.counts["login link"], day.Burst+int(24*time.Hour/day.Every))
	require.LessOrEqual(t, len(w.sent)-w.counts["login link"], 24, "notices: one an hour")
	require.Contains(t, fmt.Sprint(w.seen(n.Digits())), "72 menit")
}

func TestFloodFromManyNumbersStaysWithinTheSharedBudgets(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) {
		c.Limits.NewNumbers = Rate{Burst: 20, Every: 30 * time.Second}
		c.Limits.Global = Rate{Burst: 60, Every: 5 * time.Second}
	})
	known := number(t, 9)
	w.receive(t, known, "before", tap)
	w.run()
	w.now = w.now.Add(10 * time.Minute)
	before := len(w.sent)
	for i := range 3000 {
		w.receive(t, number(t, 1000+i), "A", tap)
	}
	w.run()
	require.Equal(t, 1+20, w.counts["login link"], "new numbers have a budget of their own")
	require.Equal(t, 30, len(w.sent)-before-20, "and notices at most half of the global one")
	w.receive(t, known, "after", tap)
	w.run()
	require.Equal(t, 2, w.shownLinks(known.Digits()), "who is known is served in the middle of it")

	w.wait(3*time.Minute, time.Second)
	require.LessOrEqual(t, len(w.sent)-before, 60+int(3*time.Minute/(5*time.Second)))
	for key, r := range w.inbox {
		if key[0] == known.Digits() {
			continue
		}
		n, err := phone.FromDigits(key[0])
		require.NoError(t, err)
		require.Equal(t, 1, w.shownLinks(n.Digits())+len(r.refused), "each request ends in one way")
	}
}

func TestEmptyGlobalBudgetDelaysAndDoesNotRefuse(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Limits.Global = Rate{Burst: 2, Every: 10 * time.Second} })
	for i := range 5 {
		w.receive(t, number(t, 10+i), "A", tap)
	}
	w.run()
	require.Equal(t, 2, w.counts["login link"])
	w.wait(35*time.Second, time.Second)
	require.Equal(t, 5, w.counts["login link"])
}

func TestOthersCannotLockMe(t *testing.T) {
	t.Parallel()
	w := setup(t)
	me := number(t, 10)
	w.receive(t, me, "mine", tap)
	w.run()
	w.now = w.now.Add(time.Minute)
	touched := w.budgets["login:"+me.Digits()].credit
	// Everything that others can send, also what names me: in the text, as a hidden address, as a chat.
	for i := range 500 {
		other := number(t, 1000+i)
		m := w.message(other, "mine", tap)
		require.NoError(t, w.bot.Receive(context.Background(), m))
		m = w.message(other, fmt.Sprint("B", i), "/whoami "+me.Digits())
		m.Chat = me.Digits() + "@chat"
		require.NoError(t, w.bot.Receive(context.Background(), m))
		for _, chat := range []string{me.Digits(), me.Digits() + "@lid"} {
			s := Stranger{ID: fmt.Sprint("C", i), Chat: chat, Text: tap, SentAt: w.now}
			require.NoError(t, w.bot.ReceiveStranger(context.Background(), s))
			s.ID, s.Text = fmt.Sprint("D", i), "hello"
			require.NoError(t, w.bot.ReceiveStranger(context.Background(), s))
		}
	}
	w.run()
	require.Equal(t, touched, w.budgets["login:"+me.Digits()].credit)
	w.wait(time.Minute, time.Second)
	w.receive(t, me, "again", tap)
	w.run()
	require.Equal(t, 2, w.shownLinks(me.Digits()+"@chat"))
}

func TestGateCountsByTheMinuteOfSending(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	sent := w.now
	for i := range 100 { // an hour of impatience, queued while the line was away, and a fresh tap at its end
		m := w.message(n, fmt.Sprint("A", i), tap)
		m.SentAt = sent.Add(time.Duration(i) * 30 * time.Second)
		w.now = sent.Add(time.Hour)
		require.NoError(t, w.bot.Receive(context.Background(), m))
	}
	w.receive(t, n, "fresh", tap)
	w.run()
	require.Equal(t, 1, w.shownLinks(n.Digits()))
	require.Zero(t, w.counts["login flood"])
}

func TestGateOpensAgainWhenNothingWasCommitted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.fault = func(op string) error {
		if op == "before accept" {
			return errors.New("database is busy")
		}
		return nil
	}
	for i := range 100 {
		require.Error(t, w.bot.Receive(context.Background(), w.message(n, fmt.Sprint("A", i), tap)))
	}
	require.Zero(t, w.woken)
	w.fault = nil
	w.receive(t, n, "B", tap)
	w.run()
	require.Equal(t, 1, w.shownLinks(n.Digits()))
}

func TestGateForgetsAndStaysSmall(t *testing.T) {
	t.Parallel()
	g := newGate()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	key := gateKeyOf(kindLogin, "a", now)
	require.True(t, g.enter(key, 1, now))
	require.False(t, g.enter(key, 1, now.Add(gateForget-1)))
	require.True(t, g.enter(key, 1, now.Add(gateForget)))
	for i := range 3 * gateMax {
		require.True(t, g.enter(gateKeyOf(kindLogin, fmt.Sprint(i), now), 1, now))
	}
	require.LessOrEqual(t, len(g.seen), gateMax)
	g.leave(gateKeyOf(kindLogin, "nobody", now))
	require.Equal(t, 2_000_004, gateLimit(Rate{Burst: 1_000_000, Every: 30 * time.Second}), "grows with the budget")
}

func TestGateAndMemoryMayBeUsedConcurrently(t *testing.T) {
	t.Parallel()
	g, s := newGate(), &seen{}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var wg sync.WaitGroup
	passed := make([]int, 8)
	for i := range passed {
		wg.Go(func() {
			for j := range 1000 {
				if g.enter(gateKeyOf(kindLogin, "a", now), 100, now) {
					passed[i]++
				}
				s.add(fmt.Sprint(i, j))
				_ = s.has(fmt.Sprint(i, j))
			}
		})
	}
	wg.Wait()
	total := 0
	for _, p := range passed {
		total += p
	}
	require.Equal(t, 100, total)
	require.LessOrEqual(t, len(s.ids), seenMax)
}
