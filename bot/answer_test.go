package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

const tap = "Request login, authenticate me"

func TestRequestIsAnsweredWithItsLink(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.receive(t, n, "A", tap)
	require.Equal(t, 1, w.woken)
	require.Empty(t, w.sent, "nothing is sent before the message is committed")
	w.run()

	require.Len(t, w.sent, 1)
	m := w.sent[0]
	require.Equal(t, ReplyID(w.cfg.IDKey, n.Digits(), "A", "answer"), m.ID)
	require.Equal(t, n.Digits()+"@chat", m.Chat)
	require.Contains(t, strings.Split(m.Text, "\n"), linkBase+"id="+m.ID+"#code", "the link stands alone on its line")
	require.Contains(t, m.Text, n.Masked())
	require.Contains(t, m.Text, "10 menit")
	require.Contains(t, m.Text, "Bukan Anda")
	require.NotContains(t, m.Text, n.Digits()[len(n.Digits())-4:])
	require.Empty(t, w.refused(n, "A"))
	require.Equal(t, 1, w.counts["login link"])
}

func TestLanguageFollowsTheCountry(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive(t, british(t, 10), "A", tap)
	w.run()
	require.Contains(t, w.sent[0].Text, "Not you?")
}

func TestSameMessageOneLink(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	m := w.message(n, "A", tap)
	for range 3 {
		require.NoError(t, w.bot.Receive(context.Background(), m))
		w.run()
		w.now = w.now.Add(5 * time.Minute)
	}
	w.restart(t)
	require.NoError(t, w.bot.Receive(context.Background(), m))
	w.run()
	require.Len(t, w.links, 1)
	require.Len(t, w.sent, 1)
	require.Equal(t, 1, w.woken, "a redelivery adds no work")
	require.Equal(t, 3, w.counts["login duplicate"])
}

func TestRetryKeepsTheLink(t *testing.T) {
	t.Parallel()
	for _, at := range []string{
		"after last login", "after spend", "link saved", "after create link", "before send", "after send",
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			n := number(t, 10)
			w.receive(t, n, "A", tap)
			w.crashAt(t, at)
			w.run()
			require.Len(t, w.links, 1)
			require.Equal(t, 1, w.shownLinks(n.Digits()))
			limit := w.cfg.Limits.Number
			require.Equal(t, time.Duration(limit.Burst-1)*limit.Every, w.budgets["login:"+n.Digits()].credit, "spent once")
			for _, l := range w.links {
				require.True(t, l.alone)
				require.Equal(t, "open", l.state)
			}
		})
	}
}

// crashAt works until the process dies at the named step, and starts a new one.
func (w *world) crashAt(t *testing.T, at string) {
	t.Helper()
	w.fault = func(op string) error {
		if op == at || op == strings.TrimPrefix(at, "after ") {
			panic(at)
		}
		return nil
	}
	require.PanicsWithValue(t, at, func() { w.run() }, "the step exists")
	w.fault = nil
	w.restart(t)
}

func TestStaleRequestGetsNoLink(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{
		"two minutes and a bit": 2*time.Minute + time.Second, "five hours": 5 * time.Hour, "future": -31 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			n := number(t, 10)
			m := w.message(n, "A", tap)
			m.SentAt = w.now.Add(-age)
			require.NoError(t, w.bot.Receive(context.Background(), m))
			w.run()
			w.wait(10*time.Minute, time.Minute)
			require.Empty(t, w.links)
			require.Len(t, w.sent, 1)
			require.Contains(t, w.sent[0].Text, "ketuk tombol masuk sekali lagi")
			require.Equal(t, []string{"stale"}, w.refused(n, "A"))
		})
	}
}

func TestFreshnessHasItsLimits(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{0, 2 * time.Minute, -30 * time.Second} {
		w := setup(t)
		m := w.message(number(t, 10), "A", tap)
		m.SentAt = w.now.Add(-age)
		require.NoError(t, w.bot.Receive(context.Background(), m))
		w.run()
		require.Equal(t, 1, w.counts["login link"], age)
	}
}

