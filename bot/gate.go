package bot

import (
	"sync"
	"time"
)

// Bounds of the gate.
const (
	gateSpan      = time.Minute     // senders are counted by the minute in which they sent
	gateForget    = 2 * time.Minute // counts are kept so long
	gateMax       = 10_000          // and so many of them; then all are forgotten, which lets more in, never less
	gateLeast     = 20              // requests of one sender in a minute that always pass
	gateOther     = 1               // other texts of one sender in a minute that are worth a row
	gateTolerance = 2               // how many times a number's own budget of links may pass the gate
)

// gate bounds what one sender can make us write. What does not pass is acknowledged, counted and forgotten.
//
// It loses nobody's login: it lets at least twice as many requests of a minute pass as the sender's own budget has
// links, so that what it stops would have been refused as limited or coalesced. It counts by the minute in which a
// message was sent, on WhatsApp's clock, so that a queue that arrives at once after an outage is not taken for a
// flood and a fresh tap is not lost behind old ones. It lives in memory: a restart lets a little more in.
type gate struct {
	mu    sync.Mutex
	since time.Time
	seen  map[gateKey]int
}

type gateKey struct {
	kind, sender string
	minute       int64
}

func newGate() *gate { return &gate{seen: map[gateKey]int{}} }

// enter reports whether one more message of the sender passes; leave takes that back.
func (g *gate) enter(k gateKey, limit int, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if age := now.Sub(g.since); age >= gateForget || age < 0 || len(g.seen) >= gateMax {
		g.since, g.seen = now.Truncate(gateSpan), map[gateKey]int{} // between two minutes, not within one
	}
	if g.seen[k] >= limit {
		return false
	}
	g.seen[k]++
	return true
}

func (g *gate) leave(k gateKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen[k] > 0 {
		g.seen[k]--
	}
}

func gateKeyOf(kind, sender string, sentAt time.Time) gateKey {
	return gateKey{kind: kind, sender: sender, minute: sentAt.Truncate(gateSpan).Unix()}
}

// gateLimit is how many login requests of one number may pass in a minute.
func gateLimit(number Rate) int {
	links := number.Burst + int(gateSpan/number.Every)
	return max(gateLeast, gateTolerance*links)
}

// seen remembers a bounded number of ids, for as long as the process lives.
type seen struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

const seenMax = 4096

func (s *seen) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil || len(s.ids) >= seenMax {
		s.ids = map[string]struct{}{}
	}
	s.ids[id] = struct{}{}
}

func (s *seen) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.ids[id]
	return ok
}
