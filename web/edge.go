package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/requestid"
	"github.com/rs/zerolog"
)

// routeKey finds the route's name in a request's context. The access log names routes and never paths, because a
// path is whatever a client sends: a number, a code, a line break.
type routeKey struct{}

// note tells the access log which route serves this request.
func note(r *http.Request, route string) {
	if name, ok := r.Context().Value(routeKey{}).(*string); ok {
		*name = route
	}
}

// edge gives every request an id, every response the security headers, and writes the access log.
func (s *Server) edge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.cfg.Now()
		id := rand.Text()
		log := s.cfg.Log.With().Str(requestid.Field, id).Logger()
		route := s.apiRoute(r.URL.Path)
		ctx := context.WithValue(log.WithContext(requestid.With(r.Context(), id)), routeKey{}, &route)
		w.Header().Set("X-Request-Id", id)
		s.secure(w.Header())
		rec := &recorder{ResponseWriter: w}
		defer func() {
			rec.log(&log, r.Method, route, s.cfg.Now().Sub(began))
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

// apiRoute names those of SuperTokens' routes that a browser is meant to use.
func (s *Server) apiRoute(path string) string {
	for _, route := range []string{
		"/signinup/code/consume", "/session/refresh", "/signout",
		"/login/start", "/login/attempt", "/login/link", "/login/code", "/anonymous-session", "/anonymous/claim",
	} {
		if path == s.cfg.APIBasePath+route {
			return path
		}
	}
	return "other"
}

// recovered turns a panic into a page. What was panicked with may hold anything, so only its type is logged, and
// its text if the Go runtime itself made it.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			event := zerolog.Ctx(r.Context()).Error().Str("panic", fmt.Sprintf("%T", p)).Bytes("stack", debug.Stack())
			if err, ok := p.(runtime.Error); ok {
				event = event.Str("reason", err.Error())
			}
			event.Msg("a request panicked")
			if rec, ok := w.(*recorder); ok && rec.status != 0 {
				panic(http.ErrAbortHandler) // half a response is out: cut it off rather than let it look whole
			}
			s.writeError(w, r, http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// bounded reads the body before anybody else does: SuperTokens' SDK reads without a limit, and would answer 500.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			writeJSON(w, http.StatusRequestEntityTooLarge, map[string]string{"message": "the body is too large"})
			return
		case err != nil:
			writeJSON(w, http.StatusBadRequest, map[string]string{"message": "the body cannot be read"})
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// recorder remembers the status for the access log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) log(log *zerolog.Logger, method, route string, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	event := log.Info()
	switch {
	case status >= 500:
		event = log.Warn()
	case strings.HasSuffix(route, "z") && strings.Count(route, "/") == 1, strings.Contains(route, "/assets/"):
		event = log.Debug()
	}
	event.Str("method", knownMethod(method)).Str("route", route).Int("status", status).Dur("took", took).Msg("served")
}

func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return m
	}
	return "other"
}
