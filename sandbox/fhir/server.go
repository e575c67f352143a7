package fhir

import (
	"errors"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/loopback"
	"github.com/rs/zerolog"
)

// defaultPageSize is how many resources a page of a search holds.
const defaultPageSize = 50

// root is the path below which everything is served.
const root = "/fhir"

// Options configure a stand-in. The zero value asks for no credentials.
type Options struct {
	Addr         string // loopback host and port; empty or port 0: a free port of 127.0.0.1
	Bearer       string // of clients; empty: not asked for
	User         string // with Password, for HTTP basic; empty: not asked for
	Password     string
	APIKeyHeader string // name of the header that must hold APIKey; empty: not asked for
	APIKey       string
	PageSize     int // of a search, and the most that _count may ask for; 0: 50
	Now          func() time.Time
	Log          zerolog.Logger // one debug line per request, without path, query or body
}

// Server is a running stand-in. All its methods may be called from any goroutine.
type Server struct {
	o      Options
	log    zerolog.Logger
	store  *store
	book   book
	faults faults

	net *loopback.Server
}

// New starts a stand-in. It is listening when New returns.
func New(o Options) (*Server, error) {
	if (o.APIKeyHeader == "") != (o.APIKey == "") {
		return nil, errors.New("an API key needs a value and the name of its header")
	}
	if o.PageSize <= 0 {
		o.PageSize = defaultPageSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o, log: o.Log, store: newStore(o.Now)}
	s.book.calls = map[string]int{}
	s.faults.init()
	var err error
	if s.net, err = loopback.Listen(o.Addr); err != nil {
		return nil, err
	}
	s.net.Serve(s.Handler())
	return s, nil
}

// URL is the base URL of the stand-in, without a final slash. It stays the same across outages.
func (s *Server) URL() string { return "http://" + s.net.Addr() + root }

// Close stops the stand-in for good. It may be called more than once.
func (s *Server) Close() error {
	err := s.net.Close() // first, so that a request that Slow holds gets no answer any more
	s.faults.close()
	return err
}

// Unknown lists what the stand-in did not know of requests: path, method, parameter, header or field of a Bundle.
// Never the value of one.
func (s *Server) Unknown() []string {
	s.book.Lock()
	defer s.book.Unlock()
	return append([]string(nil), s.book.unknown...)
}

// Calls counts requests by interaction: "create Patient", "read Patient", "search Patient", "update Patient",
// "transaction", "capabilities". The empty name counts all requests. What a fault answered is counted too.
func (s *Server) Calls(interaction string) int {
	s.book.Lock()
	defer s.book.Unlock()
	if interaction != "" {
		return s.book.calls[interaction]
	}
	return s.book.all
}

// book is what is remembered of requests.
type book struct {
	sync.Mutex
	all     int
	calls   map[string]int
	unknown []string
}

// maxUnknown bounds the list of unknown requests, maxNote a line of it; a test reads the first one.
const (
	maxUnknown = 1000
	maxNote    = 300
)

func (b *book) count(interaction string) {
	b.Lock()
	defer b.Unlock()
	b.all++
	if interaction != "" {
		b.calls[interaction]++
	}
}

func (b *book) note(line string) {
	b.Lock()
	defer b.Unlock()
	if len(b.unknown) < maxUnknown {
		b.unknown = append(b.unknown, line[:min(len(line), maxNote)])
	}
}
