package omnichannel

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/loopback"
	"github.com/rs/zerolog"
)

// Options configure a stand-in. The zero value serves guests: it asks for no proof, and takes none.
type Options struct {
	Addr      string           // loopback host and port; empty or port 0: a free port of 127.0.0.1
	PublicKey crypto.PublicKey // *ecdsa.PublicKey or *rsa.PublicKey of callers' tokens; nil: not asked for
	APIKey    string           // that x-api-key must hold; empty: not asked for
	Secret    string           // of Standard Webhooks, whsec_<base64>; empty: not asked for

	IDsAsString   bool // chatwoot_id is text instead of a number
	PerMinute     int  // calls in any minute before 429; 0: no limit
	NoIdempotency bool // a repeated idempotency key is a new call
	Now           func() time.Time
	Log           zerolog.Logger // one debug line per request, without path, header or body
}

// Contact is a contact of the omnichannel system.
type Contact struct {
	ID      int
	Phone   string // with plus
	Name    string
	Renames []string // names that it had before, oldest first
}

// copy shares nothing with c.
func (c *Contact) copy() Contact {
	one := *c
	one.Renames = append([]string(nil), c.Renames...)
	return one
}

// Server is a running stand-in. All its methods may be called from any goroutine.
type Server struct {
	o      Options
	log    zerolog.Logger
	secret []byte
	faults faults

	net *loopback.Server

	mu       sync.Mutex // guards everything below; held while a request is worked on
	contacts []*Contact
	answers  map[string]answer // by idempotency key
	calls    []time.Time
	admitted []time.Time // of the last minute
	unknown  []string
}

// New starts a stand-in. It is listening when New returns.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(o.Secret, "whsec_"))
	if err != nil {
		return nil, fmt.Errorf("secret of standard webhooks: %w", err)
	}
	s := &Server{o: o, log: o.Log, secret: secret, answers: map[string]answer{}}
	s.faults.closed = make(chan struct{})
	if s.net, err = loopback.Listen(o.Addr); err != nil {
		return nil, err
	}
	s.net.Serve(s.Handler())
	return s, nil
}

// URL is the base URL of the stand-in, without a final slash. It stays the same across outages.
func (s *Server) URL() string { return "http://" + s.net.Addr() }

// Close stops the stand-in for good. It may be called more than once.
func (s *Server) Close() error {
	err := s.net.Close() // first, so that a request that Slow holds gets no answer any more
	s.faults.close()
	return err
}

// Unknown lists what the stand-in did not know of requests: path, method, header, claim or field. Never a value.
func (s *Server) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.unknown...)
}

// Contacts lists all contacts, oldest first.
func (s *Server) Contacts() []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Contact, 0, len(s.contacts))
	for _, c := range s.contacts {
		list = append(list, c.copy())
	}
	return list
}

// Put is what a person in the omnichannel system does: it makes a contact, or renames the one with the number. It is
// no request: nothing counts it and no fault meets it.
func (s *Server) Put(phone, name string) Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.modify(phone, name).copy()
}

// Calls counts the requests to known paths. What a fault answered is counted too.
func (s *Server) Calls() int { return len(s.CallTimes()) }

// CallTimes is when the requests that Calls counts came, by the clock of the options.
func (s *Server) CallTimes() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.calls...)
}
