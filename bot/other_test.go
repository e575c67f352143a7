package bot

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOtherTextIsIgnoredWithoutTrace(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Other = Other{Policy: OtherIgnore} })
	w.fault = func(op string) error { return errors.New("touched storage: " + op) }
	for _, text := range []string{"hello", "", "/help", "Please authenticate me", "aku capek sekali"} {
		w.receive(t, number(t, 10), "A", text)
		require.NoError(t, w.bot.ReceiveStranger(context.Background(), Stranger{ID: "A", Chat: "1@lid", Text: text, SentAt: w.now}))
	}
	require.Empty(t, w.inbox)
	require.Empty(t, w.queue)
	require.Equal(t, 10, w.counts["other ignored"])
}

func TestOtherTextGetsOneReplyADayThatNamesPeople(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	for i := range 23 {
		w.receive(t, n, fmt.Sprint("A", i), "aku capek sekali")
		w.run()
		w.now = w.now.Add(time.Hour)
	}
	require.Len(t, w.sent, 1)
	require.Contains(t, w.sent[0].Text, "+62 21 555 0100")
	require.Contains(t, w.sent[0].Text, "119 ext. 8")
	require.Contains(t, w.sent[0].Text, "Anda tidak sendirian")
	require.Equal(t, []string{"daily"}, w.refused(n, "A1"))
	w.now = w.now.Add(time.Hour)
	w.receive(t, n, "B", "halo")
	w.run()
	require.Len(t, w.sent, 2)
}

func TestChattyPeopleAreNotStoredWordByWord(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for i := range 100 {
		w.receive(t, number(t, 10), fmt.Sprint("A", i), "and then")
	}
	require.Len(t, w.inbox, 1)
	for _, j := range w.queue {
		require.NotContains(t, string(j.Payload), "and then")
		require.NotContains(t, string(j.Payload), "Somebody", "nor what people call themselves")
	}
}

func TestBotKeepsOutOfAHumansConversation(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	require.NoError(t, w.bot.HumanWrote(context.Background(), n.Digits(), w.now))
	require.NoError(t, w.bot.HumanWrote(context.Background(), "77@lid", w.now))
	w.now = w.now.Add(24*time.Hour - time.Second)
	w.receive(t, n, "A", "terima kasih")
	require.NoError(t, w.bot.ReceiveStranger(context.Background(), Stranger{ID: "A", Chat: "77@lid", Text: "halo", SentAt: w.now}))
	w.run()
	require.Empty(t, w.sent)
	require.Equal(t, []string{"human"}, w.refused(n, "A"))

	w.receive(t, n, "B", tap)
	w.run()
	require.Equal(t, 1, w.shownLinks(n.Digits()), "a login was asked for and is answered")
	require.NoError(t, w.bot.HumanWrote(context.Background(), number(t, 1).Digits(), w.now))
	w.receive(t, number(t, 1), "A", "/whoami")
	w.run()
	require.Len(t, w.sent, 2, "so is a command")

	w.now = w.now.Add(time.Second)
	w.receive(t, n, "C", "halo")
	w.run()
	require.Len(t, w.sent, 3, "a day after the human")
}

func TestHumanWhoAnswersWhileTheReplyWaitsSilencesIt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.receive(t, n, "A", "halo")
	require.NoError(t, w.bot.HumanWrote(context.Background(), n.Digits(), w.now))
	w.run()
	require.Empty(t, w.sent)
}

func TestHumanQuietCanBeOff(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Times.HumanQuiet = 0 })
	require.NoError(t, w.bot.HumanWrote(context.Background(), number(t, 10).Digits(), w.now))
	w.receive(t, number(t, 10), "A", "halo")
	w.run()
	require.Len(t, w.sent, 1)
}

func TestPolicyOfTheMomentDecides(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive(t, number(t, 10), "A", "halo")
	w.cfg.Other = Other{Policy: OtherIgnore}
	w.restart(t)
	w.run()
	require.Empty(t, w.sent)
	require.Equal(t, []string{"ignored"}, w.refused(number(t, 10), "A"))
}

func TestWordsThatCameInAnOutageAreAnsweredWithinSixHours(t *testing.T) {
	t.Parallel()
	w := setup(t)
	early, late := w.message(number(t, 10), "A", "halo"), w.message(number(t, 11), "A", "halo")
	late.SentAt = w.now.Add(-2 * time.Hour)
	w.now = w.now.Add(5 * time.Hour)
	require.NoError(t, w.bot.Receive(context.Background(), early))
	require.NoError(t, w.bot.Receive(context.Background(), late))
	w.run()
	require.Len(t, w.seen(early.Chat), 1)
	require.Empty(t, w.seen(late.Chat))
	require.Equal(t, []string{"too_old"}, w.refused(number(t, 11), "A"))
}

func TestFailedLookForAHumanSendsNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive(t, number(t, 10), "A", "halo")
	w.fault = func(op string) error {
		if op == "last human" {
			return errors.New("database is busy")
		}
		return nil
	}
	w.run()
	require.Empty(t, w.sent)
	require.True(t, w.queue[0].later)
	require.Error(t, func() error {
		w.fault = func(string) error { return errors.New("database is busy") }
		return w.bot.HumanWrote(context.Background(), "1", w.now)
	}())
}

func TestStrangerIsShownTheWayOutOnceADay(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for i := range 20 {
		s := Stranger{ID: fmt.Sprint("A", i), Chat: "12345678901234@lid", Text: tap, SentAt: w.now}
		require.NoError(t, w.bot.ReceiveStranger(context.Background(), s))
		w.run()
		w.now = w.now.Add(time.Hour)
	}
	require.Empty(t, w.links, "never a link")
	require.Len(t, w.sent, 1)
	require.Contains(t, w.sent[0].Text, "https://help.example/masuk")
	require.Contains(t, w.sent[0].Text, "Mohon maaf", "in the language for hidden numbers")
	require.Equal(t, "12345678901234@lid", w.sent[0].Chat)
	require.Equal(t, 20, w.counts["stranger accepted"])
	require.Equal(t, 1, w.counts["stranger replied"])
	require.Equal(t, 19, w.counts["stranger daily"])
}

func TestStrangersStayWithinTheSharedBudgets(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Limits.Global = Rate{Burst: 10, Every: 30 * time.Second} })
	for i := range 300 {
		s := Stranger{ID: "A", Chat: fmt.Sprint(i, "@lid"), Text: tap, SentAt: w.now}
		require.NoError(t, w.bot.ReceiveStranger(context.Background(), s))
	}
	w.run()
	require.Len(t, w.sent, 5)
	w.wait(time.Hour, 10*time.Second)
	require.LessOrEqual(t, len(w.sent), 5+60)
	require.Greater(t, len(w.sent), 30, "they wait, they are not refused")
}

func TestLIDAdminRefused(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Other = Other{Policy: OtherIgnore} })
	for i, chat := range []string{
		number(t, 1).Digits() + "@lid", number(t, 1).Digits(), number(t, 1).E164(), number(t, 1).Digits() + "@s.whatsapp.net",
	} {
		for _, text := range []string{"/whoami", "/help", " /WHOAMI"} {
			s := Stranger{ID: fmt.Sprint(text, i), Chat: chat, Text: text, SentAt: w.now}
			require.NoError(t, w.bot.ReceiveStranger(context.Background(), s))
		}
	}
	w.run()
	require.Empty(t, w.inbox)
	require.Empty(t, w.sent)
	w.receive(t, number(t, 1), "A", "/whoami")
	w.run()
	require.Len(t, w.sent, 1, "the same digits as a number are the admin")
}
