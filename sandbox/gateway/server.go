package gateway

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/loopback"
	"github.com/rs/zerolog"
)

// Where the routes and the page are by default, as in production.
const (
	APIBasePath     = "/api/v1/auth"
	WebsiteBasePath = "/auth"
)

const callTimeout = 10 * time.Second // of one call to a server behind the gateway

// Options configure a stand-in. Core is required; without FHIR or Omnichannel it leaves the others' records alone.
type Options struct {
	Addr        string // loopback host and port; empty or port 0: a free port of 127.0.0.1
	Core        string // base URL of the SuperTokens core
	CoreKey     string // of the core; empty: it asks for none
	FHIR        string // base URL of the FHIR server
	FHIRBearer  string // for the FHIR server; empty: it asks for none
	Omnichannel string // base URL of the webhook
	HookKey     string // x-api-key of the webhook; empty: it asks for none

	// Late has the records of a consumed code made after the session and its answer, and is called before that: it may
	// block. nil: they are made before the session, as the gateway does.
	Late func(userID string)

	APIBasePath     string // empty: /api/v1/auth
	WebsiteBasePath string // empty: /auth
	Now             func() time.Time
	Log             zerolog.Logger // one debug line per request, without query or body
}

// Link is a link that the gateway would have sent.
type Link struct {
	To  string // digits or e-mail address
	URL string
}

// Server is a running stand-in. All its methods may be called from any goroutine.
type Server struct {
	o     Options
	log   zerolog.Logger
	http  *http.Client
	guest []byte // signs guests' tokens
	table map[string]map[string]route

	net  *loopback.Server
	late sync.WaitGroup // records that are still to be made

	mu      sync.Mutex // guards everything below
	calls   map[string]int
	unknown []string
	sent    []Link
	before  map[string]func()
	after   map[string]func()
}

// New starts a stand-in. It is listening when New returns.
func New(o Options) (*Server, error) {
	if o.APIBasePath == "" {
		o.APIBasePath = APIBasePath
	}
	if o.WebsiteBasePath == "" {
		o.WebsiteBasePath = WebsiteBasePath
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Core, o.FHIR, o.Omnichannel = strings.TrimRight(o.Core, "/"), strings.TrimRight(o.FHIR, "/"), strings.TrimRight(o.Omnichannel, "/")
	s := &Server{
		o: o, log: o.Log, guest: []byte(rand.Text()), calls: map[string]int{}, before: map[string]func(){}, after: map[string]func(){},
		// Each call has a connection of its own: a stand-in that goes down cuts those that are kept.
		http: &http.Client{Timeout: callTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	s.table = s.routes()
	var err error
	if s.net, err = loopback.Listen(o.Addr); err != nil {
		return nil, err
	}
	s.net.Serve(s.Handler())
	return s, nil
}

// URL is where the stand-in listens, without a final slash: the origin of the website and of the API. It stays the same
// across outages.
func (s *Server) URL() string { return "http://" + s.net.Addr() }

// Close stops the stand-in for good and waits for what it still does. It may be called more than once.
func (s *Server) Close() error {
	err := s.net.Close()
	s.late.Wait()
	return err
}

// Down begins (true) or ends (false) an outage as a stopped process shows it.
func (s *Server) Down(d bool) error { return s.net.Down(d) }

// Unknown lists what the stand-in did not know of requests: path, method, parameter or field. Never a value.
func (s *Server) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.unknown...)
}

// Calls counts the requests to a path below the API's base path ("/signinup/code/consume").
func (s *Server) Calls(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[path]
}

// Sent lists the links that the gateway would have sent, oldest first.
func (s *Server) Sent() []Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Link(nil), s.sent...)
}

// Before calls f before the work of each request to a path below the API's base path; nil ends that. f may block.
func (s *Server) Before(path string, f func()) { s.hook(s.before, path, f) }

// After calls f after the work of each request to a path below the API's base path and before its answer; nil ends that.
// f may block.
func (s *Server) After(path string, f func()) { s.hook(s.after, path, f) }

func (s *Server) hook(hooks map[string]func(), path string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hooks[path] = f
}

func (s *Server) run(hooks map[string]func(), path string) {
	s.mu.Lock()
	f := hooks[path]
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

// send is the delivery of a link.
func (s *Server) send(to, url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, Link{To: to, URL: url})
}
