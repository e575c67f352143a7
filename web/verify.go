package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
	"github.com/rs/zerolog"
)

// verify shows an opened link and one button. Asking for this page changes nothing, however often a preview or a
// scanner does: the secret is in the fragment, which they never send, and only the button's POST uses it.
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
	next := q.Get("redirectToPath")
	ok := returnpath.Safe(next)
	if ok {
		keep.Set("redirectToPath", next)
	}
	v := s.view(r, "verify", keep)
	if !ok {
		next = v.SignedInPath
	}
	v.PreAuth, v.Next, v.Masked, v.Minutes = id, next, link.Masked, minutes(link.Expires)
	v.KnownDigits = strings.TrimRight(link.Masked, "•-. ")
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

// validPreAuth keeps what cannot be one of SuperTokens' ids (base64 of 32 bytes) away from storage.
func validPreAuth(id string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
	return id != "" && len(id) <= 128 && strings.Trim(id, alphabet) == ""
}

// minutes rounds up: a link that works is never said to work for no time.
func minutes(d time.Duration) int {
	return max(1, int((d+time.Minute-1)/time.Minute))
}
