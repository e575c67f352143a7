package property_test

import (
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// presentation draws what a browser comes with.
func (m *machine) presentation(t *rapid.T) (p presented, body map[string]any) {
	p = presented{
		from: pick(t, m.browsers, "browser"), bring: rapid.Bool().Draw(t, "bring the guest"),
		replace: rapid.Bool().Draw(t, "replace a session"),
	}
	body = map[string]any{"preAuthSessionId": "invented", "linkCode": "invented", "bringGuest": p.bring, "replaceSession": p.replace}
	if len(m.links) == 0 {
		return p, body // an invented one
	}
	l := pick(t, m.links, "link")
	if live := m.live(); len(live) > 0 && rapid.IntRange(0, 3).Draw(t, "any link") > 0 {
		l = pick(t, live, "live link")
	}
	foreign := pick(t, m.links, "another link")
	switch rapid.SampledFrom([]string{"right", "right", "right", "right", "right", "foreign code", "forged code", "forged link"}).Draw(t, "secret") {
	case "forged link":
		body["linkCode"] = l.code
		return p, body
	case "foreign code":
		p.link, body["linkCode"] = l, foreign.code
	case "forged code":
		p.link, body["linkCode"] = l, l.code+"A"
	default:
		p.link, body["linkCode"] = l, l.code
	}
	body["preAuthSessionId"] = l.preAuth
	p.right = body["linkCode"] == l.code
	all := l.owner.Digits()
	p.digits = rapid.SampledFrom([]string{all[len(all)-4:], all[len(all)-4:], all[len(all)-4:], "0000", "9999", ""}).Draw(t, "digits")
	if p.digits != "" {
		body["digits"] = p.digits
	}
	if p.bring && l.tag != "" && rapid.IntRange(0, 3).Draw(t, "without a tag") > 0 {
		p.tag, body["offer"] = l.tag, l.tag
	}
	return p, body
}

// live are the links that may still work.
func (m *machine) live() (some []*link) {
	for _, l := range m.links {
		if l.state == open {
			some = append(some, l)
		}
	}
	return some
}

const consumePath = "/auth/signinup/code/consume"

func (m *machine) confirm(t *rapid.T) {
	p, body := m.presentation(t)
	side := m.side(t)
	foretold := m.expect(p)
	before, sessions := m.tally()
	m.faults.arm(t)
	a := p.from.ask(t, m.routes, http.MethodPost, consumePath, body)
	after, signedIn := m.tally()
	hit, died := m.ended(t, side)
	m.came(p)
	if died {
		m.unknown(p)
		return
	}
	reason := why(t, before, after)
	if offer, ok := a.body["offer"].(map[string]any); ok {
		require.True(t, p.digitsRight(), "what a guest did is told to nobody who does not know the digits")
		p.link.tag, _ = offer["tag"].(string)
	}
	got := a.session(t)
	if got != nil {
		require.Equal(t, "none", reason, "a success is no refusal")
		m.grant(p, got)
		reason = "ok"
	} else {
		require.NotEqual(t, "none", reason, "every refusal has a reason: %v", a.body)
	}
	p.from.take(a)
	if hit {
		m.unknown(p)
		return
	}
	if foretold != "" {
		require.Equal(t, foretold, reason, "%v", a.body)
		require.Equal(t, got != nil, signedIn == sessions+1, "a sign-in is counted once")
	}
	m.after(p, reason)
}

// came notes that a link was opened.
func (m *machine) came(p presented) {
	if p.link != nil && p.right && p.link.state == open && m.clock.now().Before(p.link.latest) {
		p.link.opened = true
		m.mayBring(p)
	}
}

// grant is a session that a browser was given.
func (m *machine) grant(p presented, s *session) {
	m.opens(p, s)
	s.number = p.link.owner.Digits()
	if old := p.from.signedIn; old != nil {
		old.over = true // it made room
	}
	p.from.signedIn = s
	p.from.attempt, p.from.begunTo = "", time.Time{}
	m.granted = append(m.granted, s)
	p.link.sessions++
	p.link.state = used
}

// after is what an answer leaves that nothing disturbed.
func (m *machine) after(p presented, reason string) {
	switch reason {
	case "wrong_digits":
		p.link.wrong++
	case "guessed":
		p.link.state = revoked
	}
}

// unknown is what is left after an answer that something disturbed.
func (m *machine) unknown(p presented) {
	p.from.unsure = true
	if s := p.from.signedIn; s != nil {
		s.unsure = true
	}
	if p.link != nil && p.link.state == open {
		p.link.unsure = true
	}
}

// tally is the refusals by reason and the sign-ins.
func (m *machine) tally() (refused map[string]int, signedIn int) {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	return maps.Clone(m.counts.refused), m.counts.signedIn
}

// why is the one reason that was counted; "none" for none.
func why(t require.TestingT, before, after map[string]int) string {
	reason, n := "none", 0
	for r, count := range after {
		if more := count - before[r]; more > 0 {
			reason, n = r, n+more
		}
	}
	require.LessOrEqual(t, n, 1, "one reason: %v after %v", after, before)
	return reason
}

// confirmTwice opens one link in two browsers at once.
func (m *machine) confirmTwice(t *rapid.T) {
	if len(m.links) == 0 {
		return
	}
	l := m.links[len(m.links)-1]
	all := l.owner.Digits()
	body := map[string]any{"preAuthSessionId": l.preAuth, "linkCode": l.code, "digits": all[len(all)-4:], "bringGuest": false, "replaceSession": true}
	m.side(t)
	var who [2]presented
	var answers [2]answer
	for i := range who {
		who[i] = presented{link: l, right: true, digits: all[len(all)-4:], replace: true, from: m.browsers[i]}
	}
	foretold := m.expect(who[0]) == "ok" && m.expect(who[1]) == "ok"
	before, _ := m.tally()
	var both sync.WaitGroup
	for i := range who {
		both.Go(func() { answers[i] = who[i].from.ask(t, m.routes, http.MethodPost, consumePath, body) })
	}
	both.Wait()
	after, _ := m.tally()
	refusals, granted := 0, 0
	for r, count := range after {
		refusals += count - before[r]
	}
	for i, a := range answers {
		m.came(who[i])
		if s := a.session(t); s != nil {
			granted++
			m.grant(who[i], s)
		}
		who[i].from.take(a)
	}
	require.Equal(t, 2, granted+refusals, "each of two is let in or refused for one reason")
	if foretold {
		require.Equal(t, 1, granted, "of two at once, one wins")
	}
}