func TestStaleRequestsAreToldOnceASixHours(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	late := func(id string, age time.Duration) {
		m := w.message(n, id, tap)
		m.SentAt = w.now.Add(-age)
		require.NoError(t, w.bot.Receive(context.Background(), m))
		w.run()
	}
	for i := range 5 {
		late(fmt.Sprint("A", i), time.Hour)
		require.Equal(t, []string{"stale"}, w.refused(n, fmt.Sprint("A", i)))
	}
	require.Len(t, w.sent, 1)
	late("old", 6*time.Hour+time.Second)
	require.Equal(t, []string{"too_old"}, w.refused(n, "old"))
	require.Len(t, w.sent, 1, "not at all after six hours")
	w.now = w.now.Add(6 * time.Hour)
	late("B", time.Hour)
	require.Len(t, w.sent, 2)
}

func TestOutageIsToldAtThePaceOfTheBudgetAndNeverAfterSixHours(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Limits.Notices = Rate{Burst: 10, Every: 5 * time.Minute} })
	w.eager = true
	sent := w.now
	w.now = w.now.Add(time.Hour)
	for i := range 200 {
		m := w.message(number(t, 100+i), "A", tap)
		m.SentAt = sent
		require.NoError(t, w.bot.Receive(context.Background(), m))
	}
	w.run()
	require.Len(t, w.sent, 10)
	w.wait(4*time.Hour+30*time.Minute, 5*time.Minute)
	require.Len(t, w.sent, 10+54)
	w.wait(2*time.Hour, 5*time.Minute)
	require.Len(t, w.sent, 10+60, "five hours after arrival they are six hours old")
	reasons := map[string]int{}
	for _, r := range w.inbox {
		require.Len(t, r.refused, 1)
		reasons[r.refused[0]]++
	}
	require.Equal(t, map[string]int{"stale": 70, "too_old": 130}, reasons)
}

func TestFreshTapDoesNotWaitBehindStaleOnes(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Limits.Notices = Rate{Burst: 1, Every: time.Hour} })
	old := w.message(number(t, 11), "A", tap)
	mine := w.message(number(t, 10), "A", tap)
	w.now = w.now.Add(10 * time.Minute)
	require.NoError(t, w.bot.Receive(context.Background(), old)) // takes the only notice
	require.NoError(t, w.bot.Receive(context.Background(), mine))
	w.run()
	w.receive(t, number(t, 10), "B", tap)
	w.run()
	require.Equal(t, 1, w.shownLinks(number(t, 10).Digits()))
}

func TestRequestThatGrewStaleDoesNotHoldUpTheNext(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Limits.Notices = Rate{Burst: 1, Every: 24 * time.Hour} })
	n := number(t, 10)
	w.eager = true // or B waits for the rest of A's pause: a few seconds
	w.coreDown = errors.New("connection refused")
	w.receive(t, n, "A", tap)
	w.run() // that it takes longer: the only notice of the day
	w.wait(2*time.Minute+time.Second, time.Second)
	w.coreDown = nil
	w.receive(t, n, "B", tap)
	w.run()
	require.Equal(t, 1, w.shownLinks(n.Digits()))
	w.wait(10*time.Minute, time.Second)
	require.Equal(t, []string{"superseded"}, w.refused(n, "A"), "nobody who has a link is told to tap again")
}

