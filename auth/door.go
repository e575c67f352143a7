package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// Door is what a browser must do to use a link. The consume route itself enforces it; pages only know it beforehand.
type Door string

// The doors.
const (
	DoorSelf   Door = "self"   // this very link was asked for in this browser: nothing is left to ask
	DoorTap    Door = "tap"    // a login was begun in this browser: one tap beside the masked number
	DoorDigits Door = "digits" // neither: the last four digits of the number
)

// maxDigits is how often the last digits of a link's number may be wrong: then the link is dead.
const maxDigits = 3

// lastDigits is how the last digits of a number are given.
var lastDigits = regexp.MustCompile(`^[0-9]{4}$`)

// question is why the consume route refuses for now: something has to be asked first.
type question struct {
	reason string // stable, for front ends
	left   int    // tries; negative: does not matter
	offer  *Offer // only with ReasonOffer
}

func (q *question) Error() string { return "the browser has to be asked: " + q.reason }

// answers are what the body of a confirmation says beside the link.
type answers struct {
	Digits         string `json:"digits"`
	BringGuest     *bool  `json:"bringGuest"` // nil: they were not asked yet
	Offer          string `json:"offer"`      // tag of the offer that a yes belongs to
	ReplaceSession bool   `json:"replaceSession"`
}

// visit is what one browser comes with.
type visit struct {
	attempt AttemptRecord // that lives and was begun here; zero: none
	guest   string        // live guest of this browser; empty: none
	person  bearer        // who is signed in; zero: nobody
	client  func() bool   // may whoever asks have something counted for them?
	answers
}

// company is who comes along into a sign-in, and who stays apart from it; next is where the browser goes afterwards.
type company struct{ bring, apart, next string }

// visitOf reads what a browser comes with. Who is signed in is only looked at where it matters.
func (s *Service) visitOf(ctx context.Context, r *http.Request) (visit, error) {
	v := visit{client: func() bool { return s.limit.allow(s.clientOf(r)) }}
	a, err := s.ownAttempt(ctx, r)
	if err != nil {
		return v, err
	}
	if a.live(s.now()) {
		v.attempt = a
	}
	g, err := s.guests.Live(ctx, guestCookieOf(r))
	switch {
	case err == nil:
		v.guest = g.ID
	case !errors.Is(err, guest.ErrInvalid):
		return v, err
	}
	return v, nil
}

// tiedTo is the attempt that a link is tied to; zero: none.
func (s *Service) tiedTo(ctx context.Context, link LinkRecord) (AttemptRecord, error) {
	a, err := s.attempts.AttemptOfLink(ctx, link.ReplyID)
	if errors.Is(err, ErrNotFound) {
		return AttemptRecord{}, nil
	}
	return a, err
}

// doorOf is the door of a browser for a link. A message authenticates nobody, so an attempt alone opens nothing: the
// whole secret of the link is presented in any case.
func doorOf(v visit, tied AttemptRecord, link LinkRecord) Door {
	own := v.attempt.KeyHash
	switch {
	case own != "" && tied.KeyHash == own && v.attempt.Number == link.Number:
		return DoorSelf
	case own != "" && v.attempt.Reference == "" && tied.KeyHash == "":
		return DoorTap
	}
	return DoorDigits
}

// pass lets a browser that presents a link's whole secret through its door, or says why not.
func (s *Service) pass(ctx context.Context, link LinkRecord, v visit) (company, error) {
	tied, err := s.tiedTo(ctx, link)
	if err != nil {
		s.log.Error().Ctx(ctx).Err(err).Msg("sign-in: cannot look up the attempt")
		return company{}, errTryAgain
	}
	door := doorOf(v, tied, link)
	if door == DoorDigits {
		if err := s.checkDigits(ctx, link, v.Digits); err != nil {
			return company{}, err
		}
	}
	if v.person.userID != "" && !v.ReplaceSession {
		other, err := s.isOther(ctx, v.person, link.Number)
		if err != nil {
			s.log.Warn().Ctx(ctx).Err(err).Msg("sign-in: cannot find out whether somebody else is signed in")
			return company{}, errTryAgain
		}
		if other {
			return company{}, because(refusedOther, &question{reason: ReasonOther, left: -1})
		}
	}
	if door != DoorDigits {
		return company{bring: v.guest, next: returnOf(door, v, tied)}, nil
	}
	bring, err := s.agreed(ctx, link, v, tied)
	if err != nil {
		return company{}, err
	}
	c := company{bring: bring, next: returnOf(door, v, tied)}
	if v.guest != c.bring {
		c.apart = v.guest
	}
	return c, nil
}

// checkDigits compares the last digits of a link's number. Storage admits each guess before anybody learns what became of
// it, so that no number of them at once gets more than maxDigits wrong answers. The core is told of no guess, only of the
// end of the link.
func (s *Service) checkDigits(ctx context.Context, link LinkRecord, digits string) error {
	if !lastDigits.MatchString(digits) {
		return because(refusedDigits, &question{reason: ReasonDigits, left: max(0, maxDigits-link.Tries)})
	}
	all := link.Number.Digits()
	right := subtle.ConstantTimeCompare([]byte(all[len(all)-4:]), []byte(digits)) == 1
	wrong, err := s.links.TryDigits(ctx, link.ReplyID, right, maxDigits)
	switch {
	case errors.Is(err, ErrTaken):
		return s.bury(ctx, link)
	case err != nil:
		s.log.Error().Ctx(ctx).Err(err).Msg("sign-in: cannot count a guess")
		return errTryAgain
	case right:
		return nil
	case wrong >= maxDigits:
		return s.bury(ctx, link)
	}
	return because(refusedGuess, &question{reason: ReasonWrongDigits, left: maxDigits - wrong})
}

// bury ends a link whose digits were guessed too often, here first and then at the core.
func (s *Service) bury(ctx context.Context, link LinkRecord) error {
	dead := because(refusedGuessed, errRestart)
	now, err := s.links.LinkByReply(ctx, link.ReplyID)
	if err != nil || now.Tries < maxDigits { // it is dead by something else
		return dead
	}
	err = s.links.LinkVanished(ctx, link.ReplyID, "the last digits were wrong too often")
	if errors.Is(err, ErrTaken) { // it is dead already, or somebody with the right digits was faster
		return dead
	}
	if err != nil {
		s.log.Error().Ctx(ctx).Err(err).Stringer("number", link.Number).Msg("sign-in: a link that was guessed at stays open in our records")
		return dead
	}
	err = s.core.do(ctx, "revoke code", func(uc supertokens.UserContext) error {
		return passwordless.RevokeCode(s.cfg.Tenant, link.CodeID, uc)
	})
	if err != nil { // nobody can use it through us; the number's next link takes it back for good
		s.log.Warn().Ctx(ctx).Err(err).Stringer("number", link.Number).Msg("sign-in: the code of a dead link lives on at the core")
	}
	return dead
}

// isOther says whether who is signed in is somebody other than the number's owner. A session that was revoked elsewhere
// is nobody's.
func (s *Service) isOther(ctx context.Context, who bearer, n phone.Number) (bool, error) {
	account, found, err := s.accountOf(ctx, Intent{Number: n})
	switch {
	case err != nil:
		return false, err
	case found && account.ID == who.userID:
		return false, nil
	}
	_, revoked, err := s.sessionInfo(ctx, who.handle)
	if err != nil {
		return false, fmt.Errorf("look at session: %w", err)
	}
	return !revoked, nil
}
