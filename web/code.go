package web

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
)

// code takes the form of the desktop code. It asks the API's own route, where the rules are, so that a browser without
// JavaScript is treated as a program is; api answers that route.
func (s *Server) code(w http.ResponseWriter, r *http.Request, api http.Handler) {
	next := r.PostFormValue("redirectToPath")
	answer := s.askCode(w, r, api)
	form := codeForm{Problem: "code.error"}
	status := http.StatusOK
	switch {
	case answer.Status == "OK":
		s.leave(w, r, next)
		return
	case answer.Status == "RESTART_FLOW_ERROR", answer.Reason == reasonNewLink:
		form.Problem = "code.gone"
	case answer.Reason == reasonOther:
		form.Problem, form.Replace = "code.other", true
	case answer.TriesLeft != nil && *answer.TriesLeft == 1:
		form.Problem = "code.wrongLast"
	case answer.TriesLeft != nil:
		form.Problem, form.Left = "code.wrong", *answer.TriesLeft
	default:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	}
	s.showLogin(w, r, status, next, form)
}

// Reasons of the consume route that this page has an answer to.
const (
	reasonOther   = "signed_in_as_other"
	reasonNewLink = "new_link"
)

// consumed is what the consume route and its relatives answer.
type consumed struct {
	Status, Reason string
	TriesLeft      *int
}

func (s *Server) askCode(w http.ResponseWriter, r *http.Request, api http.Handler) consumed {
	body, err := json.Marshal(map[string]any{
		"code": digitsOf(r.PostFormValue("code")), "replaceSession": r.PostFormValue("replace") == "yes",
	})
	if err != nil {
		return consumed{}
	}
	in := r.Clone(r.Context())
	in.URL = &url.URL{Path: s.cfg.APIBasePath + "/login/code"}
	in.RequestURI = in.URL.Path
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	in.Header.Set("Content-Type", "application/json; charset=utf-8")
	in.Header.Set("rid", "passwordless")
	in.Header.Set("st-auth-mode", "cookie")
	out := &heard{header: http.Header{}}
	api.ServeHTTP(out, in)
	for _, cookie := range out.header.Values("Set-Cookie") {
		w.Header().Add("Set-Cookie", cookie)
	}
	var answer consumed
	if out.status != http.StatusOK || json.Unmarshal(out.body.Bytes(), &answer) != nil {
		return consumed{}
	}
	return answer
}

// leave sends the browser to where it wanted to go. 303: with a GET.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, next string) {
	if !returnpath.Safe(next) {
		next = s.cfg.WebsiteBasePath + "/signed-in"
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// digitsOf drops what people put between digits.
func digitsOf(s string) string {
	return strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(s)
}

// heard keeps an answer that is meant for us.
type heard struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heard) Header() http.Header { return h.header }

func (h *heard) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *heard) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}
