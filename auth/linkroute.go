package auth

import (
	"context"
	"net/http"
)

// showLink answers GET /login/link: what our own page of a link would show, for a front end that draws that page itself. It
// tells no more than that page, to whoever has the link's address, and changes nothing.
func (s *Service) showLink(w http.ResponseWriter, r *http.Request) {
	if !s.mayBegin(r) {
		busy(w, &busyError{wait: floodWait})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.core.patience())
	defer cancel()
	v, err := s.Link(ctx, r, r.URL.Query().Get("preAuthSessionId"))
	if err != nil {
		s.away(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		State      ViewState `json:"state"`
		Number     string    `json:"number,omitempty"`     // its last four digits are hidden
		ExpiresIn  int       `json:"expires_in,omitempty"` // seconds
		Door       Door      `json:"door,omitempty"`
		TriesLeft  int       `json:"triesLeft"`
		ReturnPath string    `json:"returnPath,omitempty"`
		Comes      bool      `json:"comes"` // what was done here as a guest comes along by itself
		Other      bool      `json:"other"`
	}{v.State, v.Masked, int(v.Expires.Seconds()), v.Door, v.TriesLeft, v.ReturnPath, v.Comes, v.Other})
}
