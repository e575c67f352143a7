package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// longestBody is what the gateway reads of a request.
const longestBody = 64 << 10

// tenant is the one that the gateway knows. The front end may name it in a path.
const tenant = "public"

// route is what one method of one path does.
type route struct {
	fields []string // of the JSON body; nil: the body is not looked at
	query  []string
	do     func(*call) (any, error)
}

// call is one request.
type call struct {
	ctx  context.Context
	r    *http.Request
	w    http.ResponseWriter
	body map[string]json.RawMessage
}

// object is a JSON object.
type object map[string]any

// refusal is an error that the gateway answers with a status of HTTP and a sentence.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

func bad(format string, args ...any) error {
	return refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// nothing is an answer without a body: 204.
type nothing struct{}

func (s *Server) routes() map[string]map[string]route {
	get := func(do func(*call) (any, error), query ...string) map[string]route {
		return map[string]route{http.MethodGet: {do: do, query: query}}
	}
	post := func(do func(*call) (any, error), fields ...string) map[string]route {
		return map[string]route{http.MethodPost: {do: do, fields: fields}}
	}
	return map[string]map[string]route{
		"/signinup/code":         post(s.createCode, "phoneNumber", "email", "shouldTryLinkingWithSessionUser"),
		"/signinup/code/resend":  post(s.resendCode, "deviceId", "preAuthSessionId", "shouldTryLinkingWithSessionUser"),
		"/signinup/code/consume": post(s.consumeCode, "preAuthSessionId", "linkCode", "deviceId", "userInputCode", "shouldTryLinkingWithSessionUser"),
		"/session/refresh":       post(s.refresh),
		"/signout":               post(s.signOut),
		"/jwt/jwks.json":         get(s.jwks),
		"/session":               get(s.whoAmI),
		"/anonymous-session":     {http.MethodPost: {do: s.beGuest, query: []string{"force_new"}}},
		"/anonymous/claim":       {http.MethodPatch: {do: s.claimGuest}},
	}
}

// Handler is the stand-in without its listener.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if s.page(w, r) {
		return
	}
	path, below := strings.CutPrefix(r.URL.Path, s.o.APIBasePath)
	path = strings.TrimPrefix(path, "/"+tenant)
	methods := s.table[path]
	s.log.Debug().Str("method", r.Method).Msg("stand-in for konsulin-api: request")
	if !below || methods == nil {
		s.note("path %q", r.URL.Path)
		s.fail(w, refusal{http.StatusNotFound, "no such path"})
		return
	}
	s.mu.Lock()
	s.calls[path]++
	s.mu.Unlock()
	s.run(s.before, path)
	answer, err := s.work(w, r, methods)
	s.run(s.after, path)
	if err != nil {
		s.fail(w, err)
		return
	}
	if _, empty := answer.(nothing); empty {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	write(w, http.StatusOK, answer)
}

// work checks a request and does it. What was begun is finished when the caller leaves, as in the gateway.
func (s *Server) work(w http.ResponseWriter, r *http.Request, methods map[string]route) (any, error) {
	rt, known := methods[r.Method]
	if !known {
		s.note("method %q", r.Method)
		return nil, refusal{http.StatusMethodNotAllowed, "no such method here"}
	}
	for name := range r.URL.Query() {
		if !slices.Contains(rt.query, name) {
			s.note("parameter %q", name)
			return nil, bad("there is a parameter that the gateway does not know")
		}
	}
	c := &call{ctx: context.WithoutCancel(r.Context()), r: r, w: w}
	if rt.fields == nil {
		return rt.do(c)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
	if err != nil || json.Unmarshal(raw, &c.body) != nil || c.body == nil {
		return nil, bad("the body must be one JSON object")
	}
	for name := range c.body {
		if !slices.Contains(rt.fields, name) {
			s.note("field %q", name)
			return nil, bad("there is a field that the gateway does not know")
		}
	}
	return rt.do(c)
}

// text reads a string of the body; empty when it is not there.
func (c *call) text(name string) (string, error) {
	raw, given := c.body[name]
	if !given {
		return "", nil
	}
	var v *string
	if json.Unmarshal(raw, &v) != nil || v == nil {
		return "", bad("%s must be text", name)
	}
	return *v, nil
}

// texts reads several.
func (c *call) texts(names ...string) (map[string]string, error) {
	all := map[string]string{}
	for _, name := range names {
		v, err := c.text(name)
		if err != nil {
			return nil, err
		}
		all[name] = v
	}
	return all, nil
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	r := refusal{http.StatusInternalServerError, "something behind the gateway failed"}
	if !errors.As(err, &r) {
		s.log.Warn().Err(err).Msg("stand-in for konsulin-api: a server behind it failed")
	}
	write(w, r.status, object{"message": r.text})
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the caller may have gone
}

// maxUnknown bounds the list of unknown things; a test reads the first one.
const maxUnknown = 1000

// note remembers what was not known.
func (s *Server) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unknown) < maxUnknown {
		s.unknown = append(s.unknown, strings.ToValidUTF8(fmt.Sprintf(format, args...), "?"))
	}
}
