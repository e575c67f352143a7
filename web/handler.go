package web

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxBody bounds what a request may carry. The longest honest one is a consume or a refresh: far below.
const maxBody = 64 << 10

// Handler serves every route: the pages, the session, health, and SuperTokens' own paths through Sessions.
// From outside in: request id, security headers and access log; panics; cross-origin writes; body size; routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	s.get(mux, "/livez", s.livez)
	s.get(mux, "/readyz", s.readyz)
	if s.cfg.HealthOnly {
		mux.HandleFunc("/", s.nothingHere)
		return s.edge(s.recovered(bounded(mux)))
	}
	site, api := s.cfg.WebsiteBasePath, s.cfg.APIBasePath
	h := s.cfg.Sessions.Routes(mux)
	if site != "" {
		s.get(mux, site, s.login)
	}
	s.get(mux, site+"/{$}", s.login)
	s.form(mux, site+"/code", func(w http.ResponseWriter, r *http.Request) { s.code(w, r, h) })
	s.get(mux, site+"/verify", s.verify)
	s.get(mux, site+"/signed-in", s.signedIn)
	s.get(mux, api+"/session", s.session)
	for path := range s.assets.byPath {
		s.get(mux, path, s.asset)
	}
	mux.HandleFunc("/", s.notFound)

	h = bounded(h)
	s.origins.SetDenyHandler(http.HandlerFunc(s.foreignOrigin))
	h = s.origins.Handler(h)
	h = s.recovered(h)
	return s.edge(h)
}

// pageWait is how long a page waits for an answer of Sessions before it calls the attempt off: until there must be one.
func (s *Server) pageWait() time.Duration { return s.cfg.Patience + 5*time.Second }

// HTTPServer serves Handler at addr, with timeouts that keep slow or silent clients from holding connections and cut no
// answer off that a page still waits for.
func (s *Server) HTTPServer(addr string) *http.Server {
	const read = 15 * time.Second
	return &http.Server{
		Addr:              addr,
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       read,
		// From the end of the request's head on: its body comes in within ReadTimeout.
		WriteTimeout:   max(time.Minute, read+s.pageWait()+20*time.Second),
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
	}
}

// get registers a path that is only read. What changes something belongs to the API's routes.
func (s *Server) get(mux *http.ServeMux, path string, h http.HandlerFunc) {
	s.route(mux, path, h, http.MethodGet, http.MethodHead)
}

// form registers a path to which a form of a page is sent.
func (s *Server) form(mux *http.ServeMux, path string, h http.HandlerFunc) {
	s.route(mux, path, h, http.MethodPost)
}

func (s *Server) route(mux *http.ServeMux, path string, h http.HandlerFunc, methods ...string) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		note(r, path)
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			s.writeError(w, r, http.StatusMethodNotAllowed)
			return
		}
		h(w, r)
	})
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.writeError(w, r, http.StatusNotFound)
}

// nothingHere is notFound where there are no pages.
func (s *Server) nothingHere(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusNotFound, map[string]string{"message": http.StatusText(http.StatusNotFound)})
}

func (s *Server) foreignOrigin(w http.ResponseWriter, r *http.Request) {
	s.writeError(w, r, http.StatusForbidden)
}

// writeError answers a person with a page and a program with JSON.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, status int) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		writeJSON(w, status, map[string]string{"message": http.StatusText(status)})
		return
	}
	v := s.view(r, "error", nil)
	v.Key = "error.other"
	switch status {
	case http.StatusNotFound:
		v.Key = "error.notFound"
	case http.StatusServiceUnavailable, http.StatusInternalServerError:
		v.Key, v.Retry = "error.unavailable", true
	}
	s.render(w, r, status, v)
}
