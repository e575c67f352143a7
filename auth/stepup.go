package auth

import (
	"context"
	"time"

	"github.com/supertokens/supertokens-golang/recipe/usermetadata"
	"github.com/supertokens/supertokens-golang/supertokens"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// A number is one factor, and numbers get new owners. When somebody else may have one, its sign-ins still work, but their
// sessions say so in these claims, for the application to ask for another proof before it shows anything.
const (
	ClaimStepUp      = "step_up_required" // true, or absent
	ClaimStepUpWhy   = "step_up_reason"   // one of the reasons below
	ClaimStepUpSince = "step_up_since"    // milliseconds since 1970
)

// MetadataStepUpDone is the key in the user's SuperTokens metadata under which the application says when it has had that
// other proof: milliseconds since 1970. From then on new sessions are plain, until the next change.
const MetadataStepUpDone = "step_up_done_at"

// Why somebody else may have the number.
const (
	ChangedHiddenID = "hidden id" // another WhatsApp account is behind it
	ChangedIdentity = "identity"  // WhatsApp says that its encryption identity changed: a new phone, or a new owner
	ChangedDormant  = "dormant"   // nobody signed in with it for a long time
)

// Identity is what is known of who is behind a number.
type Identity struct {
	LastSignIn  time.Time // zero: it never signed in
	StepUpSince time.Time // since when its sign-ins need another proof; zero: they do not
	Why         string    // of StepUpSince
}

// IdentityStore remembers who is behind a number. Implemented by storage.
type IdentityStore interface {
	Identity(ctx context.Context, n phone.Number) (Identity, error)
	// StepUpDone notes that the other proof that has been needed since then was given.
	StepUpDone(ctx context.Context, n phone.Number, since time.Time) error
}

// dormant says whether this sign-in is the first one of the number after a long time.
func (s *Service) dormant(ctx context.Context, n phone.Number) (bool, error) {
	if s.cfg.Identities == nil || s.cfg.DormantAfter <= 0 {
		return false, nil
	}
	who, err := s.cfg.Identities.Identity(ctx, n)
	if err != nil {
		return false, err
	}
	return !who.LastSignIn.IsZero() && s.now().Sub(who.LastSignIn) > s.cfg.DormantAfter, nil
}

// stepUpClaims are the claims of a new session of the number's user: none, or that another proof is needed. What cannot
// be looked up counts as needed.
func (s *Service) stepUpClaims(ctx context.Context, n phone.Number, userID string) map[string]any {
	if s.cfg.Identities == nil {
		return map[string]any{}
	}
	who, err := s.cfg.Identities.Identity(ctx, n)
	if err != nil {
		s.log.Error().Err(err).Stringer("number", n).Msg("sign-in: cannot tell whether the number has changed hands")
		return map[string]any{ClaimStepUp: true}
	}
	if who.StepUpSince.IsZero() {
		return map[string]any{}
	}
	if s.steppedUp(ctx, userID, who.StepUpSince) {
		if err := s.cfg.Identities.StepUpDone(ctx, n, who.StepUpSince); err != nil {
			s.log.Warn().Err(err).Stringer("number", n).Msg("sign-in: another proof was given, and is asked about once more next time")
		}
		return map[string]any{}
	}
	s.log.Warn().Stringer("number", n).Str("why", who.Why).Msg("signed in; the session asks for another proof")
	return map[string]any{ClaimStepUp: true, ClaimStepUpWhy: who.Why, ClaimStepUpSince: who.StepUpSince.UnixMilli()}
}

// steppedUp asks the core whether the application has had its other proof since then.
func (s *Service) steppedUp(ctx context.Context, userID string, since time.Time) bool {
	known, err := call(ctx, s.core, "read user metadata", func(uc supertokens.UserContext) (map[string]any, error) {
		return usermetadata.GetUserMetadata(userID, uc)
	})
	if err != nil {
		s.log.Warn().Err(err).Msg("sign-in: cannot tell whether another proof was given")
		return false
	}
	done, ok := known[MetadataStepUpDone].(float64)
	return ok && time.UnixMilli(int64(done)).After(since)
}
