package supertokens

import (
	"fmt"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/loopback"
	"github.com/rs/zerolog"
)

// The core's own defaults.
const (
	defaultCodeLifetime = 15 * time.Minute
	defaultAccessToken  = time.Hour
	defaultRefreshToken = 144000 * time.Minute
	maxCodeAttempts     = 5
)

// Options configure a stand-in. The zero value is a core with its default settings and no API key.
type Options struct {
	Addr                 string        // loopback host and port; empty or port 0: a free port of 127.0.0.1
	APIKey               string        // empty: no key is asked for
	CodeLifetime         time.Duration // 0: 15 minutes
	AccessTokenValidity  time.Duration // 0: one hour
	RefreshTokenValidity time.Duration // 0: 100 days
	Now                  func() time.Time
	Log                  zerolog.Logger // one debug line per request, without query or body
}

// Server is a running stand-in. All its methods may be called from any goroutine.
type Server struct {
	o      Options
	log    zerolog.Logger
	keys   *keys
	routes map[string]map[string]route // path without tenant → method → what it does
	faults faults

	net *loopback.Server

	mu      sync.Mutex // guards everything below; held while a request is worked on
	core    *core
	calls   map[string]int
	unknown []string
}

// New starts a stand-in. It is listening when New returns.
func New(o Options) (*Server, error) {
	setDefaults(&o)
	k, err := newKeys()
	if err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	s := &Server{o: o, log: o.Log, keys: k, core: newCore(), calls: map[string]int{}}
	s.routes = s.table()
	s.faults.init()
	if s.net, err = loopback.Listen(o.Addr); err != nil {
		return nil, err
	}
	s.net.Serve(s.Handler())
	return s, nil
}

func setDefaults(o *Options) {
	if o.CodeLifetime == 0 {
		o.CodeLifetime = defaultCodeLifetime
	}
	if o.AccessTokenValidity == 0 {
		o.AccessTokenValidity = defaultAccessToken
	}
	if o.RefreshTokenValidity == 0 {
		o.RefreshTokenValidity = defaultRefreshToken
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// URL is where the stand-in listens, without a final slash. It stays the same across outages.
func (s *Server) URL() string { return "http://" + s.net.Addr() }

// Close stops the stand-in for good. It may be called more than once.
func (s *Server) Close() error {
	err := s.net.Close() // first, so that a request that Slow holds gets no answer any more
	s.faults.close()
	return err
}

// Unknown lists the requests that the stand-in did not know: path, method, header or field. Never a value.
func (s *Server) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.unknown...)
}

// Calls counts the requests to a path, written without tenant ("/recipe/signinup/code"). The empty path counts all
// requests to known paths. Requests that a fault answered are counted too.
func (s *Server) Calls(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path != "" {
		return s.calls[path]
	}
	sum := 0
	for _, n := range s.calls {
		sum += n
	}
	return sum
}

// Codes counts the unexpired codes of a number, written exactly as it was sent to the core.
func (s *Server) Codes(phone string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, d := range s.core.devicesOf(contact{phone: given(normalPhone(phone))}) {
		for _, c := range d.codes {
			if !s.expired(c) {
				n++
			}
		}
	}
	return n
}

// Sessions counts the live sessions of a user.
func (s *Server) Sessions(userID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.liveSessions(userID))
}

// User is a user as the core knows it.
type User struct {
	ID     string // UUID
	Phone  string // empty: none
	Email  string // empty: none
	Joined time.Time
	Roles  []string // sorted
}

// Users lists all users, oldest first.
func (s *Server) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]User, 0, len(s.core.users))
	for _, u := range s.core.users.sorted() {
		list = append(list, User{ID: u.id, Phone: u.phone.value, Email: u.email.value, Joined: u.joined, Roles: s.core.rolesOf(u.id)})
	}
	return list
}
