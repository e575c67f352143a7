package supertokens

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// faults are what is wrong with the core at the moment.
type faults struct {
	mu          sync.Mutex
	unavailable bool
	slow        time.Duration
	failStatus  int
	failNext    int
	lose        map[string]int
	before      map[string]func()
	after       map[string]func()
	closed      chan struct{}
	once        sync.Once
}

func (f *faults) init() {
	f.lose, f.before, f.after = map[string]int{}, map[string]func(){}, map[string]func(){}
	f.closed = make(chan struct{})
}

func (f *faults) close() { f.once.Do(func() { close(f.closed) }) }

// Down begins (true) or ends (false) an outage as a stopped process shows it: the port refuses connections and
// connections that exist are cut, even in the middle of a request. What the core knows survives.
func (s *Server) Down(d bool) {
	if err := s.net.Down(d); err != nil {
		s.log.Error().Err(err).Bool("down", d).Msg("stand-in for SuperTokens: outage")
	}
}

// Unavailable begins or ends an outage as a proxy in front of the core shows it: 503 for everything.
func (s *Server) Unavailable(u bool) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.unavailable = u
}

// Slow lets every request wait before it is worked on. 0 ends it.
func (s *Server) Slow(d time.Duration) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.slow = d
}

// FailNext answers the next n requests with a status and does no work for them.
func (s *Server) FailNext(n, status int) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.failNext, s.faults.failStatus = n, status
}

// LoseResponse does the work of the next n requests to a path (written without tenant), then drops the connection
// without an answer. An HTTP client repeats a GET by itself when that happens on a connection that it used before.
func (s *Server) LoseResponse(n int, path string) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.lose[path] = n
}

// Before calls f before the work of each request to a path (written without tenant); nil ends that. f may block, and
// may call any method of the server.
func (s *Server) Before(path string, f func()) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.before[path] = f
}

// After calls f after the work of each request to a path (written without tenant) and before its answer; nil ends
// that. f may block, and may call any method of the server: Down(true) within it is a crash between work and answer.
func (s *Server) After(path string, f func()) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.after[path] = f
}

// refuse answers a request that a general fault meets, and reports whether it did.
func (f *faults) refuse(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	slow, status := f.slow, 0
	switch {
	case f.unavailable:
		status = http.StatusServiceUnavailable
	case f.failNext > 0:
		f.failNext--
		status = f.failStatus
	}
	f.mu.Unlock()
	if slow > 0 {
		f.wait(r.Context(), slow)
	}
	if status == 0 {
		return false
	}
	text(w, status, http.StatusText(status))
	return true
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

func (f *faults) run(hooks map[string]func(), path string) {
	f.mu.Lock()
	hook := hooks[path]
	f.mu.Unlock()
	if hook != nil {
		hook()
	}
}

// lost reports whether the answer of this request is to be dropped.
func (f *faults) lost(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lose[path] == 0 {
		return false
	}
	f.lose[path]--
	return true
}
