package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// What callers may branch on.
var (
	ErrTaken     = errors.New("number or hidden id already in use")
	ErrNoDevice  = errors.New("the account has no linked device")
	ErrClosed    = errors.New("the server is closed")
	ErrWrongCode = errors.New("wrong code")
)

// maxUnknown bounds the list of complaints: one is enough to fail a test, and a client may be broken in a loop.
const maxUnknown = 1000

// assistantLID keeps the table of phones regular; the assistant's hidden id is never shown.
const assistantLID = "199999999999999"

// Options of a Server. The zero value is good for tests.
type Options struct {
	Addr   string           // where to listen, "127.0.0.1:0" by default; only loopback is accepted
	Now    func() time.Time // the clock of stanzas, time.Now by default; certificates and waiting do not follow it
	Dedupe bool             // drop an outgoing message whose id this device has sent before (it is still acknowledged)
	Seed   []byte           // the same seed gives the same keys after a restart; without it a process has one root
}

// Server is WhatsApp. All methods are safe for concurrent use.
type Server struct {
	Faults // what goes wrong on every connection

	options   Options
	authority *authority
	listener  net.Listener
	web       *http.Server
	ctx       context.Context // ends with Close; what connections and phones wait on
	cancel    context.CancelFunc
	ids       atomic.Uint64
	assistant *handset // WhatsApp's own

	spawnMu sync.Mutex // orders the last spawn before Close's wait
	closed  bool
	work    sync.WaitGroup

	mu       sync.RWMutex
	accounts map[string]*Account // by digits of the number
	users    map[string]*User    // by digits of the number
	handsets map[types.JID]*handset
	refs     map[string]*conn // QR codes on display
	unknown  []string
}

// New starts a server; it is listening when New returns. Close it.
func New(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := requireLoopback(o.Addr); err != nil {
		return nil, err
	}
	authority, err := newAuthority(o.Seed)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{
		options: o, authority: authority, listener: listener,
		accounts: map[string]*Account{}, users: map[string]*User{},
		handsets: map[types.JID]*handset{}, refs: map[string]*conn{},
	}
	if s.assistant, err = s.newHandset(types.MetaAIJID.User, assistantLID, "Meta AI"); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.assistant.show = func(e envelope, _ *waE2E.Message) bool {
		s.complain("message %s to WhatsApp's own assistant", e.id)
		return false
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.web = &http.Server{Handler: http.HandlerFunc(s.serveHTTP), ReadHeaderTimeout: dialTimeout}
	s.spawn(func() { _ = s.web.Serve(listener) }) // ends with ErrServerClosed
	return s, nil
}

// Close drops all connections and waits for everything that the server started.
func (s *Server) Close() error {
	s.spawnMu.Lock()
	s.closed = true
	s.spawnMu.Unlock()
	s.cancel()
	err := s.web.Close()
	s.work.Wait()
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// Addr is the address that the server listens on, for HTTPClient.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// RootKey is the root of the server's certificates, for Trust.
func (s *Server) RootKey() [32]byte { return *s.authority.root.Pub }

// Unknown lists what the server did not expect: stanzas that nobody answered, malformed ones, and what breaks a rule
// that the real service relies on. It is empty when the client behaves.
func (s *Server) Unknown() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.unknown)
}

func (s *Server) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unknown) < maxUnknown {
		s.unknown = append(s.unknown, fmt.Sprintf(format, args...))
	}
}

// Account finds the account with this number.
func (s *Server) Account(phone string) (*Account, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.accounts[phone]
	return a, ok
}

// User finds the user with this number.
func (s *Server) User(phone string) (*User, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	u, ok := s.users[phone]
	return u, ok
}

// handset finds the phone behind an address, whichever of its two addresses it is.
func (s *Server) handset(jid types.JID) (*handset, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h, ok := s.handsets[jid.ToNonAD()]
	return h, ok
}

// register makes a phone reachable under both of its addresses, or under none.
func (s *Server) register(h *handset) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, jid := range []types.JID{h.pn, h.lid} {
		if _, taken := s.handsets[jid]; taken {
			return fmt.Errorf("%w: %s", ErrTaken, jid)
		}
	}
	s.handsets[h.pn], s.handsets[h.lid] = h, h
	return nil
}

// spawn runs f in a goroutine that Close waits for. After Close it does nothing.
func (s *Server) spawn(f func()) bool {
	s.spawnMu.Lock()
	defer s.spawnMu.Unlock()
	if s.closed {
		return false
	}
	s.work.Go(f)
	return true
}

// unix is the time in stanzas.
func (s *Server) unix() string { return strconv.FormatInt(s.options.Now().Unix(), 10) }

// nextID names a stanza that the server starts.
func (s *Server) nextID() string { return strconv.FormatUint(s.ids.Add(1), 10) }

func requireLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("address %q: the stand-in listens on loopback only", addr)
	}
	return nil
}
