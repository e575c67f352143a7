package supertokens

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// cdi is the one version of the driver interface that the stand-in speaks.
const cdi = "3.1"

// tenant is the one tenant that the stand-in has.
const tenant = "public"

// What the core does not ask of a request to a path.
const (
	noVersion = 1 << iota
	noKey
)

// route is what one method of one path does.
type route struct {
	fields []string // of the query for GET, else of the JSON body
	tenant bool     // the tenant of the path matters; else any tenant may stand there
	rid    string   // recipe id that must be named, because several recipes share the path
	open   int
	do     func(*call) (object, error)
}

// call is one request with its fields.
type call struct {
	fields
	w      http.ResponseWriter
	tenant string // as the path names it; empty: the public one
}

// object is a JSON object of an answer.
type object map[string]any

// refusal is an error that the core answers with a status of HTTP and a text.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

func bad(format string, args ...any) error {
	return refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

var prefixed = regexp.MustCompile(`^/([a-z0-9-]+)(/(?:recipe|users?|apiversion|hello|\.well-known)(?:/.*)?)$`)

// Handler is the stand-in without its listener.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	path, named := s.split(r.URL.Path)
	s.log.Debug().Str("method", r.Method).Str("path", path).Msg("stand-in for SuperTokens: request")
	s.count(path)
	if s.faults.refuse(w, r) {
		return
	}
	s.faults.run(s.faults.before, path)
	answer, err := s.work(w, r, path, named)
	s.faults.run(s.faults.after, path)
	if s.faults.lost(path) {
		panic(http.ErrAbortHandler) // how net/http cuts a connection without an answer
	}
	var refused refusal
	switch {
	case errors.As(err, &refused):
		text(w, refused.status, refused.text)
	case err != nil:
		text(w, http.StatusInternalServerError, err.Error())
	default:
		reply(w, answer)
	}
}

// split takes the tenant off a path. Paths are compared in lower case and without a final slash.
func (s *Server) split(raw string) (path, named string) {
	path = strings.ToLower(raw)
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if _, known := s.routes[path]; known {
		return path, ""
	}
	if m := prefixed.FindStringSubmatch(path); m != nil {
		return m[2], m[1]
	}
	return path, ""
}

func (s *Server) count(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.routes[path]; known {
		s.calls[path]++
	}
}

// work checks a request as the core does, in its order, and does it.
func (s *Server) work(w http.ResponseWriter, r *http.Request, path, named string) (object, error) {
	methods, known := s.routes[path]
	if !known {
		s.note(r.Method, path, "unknown path")
		return nil, refusal{http.StatusNotFound, "Not found"}
	}
	rt, known := methods[r.Method]
	if err := s.admit(r, path, methods); err != nil {
		return nil, err
	}
	if !known {
		s.note(r.Method, path, "unknown method")
		if !slices.Contains(servlet(), r.Method) {
			return nil, refusal{http.StatusNotImplemented, "Method is not implemented"}
		}
		return nil, refusal{http.StatusMethodNotAllowed, "Method not supported"}
	}
	if rt.rid != "" && r.Header.Get("rid") != rt.rid {
		s.note(r.Method, path, "rid is not "+rt.rid)
		return nil, bad("rid must be %s: without it the core asks another recipe", rt.rid)
	}
	in, strange, err := readFields(w, r, rt.fields)
	for _, name := range strange {
		s.note(r.Method, path, fmt.Sprintf("unknown field %q", name))
	}
	if err != nil {
		return nil, err
	}
	c := &call{fields: in, w: w, tenant: named}
	if rt.tenant {
		if err := c.knownTenant(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return rt.do(c)
}

// knownTenant refuses a tenant that does not exist. Most paths that name none or all of them do not ask.
func (c *call) knownTenant() error {
	if c.tenant == "" || c.tenant == tenant {
		return nil
	}
	return bad("AppId or tenantId not found => Tenant with the following connectionURIDomain, appId and "+
		"tenantId combination not found: (, %s, %s)", tenant, c.tenant)
}

// servlet are the methods that the core's server knows at all.
func servlet() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete,
		http.MethodOptions, http.MethodTrace}
}

// admit checks the API key and the version of the interface, which the core does before anything else.
func (s *Server) admit(r *http.Request, path string, methods map[string]route) error {
	var open int
	for _, rt := range methods {
		open = rt.open // the same for all methods of a path
	}
	if open&noKey == 0 && !s.keyFits(r) {
		return refusal{http.StatusUnauthorized, "Invalid API key"}
	}
	if open&noVersion != 0 {
		return nil
	}
	switch v := r.Header.Get("cdi-version"); v {
	case cdi:
		return nil
	case "":
		s.note(r.Method, path, "no cdi-version")
		return bad("cdi-version not provided: the core would answer as its newest version does")
	default:
		s.note(r.Method, path, fmt.Sprintf("cdi-version %q", v))
		return bad("cdi-version %s not supported", v)
	}
}

func (s *Server) keyFits(r *http.Request) bool {
	if s.o.APIKey == "" {
		return true
	}
	key := r.Header.Get("api-key")
	if key == "" {
		key = r.Header.Get("Authorization")
		if len(key) > 7 && strings.EqualFold(key[:7], "bearer ") {
			key = key[7:]
		}
	}
	return subtle.ConstantTimeCompare([]byte(strings.TrimSpace(key)), []byte(s.o.APIKey)) == 1
}

// maxUnknown bounds the list of unknown requests; a test reads the first one.
const maxUnknown = 1000

func (s *Server) note(method, path, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unknown) < maxUnknown {
		s.unknown = append(s.unknown, method+" "+path+": "+what)
	}
	s.log.Warn().Str("method", method).Str("path", path).Str("what", what).Msg("stand-in for SuperTokens: unknown request")
}
