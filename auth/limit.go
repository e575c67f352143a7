package auth

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What one client may begin or ask about. Many people may share one address, so this stops floods and nobody else.
const (
	clientRate  = 20 // a second
	clientBurst = 200
	clientsMax  = 20_000 // then all are forgotten, which lets more in, never less
)

// limiter bounds what one client may ask of the routes that write a record for somebody who is nobody yet. It lives in
// memory: what it protects is bounded by retention as well.
type limiter struct {
	now func() time.Time

	mu      sync.Mutex
	clients map[netip.Prefix]*rate.Limiter
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, clients: map[netip.Prefix]*rate.Limiter{}}
}

// allow takes one event of a client. IPv6 clients are told apart by their network: one of them has all its addresses.
func (l *limiter) allow(client netip.Addr) bool {
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	key, err := client.Prefix(bits)
	if err != nil {
		key = netip.Prefix{} // those who cannot be told apart share
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.clients[key]
	if one == nil {
		if len(l.clients) >= clientsMax {
			clear(l.clients)
		}
		one = rate.NewLimiter(clientRate, clientBurst)
		l.clients[key] = one
	}
	return one.AllowN(l.now(), 1)
}

// mayBegin bounds a client by its address.
func (s *Service) mayBegin(r *http.Request) bool {
	if s.cfg.Client != nil {
		return s.limit.allow(s.cfg.Client(r))
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return s.limit.allow(netip.Addr{})
	}
	return s.limit.allow(peer.Addr().Unmap())
}
