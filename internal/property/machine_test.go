package property_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// machine drives a world by chance, with its model beside it.
type machine struct {
	*world
	*model
	people   []phone.Number
	browsers []*browser
	messages []bot.Message
	open     []bot.Message // WhatsApp will bring them again
	guests   map[string]bool
	crashes  int
	lost     int // messages that may be stored although nobody heard of it
}

func newMachine(t *rapid.T, config storage.Config) *machine {
	w := newWorld(t, config, rapid.Bool().Draw(t, "messages name their login"))
	m := &machine{world: w, model: newModel(t, w), guests: map[string]bool{}}
	for _, digits := range []string{"6281200000010", "6281200000021", "447400000032"} {
		n, err := phone.FromDigits(digits)
		require.NoError(t, err)
		m.people = append(m.people, n)
	}
	for range 3 {
		m.browsers = append(m.browsers, newBrowser())
	}
	return m
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":                  m.check,
		"a message":         m.message,
		"a login":           m.login,
		"one more login":    m.login, // likelier
		"yet another login": m.login,
		"a hidden sender":   m.stranger,
		"a redelivery":      m.redelivery,
		"work":              m.work,
		"work on": func(t *rapid.T) {
			for range 6 {
				m.work(t)
			}
		},
		"a confirmation":           m.confirm,
		"one more confirmation":    m.confirm,
		"yet another confirmation": m.confirm,
		"two at once":              m.confirmTwice,
		"a login begins":           m.begin,
		"a guest":                  m.guestSession,
		"a new browser": func(t *rapid.T) {
			m.browsers[rapid.IntRange(0, len(m.browsers)-1).Draw(t, "which")] = newBrowser()
		},
		"time":           func(t *rapid.T) { m.pass(t, 1, 40) },
		"more time":      func(t *rapid.T) { m.pass(t, 100, 1200) },
		"clock set back": func(t *rapid.T) { m.pass(t, -50, -1) },
		"reconciliation": m.reconcile,
		"an admin":       m.admin,
		"the line":       func(*rapid.T) { m.lineDown = !m.lineDown },
		"the other process takes the line": func(t *rapid.T) {
			m.owns = 1 - m.owns
			m.startBot(t)
		},
	}
}

// pick draws one of a list, by its place, which is all that a report of a failure needs.
func pick[T any](t *rapid.T, from []T, label string) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(t, label)]
}

func (m *machine) pass(t *rapid.T, from, to int) {
	d := time.Duration(rapid.IntRange(from, to).Draw(t, "seconds")) * time.Second
	m.clock.ms.Add(d.Milliseconds())
	if now := m.clock.now(); now.After(m.latest) {
		m.latest = now
	} else if now.Before(m.first) {
		m.first = now
	}
}

// side draws the process that a browser's request reaches.
func (m *machine) side(t *rapid.T) int {
	side := rapid.IntRange(0, 1).Draw(t, "process")
	m.records.Store = m.stores[side]
	return side
}

// ended is what the fault of an action came to: whether something failed, and whether the process died of it.
func (m *machine) ended(t *rapid.T, side int) (hit, died bool) {
	hit, died = m.faults.disarm()
	if died {
		m.crashes++
		m.dies(t, side)
	}
	return hit, died
}

func (m *machine) message(t *rapid.T) {
	n := pick(t, m.people, "who")
	text, reference := rapid.SampledFrom([]string{phrase, phrase, phrase, phrase, phrase, "halo", phrase + " please", "/help"}).Draw(t, "text"), ""
	b := pick(t, m.browsers, "whose login")
	if text == phrase && b.attempt != "" {
		reference = b.attempt
		text += " #" + reference
	}
	ago := rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 1, 5, 30, 100, 130, 4000, 22000, -20, -40}).Draw(t, "sent seconds ago")
	msg := bot.Message{
		ID: fmt.Sprint("M", len(m.messages)), From: n, Chat: n.Digits() + "@chat", Text: text,
		SentAt: m.clock.now().Add(-time.Duration(ago) * time.Second),
	}
	m.messages = append(m.messages, msg)
	m.chats[msg.Chat] = n
	if text == phrase || reference != "" {
		m.requests[bot.ReplyID([]byte(idKey), n.Digits(), msg.ID, "answer")] = request{number: n, reference: reference, sentAt: msg.SentAt}
	}
	m.deliver(t, msg)
}

// login is what mostly happens: a message, its answer, and the link opened.
func (m *machine) login(t *rapid.T) {
	m.pass(t, 1, 60)
	m.message(t)
	m.work(t)
	m.work(t)
	m.confirm(t)
}

func (m *machine) deliver(t *rapid.T, msg bot.Message) {
	m.faults.arm(t)
	err := m.bot.Receive(context.Background(), msg)
	if m.ended(t, m.owns); err != nil {
		m.open = append(m.open, msg)
		m.lost++
	}
}

func (m *machine) redelivery(t *rapid.T) {
	if len(m.messages) > 0 {
		m.deliver(t, pick(t, m.messages, "which"))
	}
}