func TestRequestThatTheLineDidNotTakeHoldsUpTheNextForSecondsOnly(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{time.Minute, 3 * time.Minute, 11 * time.Minute, 13 * time.Minute, time.Hour} {
		w := setup(t)
		n := number(t, 10)
		w.lineDown = ErrLineDown
		w.receive(t, n, "A", tap)
		w.run()
		w.wait(away, time.Second)
		w.lineDown = nil
		w.receive(t, n, "B", tap)
		w.wait(7*time.Second, time.Second)
		require.Contains(t, w.links, ReplyID(w.cfg.IDKey, n.Digits(), "B", "answer"), away)
		for _, j := range w.queue {
			require.True(t, j.state == "done" || strings.HasPrefix(j.Serial, "late:"), away)
		}
		w.wait(20*time.Minute, time.Second)
		told := 0
		for _, text := range w.seen(n.Digits()) {
			told += strings.Count(text, "ketuk tombol masuk sekali lagi")
		}
		switch {
		case away < 2*time.Minute:
			require.Equal(t, 2, w.shownLinks(n.Digits()), "both were in time")
		case away < 12*time.Minute:
			require.Equal(t, 1, told, away)
			require.Equal(t, []string{"stale"}, w.refused(n, "A"), away)
		default:
			require.Zero(t, told, "who has a link need not tap again")
			require.Equal(t, []string{"superseded"}, w.refused(n, "A"), away)
		}
	}
}

// Who taps again from another page within the coalescing time gets no second link; the one in the chat is for that page now.
func TestACoalescedRequestTiesTheLinkToItsLogin(t *testing.T) {
	t.Parallel()
	var tied []string
	var away error
	w := setup(t, func(c *Config) {
		c.Reference = true
		c.TieNewest = func(_ context.Context, n phone.Number, reference string) error {
			tied = append(tied, n.Digits()+" "+reference)
			return away
		}
	})
	n := number(t, 10)
	w.receive(t, n, "A", "Authenticate me #AAAAAA")
	w.run()
	require.Empty(t, tied, "that is for the link's own making")
	w.now = w.now.Add(5 * time.Second)
	away = errors.New("the database is away")
	w.receive(t, n, "B", "Authenticate me #BBBBBB")
	w.run()
	away = nil
	w.now = w.now.Add(5 * time.Second)
	w.run()
	require.Equal(t, []string{"coalesced"}, w.refused(n, "B"))
	require.GreaterOrEqual(t, len(tied), 2, "it is tried again")
	for _, one := range tied {
		require.Equal(t, n.Digits()+" BBBBBB", one)
	}
	before := len(tied)
	w.receive(t, n, "C", tap)
	w.run()
	require.Equal(t, []string{"coalesced"}, w.refused(n, "C"))
	require.Len(t, tied, before, "a message that names nobody changes nothing")
	require.Equal(t, 1, w.shownLinks(n.Digits()))
}

func TestRequestsSentTogetherGetOneAnswer(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.receive(t, n, "A", tap)
	w.now = w.now.Add(19 * time.Second)
	w.receive(t, n, "B", "Authenticate me")
	w.run()
	require.Equal(t, 1, w.shownLinks(n.Digits()))
	require.Equal(t, []string{"coalesced"}, w.refused(n, "B"))
	w.now = w.now.Add(time.Second)
	w.receive(t, n, "C", tap)
	w.run()
	require.Equal(t, 2, w.shownLinks(n.Digits()), "twenty seconds after the answered one")
}

func TestOvertakenRequestDoesNotKillTheNewerLink(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	older := w.message(n, "A", tap)
	w.now = w.now.Add(time.Minute)
	w.receive(t, n, "B", tap)
	w.run()
	require.NoError(t, w.bot.Receive(context.Background(), older))
	w.run()
	require.Equal(t, []string{"superseded"}, w.refused(n, "A"))
	require.Equal(t, "open", w.links[ReplyID(w.cfg.IDKey, n.Digits(), "B", "answer")].state)
}

func TestCoalescingCanBeOff(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Times.Coalesce = 0 })
	for _, id := range []string{"A", "B"} {
		w.receive(t, number(t, 10), id, tap)
		w.run()
	}
	require.Equal(t, 2, w.shownLinks(number(t, 10).Digits()))
}

