package omnichannel

import (
	"context"
	"sync"
	"time"
)

// faults are what is wrong with the service at the moment.
type faults struct {
	mu     sync.Mutex
	slow   time.Duration
	canned answer
	left   int // requests that canned still answers
	lose   int
	before func()
	after  func()
	closed chan struct{}
	once   sync.Once
}

func (f *faults) close() { f.once.Do(func() { close(f.closed) }) }

// Down begins (true) or ends (false) an outage as a stopped process shows it: the port refuses connections and
// connections that exist are cut, even in the middle of a request. What the service knows survives.
func (s *Server) Down(d bool) {
	if err := s.net.Down(d); err != nil {
		s.log.Error().Err(err).Bool("down", d).Msg("stand-in for the omnichannel webhook: outage")
	}
}

// Answer gives the next n requests this answer and does no work for them. retryAfter is the header of that name;
// empty: none.
func (s *Server) Answer(n, status int, body, retryAfter string) {
	s.faults.set(func(f *faults) { f.left, f.canned = n, answer{status: status, body: body, retryAfter: retryAfter} })
}

// Slow lets every request wait before it is worked on. 0 ends it.
func (s *Server) Slow(d time.Duration) { s.faults.set(func(f *faults) { f.slow = d }) }

// LoseResponse does the work of the next n requests, then drops the connection without an answer.
func (s *Server) LoseResponse(n int) { s.faults.set(func(f *faults) { f.lose = n }) }

// Before calls g before the work of each request; nil ends that. g may block, and may call any method of the server.
func (s *Server) Before(g func()) { s.faults.set(func(f *faults) { f.before = g }) }

// After calls g after the work of each request and before its answer; nil ends that. g may block, and may call any
// method of the server: Down(true) within it is a crash between work and answer.
func (s *Server) After(g func()) { s.faults.set(func(f *faults) { f.after = g }) }

func (f *faults) set(change func(*faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// instead waits when the service is slow, and returns the answer that stands in for work, if one is due.
func (f *faults) instead(ctx context.Context) (answer, bool) {
	f.mu.Lock()
	slow, canned, due := f.slow, f.canned, f.left > 0
	if due {
		f.left--
	}
	f.mu.Unlock()
	if slow > 0 {
		f.wait(ctx, slow)
	}
	return canned, due
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

// hooks are what to call around the work of a request.
func (f *faults) hooks() (before, after func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, after = func() {}, func() {}
	if f.before != nil {
		before = f.before
	}
	if f.after != nil {
		after = f.after
	}
	return before, after
}

// lost reports whether the answer of this request is to be dropped.
func (f *faults) lost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lose == 0 {
		return false
	}
	f.lose--
	return true
}
