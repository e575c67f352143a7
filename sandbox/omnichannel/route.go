package omnichannel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The paths of the one service that the stand-in has.
const (
	synchronous  = "/api/v1/hook/synchronous/modify-profile"
	asynchronous = "/api/v1/hook/modify-profile"
)

// longestBody is what the service reads of a request.
const longestBody = 64 << 10

// answer is what goes back over the wire.
type answer struct {
	status     int
	body       string
	retryAfter string
}

func refusal(status int, format string, args ...any) answer {
	text, err := json.Marshal(map[string]any{"success": false, "message": fmt.Sprintf(format, args...)})
	if err != nil {
		return answer{status: http.StatusInternalServerError, body: "{}"}
	}
	return answer{status: status, body: string(text)}
}

// Handler is the stand-in without its listener.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.log.Debug().Str("method", r.Method).Msg("stand-in for the omnichannel webhook: request")
	known := r.URL.Path == synchronous || r.URL.Path == asynchronous
	if known && r.Method == http.MethodHead {
		w.Header().Set("Allow", http.MethodPost) // somebody looks whether there is somebody
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if known {
		s.count()
		if canned, due := s.faults.instead(r.Context()); due {
			write(w, canned)
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
	if err != nil {
		write(w, refusal(http.StatusRequestEntityTooLarge, "the body cannot be read or is too long"))
		return
	}
	before, after := s.faults.hooks()
	before()
	a := s.work(r, body, known)
	after()
	if known && s.faults.lost() {
		panic(http.ErrAbortHandler) // how net/http cuts a connection without an answer
	}
	write(w, a)
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // the caller may have gone
}

func (s *Server) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, s.o.Now())
}

// work checks a request as the gateway and the service do, and does it.
func (s *Server) work(r *http.Request, body []byte, known bool) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !known:
		s.note("path %q", r.URL.Path)
		return refusal(http.StatusNotFound, "no such path")
	case r.Method != http.MethodPost:
		s.note("method %q", r.Method)
		return refusal(http.StatusMethodNotAllowed, "POST only")
	case r.URL.RawQuery != "":
		s.note("query")
		return refusal(http.StatusBadRequest, "the hook takes no query")
	}
	if a, ok := s.headers(r.Header); !ok {
		return a
	}
	if a, ok := s.admit(r.Header, body); !ok {
		return a
	}
	if a, ok := s.pace(); !ok {
		return a
	}
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return refusal(http.StatusBadRequest, "%v", err)
	}
	if a, seen := s.answers[key]; seen && key != "" && !s.o.NoIdempotency {
		return a
	}
	a := s.do(r.URL.Path, body)
	if key != "" && a.status < 300 {
		s.answers[key] = a
	}
	return a
}

// headers refuses what no caller needs to send, and a body that is not JSON.
func (s *Server) headers(h http.Header) (answer, bool) {
	for name := range h {
		if !slices.Contains([]string{
			"Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Content-Type",
			"Idempotency-Key", "User-Agent", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp", "X-Api-Key",
		}, name) {
			s.note("header %q", name)
			return refusal(http.StatusBadRequest, "there is a header that the hook does not know"), false
		}
	}
	if kind, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || kind != "application/json" {
		s.note("content type")
		return refusal(http.StatusUnsupportedMediaType, "the body must be JSON"), false
	}
	return answer{}, true
}

// pace is the gateway's budget. What it refuses does not count against it.
func (s *Server) pace() (answer, bool) {
	if s.o.PerMinute <= 0 {
		return answer{}, true
	}
	now := s.o.Now()
	s.admitted = slices.DeleteFunc(s.admitted, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(s.admitted) >= s.o.PerMinute {
		a := refusal(http.StatusTooManyRequests, "too many calls")
		wait := time.Minute - now.Sub(s.admitted[0])
		a.retryAfter = strconv.Itoa(int((wait + time.Second - 1) / time.Second))
		return a, false
	}
	s.admitted = append(s.admitted, now)
	return answer{}, true
}

// idempotencyKey is what names the call, whichever header says it.
func idempotencyKey(h http.Header) (string, error) {
	key, id := h.Get("Idempotency-Key"), h.Get("Webhook-Id")
	switch {
	case key != "" && id != "" && key != id:
		return "", errors.New("idempotency-key and webhook-id differ")
	case key == "":
		return id, nil
	}
	return key, nil
}

// note remembers what was not known. The caller holds mu.
func (s *Server) note(format string, args ...any) {
	s.unknown = append(s.unknown, strings.ToValidUTF8(fmt.Sprintf(format, args...), "?"))
}
