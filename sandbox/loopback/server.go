package loopback

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// reopenWait is how long Down(false) tries to get its port back.
const reopenWait = 5 * time.Second

// Server is a stand-in's place on the network. All its methods may be called from any goroutine.
type Server struct {
	addr string // fixed by Listen, kept across outages

	mu      sync.Mutex
	first   net.Listener // until Serve
	handler http.Handler
	server  *http.Server
	done    chan struct{} // closed when server's accept loop has ended
	closed  bool
}

// Listen takes a loopback address with a port; an empty one, or port 0, stands for a free port of 127.0.0.1. Whoever comes
// waits for Serve.
func Listen(addr string) (*Server, error) {
	l, err := listen(addr)
	if err != nil {
		return nil, err
	}
	return &Server{addr: l.Addr().String(), first: l}, nil
}

// Serve lets h answer. It is called once, before anything else.
func (s *Server) Serve(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
	s.serve(s.first)
	s.first = nil
}

// Addr is host and port. It stays the same across outages.
func (s *Server) Addr() string { return s.addr }

// Down begins (true) or ends (false) an outage as a stopped process shows it: the port refuses connections, and
// connections that exist are cut, even in the middle of a request. Ending one fails when somebody else has the port.
func (s *Server) Down(down bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if down {
		return s.stop()
	}
	if s.server != nil || s.closed {
		return nil
	}
	l, err := s.reopen()
	if err != nil {
		return fmt.Errorf("listen on %s again: %w", s.addr, err)
	}
	s.serve(l)
	return nil
}

// Close ends it for good. It may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.stop()
}

// had are the addresses that were tried. None is taken twice: a client that has not noticed yet that a stand-in ended would
// send its next request over the old connection.
var had sync.Map

// listen opens a loopback listener. A free port is sought below the range from which systems take the local ports
// of outgoing connections, so that nobody sits on it when an outage ends.
func listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %q: the stand-in binds loopback addresses only", addr)
	}
	if port != "0" {
		return net.Listen("tcp", addr)
	}
	for range 50 {
		candidate := net.JoinHostPort(host, fmt.Sprint(20000+rand.IntN(12000)))
		if _, again := had.LoadOrStore(candidate, true); again {
			continue
		}
		if l, err := net.Listen("tcp", candidate); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", addr)
}

// serve runs the HTTP server on l until stop. The caller holds mu.
func (s *Server) serve(l net.Listener) {
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	s.server, s.done = server, done
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with ErrServerClosed; there is nobody to tell
	}()
}

// stop closes the listener and every connection, as the end of a process does. The caller holds mu.
func (s *Server) stop() error {
	if s.server == nil {
		return nil
	}
	err := s.server.Close()
	<-s.done
	s.server = nil
	return err
}

// reopen takes the old address again. It waits, in case somebody sits on it for a moment.
func (s *Server) reopen() (net.Listener, error) {
	ctx, cancel := context.WithTimeout(context.Background(), reopenWait)
	defer cancel()
	for {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
		if err == nil {
			return l, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