func TestCoreAwayIsToldOnceAndAnsweredWhenItIsBack(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.coreDown = errors.New("connection refused")
	w.receive(t, n, "A", tap)
	w.run()
	w.wait(10*time.Second, time.Second)
	require.True(t, w.queue[0].later, "tries are not counted")
	require.Len(t, w.sent, 1, "told once, not at every try")
	require.Contains(t, w.sent[0].Text, "lebih lama dari biasanya")
	w.receive(t, n, "B", tap)
	w.coreDown = nil
	w.wait(4*time.Second, time.Second)
	require.Equal(t, 1, w.shownLinks(n.Digits()))
	require.Len(t, w.seen(n.Digits()), 2)
	require.Empty(t, w.refused(n, "A"))
	require.Equal(t, []string{"coalesced"}, w.refused(n, "B"))
}

func TestCoreAwayForLongEndsInOneNotice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.coreDown = errors.New("connection refused")
	w.receive(t, n, "A", tap)
	w.run()
	w.wait(3*time.Minute, 5*time.Second)
	w.coreDown = nil
	w.wait(time.Hour, time.Minute)
	require.Empty(t, w.links)
	require.Equal(t, []string{"stale"}, w.refused(n, "A"))
	require.Len(t, w.seen(n.Digits()), 2, "that it takes longer, and to tap again")
	require.Equal(t, "done", w.queue[0].state)
}

func TestSpentLinkEndsTheRequestInSilence(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.receive(t, n, "A", tap)
	w.crashAt(t, "after send")
	for _, l := range w.links {
		l.state = "used"
	}
	w.run()
	require.Len(t, w.sent, 1)
	require.Len(t, w.links, 1)
	require.Equal(t, "done", w.queue[0].state)
	require.Empty(t, w.refused(n, "A"), "its outcome is the link")
}

func TestLinkOrNoticeNeverBoth(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.receive(t, n, "A", tap)
	w.crashAt(t, "after send")
	w.now = w.now.Add(5 * time.Minute) // the restart took long
	w.run()
	require.Len(t, w.sent, 2)
	require.Equal(t, w.sent[0].ID, w.sent[1].ID, "a recipient shows an id once")
	require.Equal(t, []string{w.sent[0].Text}, w.seen(n.Digits()))
}

func TestBanStopsSending(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.lineDown = fmt.Errorf("temporary ban: %w", ErrLineDown)
	for i := range 20 {
		w.receive(t, number(t, 100+i), "A", tap)
		w.receive(t, number(t, 100+i), "B", "hello")
		require.NoError(t, w.bot.ReceiveStranger(context.Background(), Stranger{ID: "A", Chat: fmt.Sprint(i, "@lid"), Text: tap, SentAt: w.now}))
	}
	w.run()
	w.wait(time.Hour, time.Minute)
	require.Empty(t, w.sent)
	for _, j := range w.queue {
		if strings.HasPrefix(j.Serial, "login:") {
			require.Equal(t, "done", j.state, "a fresh tap would wait behind it")
			continue
		}
		require.True(t, j.later, "no attempt is counted")
	}
	w.lineDown = nil
	w.wait(time.Hour, time.Second)
	require.Equal(t, 0, w.counts["login link"], "what waited for an hour is stale")
	require.Equal(t, 20, w.counts["login stale"])
	require.Len(t, w.sent, 3*20)
}

func TestLongBanEndsInSilence(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.lineDown = ErrLineDown
	late := w.message(number(t, 10), "A", tap)
	late.SentAt = w.now.Add(-10 * time.Minute)
	require.NoError(t, w.bot.Receive(context.Background(), late))
	w.receive(t, number(t, 10), "B", "hello")
	w.run()
	w.wait(7*time.Hour, 10*time.Minute)
	w.lineDown = nil
	w.wait(time.Hour, time.Minute)
	require.Empty(t, w.sent)
	require.Equal(t, []string{"too_old"}, w.refused(number(t, 10), "A"))
	require.Equal(t, []string{"too_old"}, w.refused(number(t, 10), "B"))
}

