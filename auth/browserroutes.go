package auth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
)

// The routes of ours, below apiBasePath. "/session" is web's; here it only counts as a part of the API.
const (
	startPath   = "/login/start"
	attemptPath = "/login/attempt"
	linkPath    = "/login/link"
	codePath    = "/login/code"
	guestPath   = "/anonymous-session"
	claimPath   = "/anonymous/claim"
	sessionPath = "/session"
)

// ourRoute is what serves a path of ours, and by which method.
func (s *Service) ourRoute(path string) (method string, h http.HandlerFunc) {
	switch path {
	case startPath:
		return http.MethodPost, s.startLogin
	case attemptPath:
		return http.MethodGet, s.showAttempt
	case linkPath:
		return http.MethodGet, s.showLink
	case codePath:
		return http.MethodPost, s.enterCode
	case guestPath:
		return http.MethodPost, s.guestSession
	case claimPath:
		if !s.cfg.NoClaim {
			return http.MethodPatch, s.claimGuest
		}
	}
	return "", nil
}

// serveOurs answers a path of ours, into a buffer and with a bounded body.
func (s *Service) serveOurs(w http.ResponseWriter, r *http.Request, path string) {
	method, h := s.ourRoute(path)
	if r.Method != method {
		s.turnAway(s.routeName(r), turnedMalformed)
		w.Header().Set("Allow", method)
		writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"message": "this path wants " + method})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h(w, r)
}

// readJSON reads a body; an empty one counts as an empty object. false: it is answered.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(r.Body).Decode(into)
	var large *http.MaxBytesError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return true
	case errors.As(err, &large):
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]string{"message": "the request is too large"})
	default:
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": "the body must be a JSON object"})
	}
	return false
}

// busy answers a client when too much is begun, and says when to come again.
func busy(w http.ResponseWriter, err error) {
	wait := floodWait
	if b := (*busyError)(nil); errors.As(err, &b) {
		wait = b.wait
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second))))
	writeJSON(w, http.StatusTooManyRequests, map[string]string{"message": "Please try again in a moment."})
}

// startLogin answers POST /login/start.
func (s *Service) startLogin(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ReturnPath string `json:"returnPath"`
	}
	if !readJSON(w, r, &in) {
		s.turnAway(BeginLogin, turnedMalformed)
		return
	}
	if reason, wait := s.lineDown(); reason != "" {
		s.turnAway(BeginLogin, turnedLine)
		noLine(w, reason, wait)
		return
	}
	a, err := s.StartAttempt(w, r, in.ReturnPath)
	over := (*busyError)(nil)
	switch {
	case errors.As(err, &over) && over.budget:
		// As on the login page: without an attempt a login works too, and its link asks for the last four digits.
		a = Attempt{Text: s.cfg.Phrase, Expires: attemptLife}
	case errors.Is(err, ErrBusy):
		busy(w, err)
		return
	case err != nil:
		s.away(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Status      string `json:"status"`
		Reference   string `json:"reference,omitempty"`
		Text        string `json:"text"`
		URL         string `json:"url"`
		ExpiresIn   int    `json:"expires_in"` // seconds
		DesktopCode bool   `json:"desktop_code,omitempty"`
	}{"OK", a.Reference, a.Text, s.chatLink(a.Text), int(a.Expires.Seconds()), a.DesktopCode})
}

func (s *Service) lineDown() (reason string, wait time.Duration) {
	if s.cfg.LineDown == nil {
		return "", 0
	}
	return s.cfg.LineDown()
}

// lineWait is when to ask again where nobody knows how long the line is down.
const lineWait = time.Minute

// noLine answers that writing to the bot is of no use now, in a way that front ends can tell from other troubles.
func noLine(w http.ResponseWriter, reason string, wait time.Duration) {
	if wait <= 0 {
		wait = lineWait
	}
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	writeJSON(w, http.StatusServiceUnavailable, map[string]string{
		"status": "LINE_DOWN", "reason": reason, "message": "Logging in with WhatsApp is not possible right now.",
	})
}

// showAttempt answers GET /login/attempt: a state and nothing else, because whoever began the login may not be the one
// who sends the message.
func (s *Service) showAttempt(w http.ResponseWriter, r *http.Request) {
	if !s.mayBegin(r) {
		busy(w, &busyError{wait: floodWait})
		return
	}
	a, err := s.Attempt(r)
	if err != nil {
		s.away(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"state": a.State})
}

// enterCode answers POST /login/code as the consume route would: it consumes the link that the code belongs to.
func (s *Service) enterCode(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Code string `json:"code"`
		answers
	}
	if !readJSON(w, r, &in) {
		s.refused(because(refusedRequest, errRestart))
		return
	}
	out := newResponse(w.Header())
	in2 := r.Clone(context.WithoutCancel(r.Context()))
	ctx, cancel := context.WithTimeout(r.Context(), s.Settle()+s.core.patience())
	defer cancel()
	err := s.core.run(ctx, func() error { s.redeemPOST(out, in2, in.Code, in.answers); return nil })
	switch {
	case err == nil:
		out.copyTo(w)
	case r.Context().Err() != nil: // nobody to answer
	default:
		s.interrupted(err)
		s.log.Error().Err(s.core.explain("consume code", err)).Msg("sign-in: interrupted")
		s.excuse(w, ReasonTryAgain)
	}
}

func (s *Service) redeemPOST(w http.ResponseWriter, r *http.Request, code string, in answers) {
	ctx, cancel := context.WithTimeout(r.Context(), s.Settle())
	defer cancel()
	v, err := s.arrive(ctx, r, in)
	var preAuth, linkCode string
	if err == nil {
		preAuth, linkCode, err = s.redeem(ctx, v, code)
	}
	if err != nil {
		s.refused(err)
		s.sayWhyNot(w, err)
		return
	}
	done, err := s.signIn(ctx, w, r, v, preAuth, linkCode)
	if err != nil {
		s.sayWhyNot(w, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Status         string           `json:"status"`
		CreatedNewUser bool             `json:"createdNewUser"`
		User           plessmodels.User `json:"user"`
		ReturnPath     string           `json:"returnPath,omitempty"`
	}{"OK", done.isNew, done.User, done.next})
}
