package fhir

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// faults are what is wrong with the server at the moment.
type faults struct {
	mu         sync.Mutex
	racy       bool
	slow       time.Duration
	lag        time.Duration
	failNext   int
	failStatus int
	retryAfter string
	chaos      float64
	dice       *rand.Rand
	statuses   []int
	lose       map[string]int
	before     map[string]func()
	after      map[string]func()
	closed     chan struct{}
	once       sync.Once
}

func (f *faults) init() {
	f.lose, f.before, f.after = map[string]int{}, map[string]func(){}, map[string]func(){}
	f.closed = make(chan struct{})
}

func (f *faults) close() { f.once.Do(func() { close(f.closed) }) }

// Down begins (true) or ends (false) an outage as a stopped process shows it: the port refuses connections and
// connections that exist are cut, even in the middle of a request. What the server knows survives.
func (s *Server) Down(d bool) {
	if err := s.net.Down(d); err != nil {
		s.log.Error().Err(err).Bool("down", d).Msg("stand-in for FHIR: outage")
	}
}

// Racy sets the check of a conditional create and its write apart, as on most servers: both see and change the
// server at one moment, but two to four milliseconds lie between.
func (s *Server) Racy(r bool) { s.faults.set(func(f *faults) { f.racy = r }) }

// Slow lets every request wait before it is worked on. 0 ends it.
func (s *Server) Slow(d time.Duration) { s.faults.set(func(f *faults) { f.slow = d }) }

// IndexLag hides writes from searches until they are older than d by the clock of the options. No header helps
// against that. Reads see every write. 0 ends it.
func (s *Server) IndexLag(d time.Duration) { s.faults.set(func(f *faults) { f.lag = d }) }

// FailNext answers the next n requests with a status and does no work for them. retryAfter is the header of that
// name; empty: none.
func (s *Server) FailNext(n, status int, retryAfter string) {
	s.faults.set(func(f *faults) { f.failNext, f.failStatus, f.retryAfter = n, status, retryAfter })
}

// Chaos answers each request with probability p by one of the statuses, without work; no status: 503. The same seed
// and order of requests fail alike. p = 0 ends it.
func (s *Server) Chaos(p float64, seed uint64, statuses ...int) {
	if len(statuses) == 0 {
		statuses = []int{http.StatusServiceUnavailable}
	}
	s.faults.set(func(f *faults) {
		f.chaos, f.dice, f.statuses = p, rand.New(rand.NewPCG(seed, seed)), append([]int(nil), statuses...)
	})
}

// LoseResponse does the work of the next n requests of an interaction (empty: any), then drops the connection without
// an answer. An HTTP client repeats a GET by itself when that happens on a connection that it used before.
func (s *Server) LoseResponse(n int, interaction string) {
	s.faults.set(func(f *faults) { f.lose[interaction] = n })
}

// Before calls g before the work of each request of an interaction (empty: of every request); nil ends that. g may
// block, and may call any method of the server.
func (s *Server) Before(interaction string, g func()) {
	s.faults.set(func(f *faults) { f.before[interaction] = g })
}

// After calls g after the work of each request of an interaction (empty: of every request) and before its answer; nil
// ends that. g may block, and may call any method of the server: Down(true) within it is a crash between work and
// answer.
func (s *Server) After(interaction string, g func()) {
	s.faults.set(func(f *faults) { f.after[interaction] = g })
}

func (f *faults) set(change func(*faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// refuse waits when the server is slow, and returns the answer of a general fault, if one is due.
func (f *faults) refuse(ctx context.Context) error {
	f.mu.Lock()
	slow, status, retryAfter := f.slow, 0, ""
	switch {
	case f.failNext > 0:
		f.failNext--
		status, retryAfter = f.failStatus, f.retryAfter
	case f.chaos > 0 && f.dice.Float64() < f.chaos:
		status = f.statuses[f.dice.IntN(len(f.statuses))]
	}
	f.mu.Unlock()
	if slow > 0 {
		f.wait(ctx, slow)
	}
	if status == 0 {
		return nil
	}
	return refusal{status: status, text: "The server was told to refuse: " + strings.ToLower(http.StatusText(status)), retryAfter: retryAfter}
}

// race reports whether conditional creates are racy.
func (f *faults) race() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.racy
}

func (f *faults) indexLag() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lag
}

// window is the time between check and write of a racy conditional create.
func (f *faults) window(ctx context.Context) {
	f.wait(ctx, 2*time.Millisecond+rand.N(2*time.Millisecond))
}

func (f *faults) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-f.closed:
	}
}

// run calls the hook of every request and that of an interaction.
func (f *faults) run(hooks map[string]func(), interaction string) {
	f.mu.Lock()
	every, own := hooks[""], hooks[interaction]
	f.mu.Unlock()
	if every != nil {
		every()
	}
	if own != nil && interaction != "" {
		own()
	}
}

// lost reports whether the answer of this request is to be dropped.
func (f *faults) lost(interaction string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range []string{interaction, ""} {
		if f.lose[name] > 0 {
			f.lose[name]--
			return true
		}
	}
	return false
}