func TestWhatCanNeverBeDoneIsToldAndLaidAside(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.coreDown = jobs.Permanent(errors.New("tenant not found"))
	w.receive(t, n, "A", tap)
	w.run()
	require.Equal(t, "dead", w.queue[0].state)
	require.Equal(t, []string{"failed"}, w.refused(n, "A"))
	require.Len(t, w.seen(n.Digits()), 1)
	require.Contains(t, w.sent[0].Text, "gangguan di pihak kami")
}

// TestAnUnclearAccountIsToldAndLaidAside: trying again would not help, so nobody is told that a link will come.
func TestAnUnclearAccountIsToldAndLaidAside(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.coreDown = fmt.Errorf("as the core says: %w", ErrAccountUnclear)
	w.receive(t, n, "A", tap)
	w.run()
	require.Equal(t, "dead", w.queue[0].state)
	require.Equal(t, []string{"unclear"}, w.refused(n, "A"))
	require.Len(t, w.seen(n.Digits()), 1)
	require.Contains(t, w.sent[0].Text, "perlu kami perbaiki")
	require.Contains(t, w.sent[0].Text, w.bot.cfg.WayOut)

	w.wait(time.Hour, time.Minute)
	w.receive(t, n, "B", tap)
	w.run()
	require.Equal(t, []string{"unclear"}, w.refused(n, "B"))
	require.Len(t, w.sent, 1, "told once in a while")
}

func TestFailureIsToldWhenTheLineIsBack(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.coreDown = jobs.Permanent(errors.New("tenant not found"))
	w.lineDown = ErrLineDown
	w.receive(t, n, "A", tap)
	w.run()
	require.Empty(t, w.queue[0].state)
	require.Empty(t, w.refused(n, "A"))
	w.lineDown = nil
	w.wait(10*time.Second, time.Second)
	require.Equal(t, "dead", w.queue[0].state)
	require.Len(t, w.sent, 1)
}

func TestLinkThatIsNoLinkIsNotSent(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "https://a.example/x\n*y*", "https://a.example/ x", "javascript:alert(1)", "https://a.example/\u202ex"} {
		w := setup(t)
		w.cfg.Links = oddLinks(url)
		w.restart(t)
		w.receive(t, number(t, 10), "A", tap)
		w.run()
		require.Equal(t, "dead", w.queue[0].state)
		require.Len(t, w.sent, 1)
		require.Contains(t, w.sent[0].Text, "gangguan di pihak kami")
	}
}

// oddLinks answers every request with itself.
type oddLinks string

func (l oddLinks) CreateLink(context.Context, LinkRequest) (Link, error) {
	return Link{URL: string(l)}, nil
}

func TestWhatCannotBeSettledForHoursIsLeftToThePeople(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive(t, number(t, 10), "A", tap)
	w.now = w.now.Add(7 * time.Hour)
	w.fault = func(string) error { return errors.New("disk is full") }
	require.NotPanics(t, func() { w.work(w.queue[0]) })
	require.Error(t, w.queue[0].err)
	require.False(t, w.queue[0].later, "this attempt counts")
}

func TestWhatCanNeverBeSentIsLaidAside(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.lineDown = jobs.Permanent(errors.New("no such chat"))
	w.receive(t, number(t, 10), "A", tap)
	w.run()
	require.Equal(t, "dead", w.queue[0].state)
	require.Equal(t, []string{"undeliverable"}, w.refused(number(t, 10), "A"))
}

