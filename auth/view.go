package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
)

// LinkView is what a page may show about a link that somebody opened. Unknown links look like expired ones.
type LinkView struct {
	State      ViewState
	Masked     string        // the number, last four digits hidden; empty unless State is ViewOpen, as everything below
	Expires    time.Duration // from now
	Door       Door          // what this browser must do to use it
	TriesLeft  int           // guesses of the last four digits; only for DoorDigits
	ReturnPath string        // where to go afterwards; empty: nowhere special, or not to be told by DoorDigits
	Comes      bool          // what was done here as a guest comes along by itself
	Other      bool          // somebody else is signed in here: they have to be asked; not told by DoorDigits
}

// ViewState is what a page tells about a link.
type ViewState string

// What a page can tell.
const (
	ViewOpen    ViewState = "open"
	ViewUsed    ViewState = "used"
	ViewExpired ViewState = "expired" // expired, superseded, or not ours
)

// viewWait is how long a page waits for what it can do without.
const viewWait = 2 * time.Second

// Link tells about a link that the browser of r opened, without changing anything, here or at the core. Unknown links
// look expired. By DoorDigits it tells no more than the masked number: the rest is for whoever knows the digits, and is
// the consume route's to say.
func (s *Service) Link(ctx context.Context, r *http.Request, preAuthSessionID string) (LinkView, error) {
	rec, err := s.links.LinkByPreAuth(ctx, hashOf(preAuthSessionID))
	if errors.Is(err, ErrNotFound) {
		return LinkView{State: ViewExpired}, nil
	}
	if err != nil {
		return LinkView{}, fmt.Errorf("look up link: %w", err)
	}
	left := rec.ExpiresAt.Sub(s.now())
	switch {
	case rec.State == LinkConsumed:
		return LinkView{State: ViewUsed}, nil
	case rec.State == LinkRevoked || left <= 0 || rec.Tries >= maxDigits && rec.State == LinkOpen:
		return LinkView{State: ViewExpired}, nil
	}
	// One that is being consumed looks open: the next try will tell.
	v := LinkView{State: ViewOpen, Masked: rec.Number.Masked(), Expires: left}
	b, err := s.visitOf(ctx, r)
	if err != nil {
		return LinkView{}, fmt.Errorf("look at the browser: %w", err)
	}
	tied, err := s.tiedTo(ctx, rec)
	if err != nil {
		return LinkView{}, fmt.Errorf("look up attempt: %w", err)
	}
	v.Door = doorOf(b, tied, rec)
	if v.Door == DoorDigits {
		v.TriesLeft = max(0, maxDigits-rec.Tries)
		return v, nil
	}
	v.ReturnPath = returnOf(v.Door, b, tied)
	v.Comes = b.guest != ""
	v.Other = s.looksOther(ctx, r, rec)
	return v, nil
}

// returnOf is where the login that a link belongs to wanted to go.
func returnOf(d Door, b visit, tied AttemptRecord) string {
	path := b.attempt.ReturnPath
	if d == DoorDigits && tied.ReturnPath != "" {
		path = tied.ReturnPath
	}
	if !returnpath.Safe(path) {
		return ""
	}
	return path
}

// looksOther says whether somebody else is signed in. A page that cannot find out asks nothing: the route will.
func (s *Service) looksOther(ctx context.Context, r *http.Request, rec LinkRecord) bool {
	ctx, cancel := context.WithTimeout(ctx, viewWait)
	defer cancel()
	who, err := s.bearerOf(ctx, r)
	if err == nil && who.userID != "" {
		var other bool
		if other, err = s.isOther(ctx, who, rec.Number); err == nil {
			return other
		}
	}
	if err != nil {
		s.log.Warn().Err(err).Msg("who is signed in cannot be found out for a page")
	}
	return false
}
