package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const mediaType = "application/fhir+json"

// answer is what a request gets when it is not refused.
type answer struct {
	status   int
	body     []byte
	version  *version // sets ETag and Last-Modified; nil: neither
	location string   // empty: none
}

// refusal is an error that the server answers as an OperationOutcome.
type refusal struct {
	status     int
	code       string // of the issue; empty: the usual one for the status
	text       string
	retryAfter string
}

func (r refusal) Error() string { return r.text }

func bad(format string, args ...any) error {
	return refusal{status: http.StatusBadRequest, text: fmt.Sprintf(format, args...)}
}

func (s *Server) reply(w http.ResponseWriter, a *answer) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	if a.version != nil {
		h.Set("ETag", a.version.etag())
		h.Set("Last-Modified", a.version.at.UTC().Format(http.TimeFormat))
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone
}

func (s *Server) refuse(w http.ResponseWriter, r refusal) {
	if r.code == "" {
		r.code = issueCode(r.status)
	}
	if r.retryAfter != "" {
		w.Header().Set("Retry-After", r.retryAfter)
	}
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer, Basic realm="fhir"`)
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(r.status)
	_, _ = fmt.Fprintf(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":%s,"diagnostics":%s}]}`,
		quote(r.code), quote(r.text)) // the client may be gone
}

// issueCode is the code of http://hl7.org/fhir/issue-type that goes with a status.
func issueCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "login"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not-found"
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
		return "not-supported"
	case http.StatusConflict, http.StatusPreconditionFailed:
		return "conflict"
	case http.StatusGone:
		return "deleted"
	case http.StatusRequestEntityTooLarge:
		return "too-long"
	case http.StatusTooManyRequests:
		return "throttled"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "transient"
	}
	if status >= http.StatusInternalServerError {
		return "exception"
	}
	return "invalid"
}

// quote is a JSON string, without HTML escapes.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// instant is a FHIR instant.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
