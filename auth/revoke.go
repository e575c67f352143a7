package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/session"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// BarPaused is the reason of a bar that passes by itself: the link stays, for later. Any other one is for good.
const BarPaused = "paused"

// errBarred says that the number was barred while it was being confirmed.
var errBarred = errors.New("the number was barred meanwhile")

// Gate says who may not sign in now, and ends links. Implemented by storage.
type Gate interface {
	// Bar is why a link of the number, made at a time, makes no session; empty: it does.
	Bar(ctx context.Context, n phone.Number, made time.Time) (reason string, err error)
	// RevokeLinks turns the number's open links into revoked ones without a seal.
	RevokeLinks(ctx context.Context, n phone.Number, reason string) (revoked int, err error)
}

// Revoked is what RevokeNumber ended.
type Revoked struct {
	UserID   string // empty: the core knows no such user
	Links    int
	Sessions int
}

// RevokeNumber ends everything that a number has: its links here, its codes and sessions at the core. The caller has
// written down the revocation before, where Gate finds it: what is being consumed at this moment then makes no session,
// or one that ends at once. Doing it again is harmless.
func (s *Service) RevokeNumber(ctx context.Context, n phone.Number) (Revoked, error) {
	var done Revoked
	var err error
	if done.Links, err = s.endLinks(ctx, n, "revoked by an admin"); err != nil {
		return done, fmt.Errorf("revoke number: %w", err)
	}
	u, err := s.userByPhone(ctx, n.Digits())
	if err != nil || u == nil {
		return done, wrapped("revoke number", err)
	}
	done.UserID = u.ID
	ended, err := call(ctx, s.core, "revoke sessions", func(uc supertokens.UserContext) ([]string, error) {
		return session.RevokeAllSessionsForUser(u.ID, &s.cfg.Tenant, uc)
	})
	done.Sessions = len(ended)
	return done, wrapped("revoke number", err)
}

// EndLinks ends what a number that has been barred could still sign in with. Another program that consumes the codes asks
// no Gate, so the number's links and codes end now. Where this process consumes them there is nothing to do: it asks.
func (s *Service) EndLinks(ctx context.Context, n phone.Number) error {
	if !s.cfg.Elsewhere {
		return nil
	}
	_, err := s.endLinks(ctx, n, "barred by an admin")
	return wrapped("end links", err)
}

// endLinks ends a number's links here and its codes at the core.
func (s *Service) endLinks(ctx context.Context, n phone.Number, why string) (ended int, err error) {
	if s.cfg.Elsewhere { // a core that is away must not keep the links alive
		if err := s.lookBefore(ctx, n, ""); err != nil {
			s.log.Warn().Err(err).Stringer("number", n).Msg("links are ended without a last look; a sign-in that was not noticed yet is not recorded")
		}
	}
	if s.cfg.Gate != nil {
		if ended, err = s.cfg.Gate.RevokeLinks(ctx, n, why); err != nil {
			return 0, err
		}
	}
	return ended, s.core.do(ctx, "revoke codes", func(uc supertokens.UserContext) error {
		return passwordless.RevokeAllCodesByPhoneNumber(s.cfg.Tenant, n.Digits(), uc)
	})
}

// stillFree is ErrLinkSpent when the number was barred while its new link was made. It is asked after the link was stored,
// where EndLinks finds it when the bar is written later. A pause lets end what had begun.
func (s *Service) stillFree(ctx context.Context, link LinkRecord) error {
	if s.cfg.Gate == nil {
		return nil
	}
	reason, err := s.cfg.Gate.Bar(ctx, link.Number, link.CreatedAt)
	if err != nil || reason == "" || reason == BarPaused {
		return err
	}
	if err := s.EndLinks(ctx, link.Number); err != nil {
		return err
	}
	return fmt.Errorf("%w (the number was barred meanwhile)", ErrLinkSpent)
}

// User is what the core knows about a number.
type User struct {
	ID       string
	Joined   time.Time
	Roles    []string
	Sessions int
}

// UserOf looks a number up at the core; found is false when it knows none.
func (s *Service) UserOf(ctx context.Context, n phone.Number) (u User, found bool, err error) {
	who, err := s.userByPhone(ctx, n.Digits())
	if err != nil || who == nil {
		return User{}, false, wrapped("look up number", err)
	}
	u = User{ID: who.ID, Joined: time.UnixMilli(int64(who.TimeJoined))} //nolint:gosec // milliseconds since 1970
	if u.Roles, err = s.Roles(ctx, who.ID); err != nil {
		return User{}, false, wrapped("look up number", err)
	}
	handles, err := call(ctx, s.core, "list sessions", func(uc supertokens.UserContext) ([]string, error) {
		return session.GetAllSessionHandlesForUser(who.ID, &s.cfg.Tenant, uc)
	})
	u.Sessions = len(handles)
	return u, true, wrapped("look up number", err)
}

func wrapped(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}

// barred is errRestart when the link may not be used any more, errTryAgain when not now, else nil.
func (s *Service) barred(ctx context.Context, link LinkRecord) error {
	if s.cfg.Gate == nil {
		return nil
	}
	reason, err := s.cfg.Gate.Bar(ctx, link.Number, link.CreatedAt)
	switch {
	case err != nil:
		s.log.Error().Err(err).Msg("sign-in: cannot tell whether the number is barred")
		return errTryAgain
	case reason == "":
		return nil
	}
	s.log.Info().Stringer("number", link.Number).Str("reason", reason).Msg("sign-in refused")
	if reason == BarPaused {
		return because(refusedBarred, errTryAgain)
	}
	return because(refusedBarred, errRestart)
}

// stillMeant is errBarred when a number was barred or forgotten since its confirmation began. The bar of an erasure goes
// with the number's other records, its link among them: whoever looks for the bar first sees one of the two.
func (s *Service) stillMeant(ctx context.Context, n phone.Number, replyID string, began time.Time) error {
	reason, err := s.cfg.Gate.Bar(ctx, n, began)
	switch {
	case err != nil:
		return err
	case reason != "" && reason != BarPaused: // a pause lets end what had begun
		return errBarred
	}
	_, err = s.links.LinkByReply(ctx, replyID)
	if errors.Is(err, ErrNotFound) {
		return errBarred
	}
	return err
}

// admit makes the session of a confirmed number, unless the number was barred or forgotten since the confirmation began. It looks after
// making it: a revocation that is written later finds the session at the core and ends it. The browser of a barred one
// gets nothing of what the SDK had written for it.
func (s *Service) admit(ctx context.Context, r *http.Request, w http.ResponseWriter, who account, began time.Time) (sessmodels.SessionContainer, error) {
	before := w.Header().Clone()
	made, err := s.newSession(ctx, r, w, who)
	if err != nil || s.cfg.Gate == nil {
		return made, err
	}
	n, err := phone.FromDigits(*who.PhoneNumber) // see belongs
	if err != nil {
		return nil, err
	}
	if err = s.stillMeant(ctx, n, who.reply, began); err == nil {
		return made, nil
	}
	clear(w.Header())
	maps.Copy(w.Header(), before)
	handle := made.GetHandle()
	ending := s.core.do(ctx, "revoke session", func(uc supertokens.UserContext) error {
		_, err := session.RevokeSession(handle, uc)
		return err
	})
	if ending != nil {
		s.log.Error().Err(ending).Stringer("number", n).Msg("a session whose number is barred could not be ended; nobody has its tokens")
	}
	return nil, err
}
