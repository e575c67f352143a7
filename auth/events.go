package auth

import (
	"context"
	"errors"
	"time"
)

// Events is told of what became of opened links, for metrics. Its methods must not block.
type Events interface {
	// SignedIn is one recorded sign-in. after is the age of its link; zero: not known.
	SignedIn(newUser, reconciled bool, after time.Duration)
	// Refused is one confirmation that ended without a session; reason is one of a small fixed set.
	Refused(reason string)
}

// Why a confirmation ended without a session.
const (
	refusedRequest   = "not_a_link" // not what a page of ours sends
	refusedUnknown   = "unknown"    // no link of ours
	refusedRevoked   = "revoked"    // a younger link took its place, or it was taken back
	refusedUsed      = "used"
	refusedExpired   = "expired"
	refusedWrongCode = "wrong_code" // the id is one of ours, the secret is not
	refusedSealed    = "unreadable" // sealed with another key
	refusedDigits    = "digits"     // the last digits were asked for
	refusedGuess     = "wrong_digits"
	refusedGuessed   = "guessed" // they were wrong too often: the link is dead
	refusedCode      = "code"    // no code from the chat, or none that this browser could use
	refusedChatCode  = "wrong_chat_code"
	refusedOther     = "other"      // somebody else is signed in, and was not asked
	refusedOffer     = "offer"      // a guest could come along, and nobody was asked about that one
	refusedTaken     = "taken"      // somebody else was faster, or is at it
	refusedCore      = "core"       // the core does not know the code any more
	refusedUndecided = "undecided"  // nothing is decided: the core or the database did not answer
	refusedSpent     = "spent"      // the code is consumed and the sign-in not recorded by this request
	refusedBarred    = "barred"     // an admin blocked or revoked the number, or paused the service
	refusedSession   = "no_session" // recorded, but the core made no session
)

// refusal is an error with the reason that it is counted under.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// because gives an error a reason.
func because(reason string, err error) error { return &refusal{reason, err} }

// Refusals are the reasons that [Events] is told.
func Refusals() []string {
	return []string{
		refusedRequest, refusedUnknown, refusedRevoked, refusedUsed, refusedExpired, refusedWrongCode, refusedSealed, refusedDigits,
		refusedGuess, refusedGuessed, refusedCode, refusedChatCode, refusedOther, refusedOffer, refusedTaken, refusedCore, refusedUndecided,
		refusedSpent, refusedBarred, refusedSession,
	}
}

// malformed counts what is no confirmation, or nothing else that the SDK's routes take.
func (s *Service) malformed(path string) {
	if path == consumePath {
		s.refused(because(refusedRequest, errRestart))
		return
	}
	s.turnAway(routeSession, turnedMalformed)
}

// interrupted counts a confirmation that ended outside of its own handler. One that only takes too long counts itself.
func (s *Service) interrupted(err error) {
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		s.refused(errTryAgain)
	}
}

// refused counts a confirmation that ended without a session.
func (s *Service) refused(err error) {
	reason := refusedUndecided
	var r *refusal
	switch {
	case errors.As(err, &r):
		reason = r.reason
	case errors.Is(err, errSpent):
		reason = refusedSpent
	case errors.Is(err, errRestart):
		reason = refusedTaken
	}
	if s.cfg.Events != nil {
		s.cfg.Events.Refused(reason)
	}
}

// whyClosed is why a link that is not open any more cannot be used.
func whyClosed(l LinkRecord) string {
	switch l.State {
	case LinkConsumed:
		return refusedUsed
	case LinkRevoked:
		return refusedRevoked
	}
	if l.Tries >= maxDigits { // the last wrong guess was counted, and a crash kept the link open
		return refusedRevoked
	}
	return refusedExpired
}

// counted tells of a recorded sign-in.
func (s *Service) counted(ctx context.Context, i Intent, in SignIn) {
	if s.cfg.Events == nil {
		return
	}
	var after time.Duration
	if link, err := s.links.LinkByReply(ctx, i.ReplyID); err == nil {
		after = in.At.Sub(link.CreatedAt)
	}
	s.cfg.Events.SignedIn(in.NewUser, in.Reconciled, after)
}
