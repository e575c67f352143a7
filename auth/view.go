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
	ReturnPath string        // where to go afterwards; empty: nowhere special
	Offer      Offer         // what could come along
	Other      bool          // somebody else is signed in here: they have to be asked
	Elsewhere  bool          // the login began in another browser, as a guest whom we know
}

// Offer is what a guest did that could come along into the sign-in. By DoorSelf and DoorTap it does so by itself, by
// DoorDigits only when the body says so.
type Offer struct {
	Guest   bool           // there is such a guest; without it nothing else is set
	Here    bool           // it is this browser's own
	Records int            // how many; 0: not known
	Kinds   map[string]int // how many of each FHIR type
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
// look expired.
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
	}
	v.ReturnPath = returnOf(v.Door, b, tied)
	v.Offer, v.Elsewhere = s.offer(ctx, v.Door, b, tied)
	v.Other = s.looksOther(ctx, r, rec)
	return v, nil
}

// returnOf is where the login that the link belongs to wanted to go.
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

// offer is what could come along. A guest who did nothing is not worth a question.
func (s *Service) offer(ctx context.Context, d Door, b visit, tied AttemptRecord) (o Offer, elsewhere bool) {
	if d != DoorDigits {
		return Offer{Guest: b.guest != "", Here: b.guest != ""}, false
	}
	ctx, cancel := context.WithTimeout(ctx, viewWait)
	defer cancel()
	id, here := s.whoCouldCome(ctx, b, tied)
	if id == "" {
		return Offer{}, false
	}
	o = Offer{Guest: true, Here: here}
	if s.cfg.GuestRecords == nil {
		return o, !here
	}
	kinds, err := s.cfg.GuestRecords(ctx, id)
	if err != nil {
		s.log.Warn().Err(err).Msg("what a guest did cannot be counted")
		return o, !here
	}
	for _, n := range kinds {
		o.Records += n
	}
	if o.Records == 0 {
		return Offer{}, !here
	}
	o.Kinds = kinds
	return o, !here
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
