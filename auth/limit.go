package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	floodWait   = 5 * time.Second
)

// ErrBusy says that a client, or all of them together, begin more than they may.
var ErrBusy = errors.New("too much is begun at once")

// busyError is ErrBusy with how long to wait.
type busyError struct {
	wait   time.Duration
	budget bool // what may leave a row is spent; whoever asks is no flood
}

func (e *busyError) Error() string        { return ErrBusy.Error() }
func (e *busyError) Is(target error) bool { return target == ErrBusy }

// What a browser may begin before anybody knows whose it is. Each leaves a row.
const (
	BeginGuest = "guest"
	BeginLogin = "login"
)

// Admission bounds how much is begun, by all processes together and across restarts. Implemented over storage.
type Admission interface {
	// Admit takes one event from what the client may begin of a kind and from what everybody may. wait is zero when both had
	// one; else nothing is taken, and wait is after how long to ask again. everybody says whose share was empty.
	Admit(ctx context.Context, kind, client string) (wait time.Duration, everybody bool, err error)
}

// allowNew lets the browser of r begin something that leaves a row, or says why not. An error that is not ErrBusy means that
// nobody could be asked, and then nothing is begun.
func (s *Service) allowNew(ctx context.Context, r *http.Request, kind string) error {
	if s.cfg.Admission == nil {
		return nil
	}
	wait, everybody, err := s.cfg.Admission.Admit(ctx, kind, s.nameOf(s.clientOf(r)))
	switch {
	case err != nil:
		return fmt.Errorf("ask whether a %s may begin: %w", kind, err)
	case wait <= 0:
		return nil
	case everybody:
		s.turnAway(kind, turnedEverybody)
	default:
		s.turnAway(kind, turnedClient)
	}
	return &busyError{wait: wait, budget: true}
}

// nameOf names a client in storage by a keyed hash: an address says where somebody is.
func (s *Service) nameOf(client netip.Addr) string {
	mac := hmac.New(sha256.New, s.clientKey)
	mac.Write([]byte(network(client).String()))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// network is what one client has: IPv6 clients are told apart by their network, because one of them has all its addresses.
// Those who cannot be told apart share the zero one.
func network(client netip.Addr) netip.Prefix {
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	p, err := client.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// limiter bounds how often one client may ask the routes that anybody may ask, without a word to storage. It lives in memory
// and forgets; what is written is bounded by Admission, which does not.
type limiter struct {
	now func() time.Time

	mu      sync.Mutex
	clients map[netip.Prefix]*rate.Limiter
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, clients: map[netip.Prefix]*rate.Limiter{}}
}

// allow takes one event of a client.
func (l *limiter) allow(client netip.Addr) bool {
	key := network(client)
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

// mayBegin bounds a client by its address. Whom it stops is counted.
func (s *Service) mayBegin(r *http.Request) bool {
	if s.limit.allow(s.clientOf(r)) {
		return true
	}
	s.turnAway(s.routeName(r), turnedFlood)
	return false
}

func (s *Service) clientOf(r *http.Request) netip.Addr {
	if s.cfg.Client != nil {
		return s.cfg.Client(r)
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}
