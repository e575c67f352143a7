package fhir

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBody is how large a body may be.
const maxBody = 1 << 20

// call is one request.
type call struct {
	r           *http.Request
	w           http.ResponseWriter
	interaction string // empty: unknown
	path        string // as it is listed when something is unknown: without ids
	kind, id    string
	do          func(*Server, *call) (*answer, error)
}

// Handler is the stand-in without its listener.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{r: r, w: w, path: r.URL.Path}
	unknown := c.identify()
	s.log.Debug().Str("method", r.Method).Str("interaction", c.interaction).Msg("stand-in for FHIR: request")
	s.book.count(c.interaction)
	if err := s.faults.refuse(r.Context()); err != nil {
		s.fail(w, err)
		return
	}
	s.faults.run(s.faults.before, c.interaction)
	a, err := s.work(c, unknown)
	s.faults.run(s.faults.after, c.interaction)
	if s.faults.lost(c.interaction) {
		panic(http.ErrAbortHandler) // how net/http cuts a connection without an answer
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	s.reply(w, a)
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	var r refusal
	if !errors.As(err, &r) {
		r = refusal{status: http.StatusInternalServerError, text: err.Error()}
	}
	s.refuse(w, r)
}

// identify finds out what a request is. The error says that it is nothing known.
func (c *call) identify() error {
	rel, below := strings.CutPrefix(c.r.URL.Path, root)
	if !below || (rel != "" && rel[0] != '/') {
		return refusal{status: http.StatusNotFound, text: "unknown path"}
	}
	method, parts := c.r.Method, strings.Split(strings.TrimPrefix(rel, "/"), "/")
	if rel == "" || rel == "/" {
		return c.choose(root, map[string]route{http.MethodPost: {"transaction", (*Server).transaction}})
	}
	if rel == "/metadata" {
		return c.choose(root+rel, map[string]route{http.MethodGet: {"capabilities", (*Server).capabilities}})
	}
	if !knownKind(parts[0]) || len(parts) > 2 || (len(parts) == 2 && parts[1] != "_search" && !validID(parts[1])) {
		return refusal{status: http.StatusNotFound, text: "unknown path"}
	}
	c.kind = parts[0]
	path := root + "/" + c.kind
	switch {
	case len(parts) == 1:
		return c.choose(path, map[string]route{
			http.MethodGet:  {"search " + c.kind, (*Server).search},
			http.MethodPost: {"create " + c.kind, (*Server).create},
		})
	case parts[1] == "_search":
		return c.choose(path+"/_search", map[string]route{http.MethodPost: {"search " + c.kind, (*Server).search}})
	case method == http.MethodGet || method == http.MethodPut:
		c.id = parts[1]
	}
	return c.choose(path+"/{id}", map[string]route{
		http.MethodGet: {"read " + c.kind, (*Server).read},
		http.MethodPut: {"update " + c.kind, (*Server).update},
	})
}

// route is what a method of a path is and does.
type route struct {
	interaction string
	do          func(*Server, *call) (*answer, error)
}

func (c *call) choose(path string, methods map[string]route) error {
	c.path = path
	chosen, known := methods[c.r.Method]
	if !known {
		return refusal{status: http.StatusMethodNotAllowed, text: "unknown method"}
	}
	c.interaction, c.do = chosen.interaction, chosen.do
	return nil
}

// work checks what all requests have in common, then does the request.
func (s *Server) work(c *call, unknown error) (*answer, error) {
	if !s.authorised(c.r) {
		return nil, refusal{status: http.StatusUnauthorized, text: "The credentials are missing or wrong"}
	}
	if unknown != nil {
		s.note(c, unknown.Error())
		return nil, unknown
	}
	if err := s.headers(c); err != nil {
		return nil, err
	}
	return c.do(s, c)
}

// note lists something that the stand-in did not know.
func (s *Server) note(c *call, what string) {
	s.book.note(c.r.Method + " " + c.path + ": " + what)
	s.log.Warn().Str("method", c.r.Method).Str("interaction", c.interaction).Msg("stand-in for FHIR: unknown request")
}

// strange notes what the stand-in does not know and refuses it.
func (s *Server) strange(c *call, what string) error {
	s.note(c, what)
	return bad("The server refuses what it does not know: %s", what)
}

func (s *Server) authorised(r *http.Request) bool {
	if s.o.Bearer != "" {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "bearer") || !same(token, s.o.Bearer) {
			return false
		}
	}
	if s.o.User != "" || s.o.Password != "" {
		user, password, ok := r.BasicAuth()
		if !ok || !same(user, s.o.User) || !same(password, s.o.Password) {
			return false
		}
	}
	return s.o.APIKey == "" || same(r.Header.Get(s.o.APIKeyHeader), s.o.APIKey)
}

func same(given, want string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// plainHeaders are those that say nothing that a FHIR server would have to obey, or that every request may have.
func plainHeaders() []string {
	return []string{"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection",
		"Content-Length", "Content-Type", "Pragma", "Prefer", "Transfer-Encoding", "User-Agent", "X-Request-Id"}
}

// headers checks those that all requests may have. An unknown one is listed, no more: that is what servers do.
func (s *Server) headers(c *call) error {
	for name, values := range c.r.Header {
		var fits bool
		switch name {
		case "If-Match":
			fits = strings.HasPrefix(c.interaction, "update ")
		case "If-None-Exist":
			fits = strings.HasPrefix(c.interaction, "create ")
		default:
			if !slices.Contains(plainHeaders(), name) && !strings.EqualFold(name, s.o.APIKeyHeader) {
				s.note(c, fmt.Sprintf("unknown header %q", name))
			}
			continue
		}
		if !fits || len(values) != 1 {
			return s.strange(c, fmt.Sprintf("header %q here, or several times", name))
		}
	}
	if accept := c.r.Header.Get("Accept"); accept != "" && !strings.Contains(accept, mediaType) && !strings.Contains(accept, "*/*") {
		return refusal{status: http.StatusNotAcceptable, text: "The server answers " + mediaType + " only"}
	}
	return nil
}

// minimal reports whether the client wants no resource back from a write.
func (s *Server) minimal(c *call) bool {
	minimal := false
	for _, prefer := range strings.FieldsFunc(c.r.Header.Get("Prefer"), func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		switch prefer {
		case "return=minimal":
			minimal = true
		case "return=representation", "handling=strict":
		default:
			s.note(c, "unknown preference")
		}
	}
	return minimal
}

// body reads a body of a media type.
func (c *call) body(want string) ([]byte, error) {
	if got, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || got != want {
		return nil, refusal{status: http.StatusUnsupportedMediaType, text: "The body must be " + want}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, refusal{status: http.StatusRequestEntityTooLarge, text: "The body is too large"}
	}
	if err != nil {
		return nil, bad("The body cannot be read")
	}
	return raw, nil
}

// noQuery refuses parameters where there are none.
func (s *Server) noQuery(c *call) error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return bad("The query is malformed")
	}
	for name := range query {
		return s.strange(c, fmt.Sprintf("unknown parameter %q", name))
	}
	return nil
}
