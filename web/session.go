package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"
)

// lookupTime bounds what a request waits for our own storage.
const lookupTime = 5 * time.Second

// sessionReport is the body of {apiBasePath}/session when somebody is signed in.
type sessionReport struct {
	SignedIn  bool      `json:"signedIn"`
	UserID    string    `json:"userId"`
	Roles     []string  `json:"roles"`
	Patient   string    `json:"patient"`                  // pending, linked or review
	Notice    string    `json:"notice,omitempty"`         // what to tell the user about a Patient in review, in their language
	StepUp    bool      `json:"stepUpRequired,omitempty"` // somebody else may have the number: ask for another proof
	CreatedAt time.Time `json:"createdAt,omitzero"`       // absent when not known
}

// session tells a program who is signed in. Nobody: 401 with a body that SuperTokens' front-end libraries know.
// When our storage is away the answer is 503, never 401: nobody is signed out by that.
func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	who, ok, written := s.cfg.Sessions.Session(w, r)
	if written {
		return
	}
	if !ok {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "unauthorised"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookupTime)
	defer cancel()
	patient, err := s.cfg.Patients.PatientState(ctx, who.UserID)
	if err != nil {
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("the state of the user's Patient cannot be read")
		w.Header().Set("Retry-After", "5")
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "try again in a moment"})
		return
	}
	roles := who.Roles
	if roles == nil {
		roles = []string{}
	}
	notice := ""
	if patient == "review" {
		tag, _ := s.texts.choose(r)
		if notice, err = s.texts.say(tag, "patient.review"); err != nil {
			zerolog.Ctx(r.Context()).Error().Err(err).Msg("the notice about a Patient in review cannot be written")
		}
		w.Header().Set("Vary", "Accept-Language")
	}
	writeJSON(w, http.StatusOK, sessionReport{
		SignedIn: true, UserID: who.UserID, Roles: roles, Patient: patient, Notice: notice, StepUp: who.StepUp, CreatedAt: who.CreatedAt.UTC(),
	})
}

// signedIn is the page after a sign-in without a place to return to. The page asks /session itself, because only a
// request of its own can follow a refresh of the tokens.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, s.view(r, "signed-in", nil))
}

// writeJSON is for bodies of our own types: encoding them cannot fail.
func writeJSON(w http.ResponseWriter, status int, body any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString("{}\n")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