func (m *machine) stranger(t *rapid.T) {
	// A hidden address whose digits are somebody's number.
	n := pick(t, m.people, "whose digits")
	s := bot.Stranger{ID: fmt.Sprint("S", m.clock.now().UnixNano()), Chat: n.Digits() + "@lid", Text: phrase, SentAt: m.clock.now()}
	m.chats[s.Chat] = phone.Number{}
	_ = m.bot.ReceiveStranger(context.Background(), s)
}

// work runs one job of the line. One that ends has counted one outcome, one that will come again has counted none.
func (m *machine) work(t *rapid.T) {
	j, found := m.lease(t)
	if !found {
		return
	}
	m.runs[j.Key]++
	before, links, postponed := m.outcomes(), len(m.links), m.faults.postponed
	m.faults.arm(t)
	err := m.bot.Handlers()[j.Kind](context.Background(), j)
	counted := m.outcomes() - before
	hit, died := m.ended(t, m.owns)
	if asked, ok := m.requests[j.Key]; ok && (hit || err != nil) {
		m.doubt(asked, links)
	}
	if died {
		return
	}
	m.settle(t, j, err)
	if aside := m.faults.postponed > postponed; aside {
		if hit {
			m.lost++ // a stale request may then be told by both of its jobs, in one bubble
		}
		require.Zero(t, counted, "a message that goes on waiting has no outcome yet")
	} else if err == nil {
		require.Equal(t, 1, counted, "a message that is done has one outcome")
	} else {
		require.LessOrEqual(t, counted, 1)
	}
}

// outcomes counts the ends of messages.
func (m *machine) outcomes() (n int) {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	for what, count := range m.counts.messages {
		switch what {
		case "login core_down", "login line_down", "other line_down", "stranger line_down", "command line_down",
			"login crowded", "other crowded", "stranger crowded", "command crowded",
			"login storage", "other storage", "stranger storage", "command storage":
		case "login accepted", "other accepted", "stranger accepted", "command accepted":
		case "login duplicate", "other duplicate", "stranger duplicate", "command duplicate":
		case "login flood", "other flood", "stranger flood", "command flood":
		default:
			n += count
		}
	}
	return n
}

func (m *machine) begin(t *rapid.T) {
	b := pick(t, m.browsers, "browser")
	side := m.side(t)
	m.faults.arm(t)
	a := b.ask(t, m.routes, http.MethodPost, "/auth/login/start", map[string]string{})
	if _, died := m.ended(t, side); died || a.status != http.StatusOK {
		b.unsure = true
		m.beganBy(b)
		return
	}
	b.take(a)
	b.attempt = a.says("reference")
	m.beganBy(b)
	seconds, _ := a.body["expires_in"].(float64)
	// What is said is whole seconds, rounded down.
	b.begunTo = m.clock.now().Add(time.Duration(seconds)*time.Second + time.Second)
}

// beganBy notes whose guest a login belongs to.
func (m *machine) beganBy(b *browser) {
	if b.attempt != "" && b.guest != "" {
		m.began[b.attempt] = append(m.began[b.attempt], b.guest)
	}
}

func (m *machine) guestSession(t *rapid.T) {
	b := pick(t, m.browsers, "browser")
	side := m.side(t)
	m.faults.arm(t)
	a := b.ask(t, m.routes, http.MethodPost, "/auth/anonymous-session", nil)
	if _, died := m.ended(t, side); died || a.status != http.StatusOK {
		return
	}
	b.take(a)
	data, _ := a.body["data"].(map[string]any)
	b.guest, _ = data["guest_id"].(string)
	require.NotEmpty(t, b.guest)
	m.guests[b.guest] = true
}

func (m *machine) reconcile(t *rapid.T) {
	side := m.side(t)
	m.faults.arm(t)
	_, _ = m.auth.Reconcile(context.Background(), m.clock.now())
	m.ended(t, side)
}

// admin blocks, lifts or revokes. What is written down holds, even if the core does not answer.
func (m *machine) admin(t *rapid.T) {
	n := pick(t, m.people, "number")
	who := admin.Who{Operator: "operator test"}
	ctx := context.Background()
	m.records.Store = m.stores[m.owns]
	switch rapid.SampledFrom([]string{"block", "unblock", "unblock", "revoke"}).Draw(t, "what") {
	case "block":
		require.NoError(t, m.desk.Block(ctx, n, time.Time{}, "a test", who))
		m.bar(n).blocked = true
	case "unblock":
		_, err := m.desk.Unblock(ctx, n, true)
		require.NoError(t, err)
		m.bar(n).blocked = false
	case "revoke":
		m.faults.arm(t)
		_, err := m.desk.Revoke(ctx, n, false, who)
		hit, _ := m.ended(t, m.owns)
		m.revoked(n, hit || err != nil)
	}
}

// revoked is what a revocation leaves: nothing that the number had. What failed on the way cannot be told apart later,
// but makes no session any more.
func (m *machine) revoked(n phone.Number, failed bool) {
	m.bar(n).since = m.clock.now()
	for _, l := range m.links {
		if l.owner == n && l.state == open {
			l.state, l.unsure = revoked, l.unsure || failed
		}
	}
	for _, s := range m.granted {
		if s.number == n.Digits() {
			s.over, s.unsure = true, s.unsure || failed
		}
	}
}
