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
	refusedDigits    = "digits"     // the last digits were not given, or were wrong
	refusedCode      = "code"       // likewise the code from the chat
	refusedOther     = "other"      // somebody else is signed in, and was not asked
	refusedTaken     = "taken"      // somebody else was faster
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
