package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// machine drives a world by chance: messages, redeliveries, crashes and errors at any step, a core and a line that come
// and go, links that are opened, and a clock that jumps.
type machine struct {
	*world
	people  []phone.Number
	taken   []Message // WhatsApp was told that they are delivered
	open    []Message // WhatsApp will bring them again
	first   time.Time // the clock may go back: budgets and windows count between its extremes
	latest  time.Time
	crashes int
}

var errFault = errors.New("a fault")

type crash struct{}

func newMachine(t *rapid.T) *machine {
	m := &machine{world: setup(t, func(c *Config) {
		c.Limits.Number = Rate{Burst: 1, Every: 3 * time.Minute}
		c.Limits.NumberDay = Rate{Burst: 6, Every: time.Hour}
		c.Limits.Global = Rate{Burst: 8, Every: 20 * time.Second}
	})}
	m.people = []phone.Number{number(t, 10), british(t, 11)}
	m.first, m.latest = m.now, m.now
	return m
}

// under runs f with perhaps one fault at one of its next steps, and starts a new process when it crashes.
func (m *machine) under(t *rapid.T, f func() error) (err error) {
	left := rapid.IntRange(0, 24).Draw(t, "steps until the fault") // mostly more than there are
	kill := rapid.Bool().Draw(t, "crash, not error")
	m.fault = func(string) error {
		if left--; left != 0 {
			return nil
		}
		if kill {
			panic(crash{})
		}
		return errFault
	}
	defer func() {
		m.fault = nil
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
			m.crashes++
			m.restart(t)
			err = errFault
		}
	}()
	return f()
}

func (m *machine) deliver(t *rapid.T, msg Message) {
	if m.under(t, func() error { return m.bot.Receive(context.Background(), msg) }) != nil {
		m.open = append(m.open, msg)
		return
	}
	m.taken = append(m.taken, msg)
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": m.check,
		"message": func(t *rapid.T) {
			msg := m.message(rapid.SampledFrom(m.people).Draw(t, "who"), fmt.Sprint("M", len(m.taken)+len(m.open)), tap)
			if rapid.IntRange(0, 5).Draw(t, "other text") == 0 {
				msg.Text = "halo"
			}
			ago := rapid.SampledFrom([]int{0, 0, 0, 0, 1, 5, 30, 100, 130, 4000, 22000, -20, -40}).Draw(t, "sent seconds ago")
			msg.SentAt = m.now.Add(-time.Duration(ago) * time.Second)
			m.deliver(t, msg)
		},
		"redeliver": func(t *rapid.T) {
			if all := slices.Concat(m.taken, m.open); len(all) > 0 {
				msg := rapid.SampledFrom(all).Draw(t, "which")
				m.open = slices.DeleteFunc(m.open, func(o Message) bool { return o.ID == msg.ID })
				m.taken = slices.DeleteFunc(m.taken, func(o Message) bool { return o.ID == msg.ID })
				m.deliver(t, msg)
			}
		},
		"work": func(t *rapid.T) {
			if next := m.due(); next != nil {
				_ = m.under(t, func() error { m.work(next); return nil })
			}
		},
		"work on": func(*rapid.T) { m.run() },
		"time":    func(t *rapid.T) { m.pass(t, 1, 40) },
		"more time": func(t *rapid.T) {
			m.pass(t, 100, 1200)
		},
		"clock set back": func(t *rapid.T) { m.pass(t, -50, -1) },
		"core": func(*rapid.T) {
			if m.coreDown == nil {
				m.coreDown = errors.New("connection refused")
			} else {
				m.coreDown = nil
			}
		},
		"line": func(*rapid.T) {
			if m.lineDown == nil {
				m.lineDown = fmt.Errorf("reconnecting: %w", ErrLineDown)
			} else {
				m.lineDown = nil
			}
		},
		"open the link": func(t *rapid.T) { m.use(rapid.SampledFrom(m.people).Draw(t, "whose")) },
	}
}

func (m *machine) pass(t *rapid.T, from, to int) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(from, to).Draw(t, "seconds")) * time.Second)
	if m.now.After(m.latest) {
		m.latest = m.now
	}
	if m.now.Before(m.first) {
		m.first = m.now
	}
}

