package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
	"github.com/rs/zerolog"
)

// verify shows an opened link and what this browser must do to use it. Asking for this page changes nothing, however
// often a preview or a scanner does: the secret is in the fragment, which they never send, and only a POST uses it. The
// rules are those of the consume route; the page only knows beforehand what that route will ask for.
//
// A link that leads nowhere gets 410 with the way out, and an unknown one cannot be told from an expired one.
func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	keep := url.Values{}
	id := q.Get("preAuthSessionId")
	link := auth.LinkView{State: auth.ViewExpired}
	if validPreAuth(id) {
		keep.Set("preAuthSessionId", id)
		ctx, cancel := context.WithTimeout(r.Context(), lookupTime)
		defer cancel()
		var err error
		if link, err = s.cfg.Sessions.Link(ctx, r, id); err != nil {
			zerolog.Ctx(r.Context()).Error().Err(err).Msg("an opened link cannot be looked up")
			w.Header().Set("Retry-After", "5")
			s.writeError(w, r, http.StatusServiceUnavailable)
			return
		}
	}
	next := firstSafe(link.ReturnPath, q.Get("redirectToPath"))
	if next != "" {
		keep.Set("redirectToPath", next)
	}
	v := s.view(r, "verify", keep)
	v.PreAuth, v.Link = id, opened(link)
	if v.Next = next; next == "" {
		v.Next = v.SignedInPath
	}
	switch link.State {
	case auth.ViewOpen:
		s.render(w, r, http.StatusOK, v)
	case auth.ViewUsed:
		v.Name, v.Key = "gone", "gone.used"
		s.render(w, r, http.StatusGone, v)
	default:
		v.Name, v.Key = "gone", "gone.expired"
		s.render(w, r, http.StatusGone, v)
	}
}

// openedLink is an open link in the words of the page.
type openedLink struct {
	Masked      string // the number, last four digits hidden
	KnownDigits string // its visible part, for those who listen
	Minutes     int    // how long the link still works
	Self        bool   // this very link was asked for in this browser: it completes by itself
	Digits      bool   // the last four digits come first
	TriesLeft   int
	Other       bool // somebody else is signed in here
	Comes       bool // what was done here as a guest comes along by itself
}

func opened(l auth.LinkView) openedLink {
	digits := l.Door != auth.DoorSelf && l.Door != auth.DoorTap // what this page does not know is foreign
	return openedLink{
		Masked: l.Masked, KnownDigits: strings.TrimRight(l.Masked, "•-. "), Minutes: minutes(l.Expires),
		Self: l.Door == auth.DoorSelf, Digits: digits, TriesLeft: l.TriesLeft, Other: l.Other,
		Comes: !digits && l.Comes,
	}
}

func firstSafe(paths ...string) string {
	for _, p := range paths {
		if returnpath.Safe(p) {
			return p
		}
	}
	return ""
}

// validPreAuth keeps what cannot be one of SuperTokens' ids (base64 of 32 bytes) away from storage.
func validPreAuth(id string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
	return id != "" && len(id) <= 128 && strings.Trim(id, alphabet) == ""
}