func TestPayloadsOfOtherVersionsAreRead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := context.Background()
	older := fmt.Sprintf(`{"digits":"6281200000010","chat":"c","id":"A","sent_at_ms":%d,"from_the_future":{"x":[1]}}`, w.now.UnixMilli())
	require.NoError(t, w.bot.answerLogin(ctx, jobs.Job{Payload: []byte(older)}))
	require.Len(t, w.sent, 1)
	for _, broken := range []string{"", "null", "{}", `{"digits":"12","chat":"c","id":"A"}`, `{"chat":"c","id":"A"}`, `{"digits":6281200000010}`} {
		err := w.bot.answerLogin(ctx, jobs.Job{Payload: []byte(broken)})
		require.True(t, jobs.IsPermanent(err), broken)
		require.NotContains(t, err.Error(), "628120")
		require.True(t, jobs.IsPermanent(w.bot.runCommand(ctx, jobs.Job{Payload: []byte(broken)})))
	}
	require.True(t, jobs.IsPermanent(w.bot.sendReply(ctx, jobs.Job{Payload: []byte(`{"chat":"c","id":"A","reply":"poem"}`)})))
	require.True(t, jobs.IsPermanent(w.bot.sendReply(ctx, jobs.Job{Payload: []byte("{")})))
}

func TestPausesAreShortForWhoWaitsAndNeverLong(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for age, want := range map[time.Duration][2]time.Duration{
		0:               {time.Second, 2 * time.Second},
		8 * time.Second: {2 * time.Second, 3 * time.Second},
		time.Minute:     {5 * time.Second, 7 * time.Second},
		time.Hour:       {10 * time.Minute, 13 * time.Minute},
	} {
		pause, ok := w.bot.pause(request{ticket: ticket{ID: "A", SentAt: w.now.Add(-age).UnixMilli()}})
		require.True(t, ok)
		require.GreaterOrEqual(t, pause, want[0], age)
		require.Less(t, pause, want[1], age)
	}
	pause, ok := w.bot.pause(request{ticket: ticket{ID: "A", SentAt: w.now.Add(-time.Hour).UnixMilli()}, blocks: true})
	require.True(t, ok)
	require.Less(t, pause, 7*time.Second, "while it stands before others")
	_, ok = w.bot.pause(request{ticket: ticket{ID: "A", SentAt: w.now.Add(-7 * time.Hour).UnixMilli()}})
	require.False(t, ok, "after that a person should see it")
}

// TestRequestThatAStopOutlastedIsToldToTapAgain: what was accepted before a stop of a quarter of an hour finds the line still
// connecting at the restart, and is told all the same.
func TestRequestThatAStopOutlastedIsToldToTapAgain(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.receive(t, n, "A", tap)
	w.now = w.now.Add(15 * time.Minute)
	w.restart(t)
	w.lineDown = ErrLineDown // for the first second
	w.run()
	w.now = w.now.Add(time.Second)
	w.lineDown = nil
	w.wait(5*time.Minute, time.Second)
	require.Len(t, w.seen(n.Digits()), 1)
	require.Contains(t, w.seen(n.Digits())[0], "ketuk tombol masuk sekali lagi")
	require.Equal(t, []string{"stale"}, w.refused(n, "A"))
}

// TestOutageOfTheCoreIsToldAtThePaceOfTheBudget: more people than there are notices at once waited for a link. Each is told to
// tap again, unless they did so by themselves.
func TestOutageOfTheCoreIsToldAtThePaceOfTheBudget(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Limits.Notices = Rate{Burst: 2, Every: 10 * time.Minute} })
	w.coreDown = errors.New("connection refused")
	for i := range 6 {
		w.receive(t, number(t, 100+i), "A", tap)
	}
	w.run()
	w.wait(3*time.Minute, time.Second)
	w.coreDown = nil
	w.receive(t, number(t, 105), "B", tap)
	w.wait(2*time.Hour, 30*time.Second)
	for i := range 5 {
		seen := strings.Join(w.seen(number(t, 100+i).Digits()), "\n")
		require.Contains(t, seen, "ketuk tombol masuk sekali lagi", i)
		require.Equal(t, []string{"stale"}, w.refused(number(t, 100+i), "A"))
	}
	require.Equal(t, 1, w.shownLinks(number(t, 105).Digits()))
	require.NotContains(t, strings.Join(w.seen(number(t, 105).Digits()), "\n"), "ketuk tombol masuk sekali lagi")
	require.Equal(t, []string{"superseded"}, w.refused(number(t, 105), "A"))
}