// use signs a number in by its newest link that was seen, which spends all of them.
func (m *machine) use(n phone.Number) {
	for _, id := range slices.Backward(m.order) {
		l := m.links[id]
		if l.number != n || l.state != "open" || !strings.Contains(m.shown[id], linkBase) || !m.now.Before(l.expires) {
			continue
		}
		for _, other := range m.links {
			if other.number == n && other.state == "open" {
				other.state = "revoked"
			}
		}
		l.state = "used"
		return
	}
}

// check is what holds at every moment.
func (m *machine) check(t *rapid.T) {
	elapsed := m.latest.Sub(m.first)
	last, made := map[phone.Number]time.Time{}, map[phone.Number]int{}
	for _, id := range m.order {
		l := m.links[id]
		made[l.number]++
		if before, ok := last[l.number]; ok {
			require.False(t, l.sentAt.Before(before.Add(m.cfg.Times.Coalesce)),
				"links are made in the order of their requests and not for those sent together: the newest request's is the live one")
		}
		last[l.number] = l.sentAt
	}
	for _, count := range made {
		require.LessOrEqual(t, count, m.cfg.Limits.Number.Burst+int(elapsed/m.cfg.Limits.Number.Every), "links within the budget")
		require.LessOrEqual(t, count, m.cfg.Limits.NumberDay.Burst+int(elapsed/m.cfg.Limits.NumberDay.Every))
	}
	m.checkBubbles(t, elapsed)
}

// checkBubbles looks at what the recipients see.
func (m *machine) checkBubbles(t *rapid.T, elapsed time.Duration) {
	of := map[string]string{} // id of a bubble → sender, message and purpose
	for key, r := range m.inbox {
		for _, p := range []string{purposeAnswer, purposeLimited, purposeCoreDown, replyOther} {
			of[ReplyID(m.cfg.IDKey, key[0], key[1], p)] = key[0] + " " + p
			if p == purposeAnswer {
				require.Equal(t, r.Job.Key, ReplyID(m.cfg.IDKey, key[0], key[1], p))
			}
		}
	}
	told := map[string]int{}
	for id, text := range m.shown {
		require.Contains(t, of, id, "every bubble answers an accepted message")
		if strings.Contains(text, linkBase) {
			require.Contains(t, text, linkBase+"id="+id+"#", "a link is shown under its own id and no other")
			continue
		}
		told[of[id]]++
	}
	windows := map[string]time.Duration{
		purposeAnswer: staleWindow, purposeLimited: limitedWindow, purposeCoreDown: coreDownWindow, replyOther: dailyWindow,
	}
	for who, count := range told {
		purpose := strings.Fields(who)[1]
		require.LessOrEqual(t, count, 1+int(elapsed/windows[purpose]), "one notice in its window: %s", purpose)
	}
	require.LessOrEqual(t, len(m.shown), m.cfg.Limits.Global.Burst+int(elapsed/m.cfg.Limits.Global.Every))
}

// settle mends everything, lets time pass until no message can be young, and looks how each ended.
func (m *machine) settle(t *rapid.T) {
	m.coreDown, m.lineDown = nil, nil
	for _, msg := range m.open {
		require.NoError(t, m.bot.Receive(context.Background(), msg))
	}
	m.run()
	m.wait(7*time.Hour, time.Minute)
	m.latest = m.now
	m.check(t)
	for _, j := range m.queue {
		require.Equal(t, "done", j.state, "nothing waits for ever and nothing is laid aside: %v", j.err)
	}
	for key, r := range m.inbox {
		if r.Kind != kindLogin {
			continue
		}
		link := m.links[ReplyID(m.cfg.IDKey, key[0], key[1], purposeAnswer)]
		require.True(t, link != nil || len(r.refused) == 1, "every request ends with a link or a reason")
		if link != nil && len(r.refused) == 1 {
			// The record or the link was made in a run that did not hear of it, and time had changed the answer by the next.
			require.Contains(t, []string{refusedStale, refusedTooOld, refusedLimited, refusedSuperseded}, r.refused[0])
		}
	}
	for _, msg := range slices.Concat(m.taken, m.open) {
		if msg.Text == tap && m.counts["login flood"] == 0 {
			require.Contains(t, m.inbox, [2]string{msg.From.Digits(), msg.ID}, "what was acknowledged is not lost")
		}
	}
}

func TestAnyInterleavingKeepsTheLoginsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		t.Repeat(m.actions())
		m.settle(t)
	})
}
