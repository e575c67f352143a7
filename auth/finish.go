package auth

import (
	"context"
	"errors"
	"fmt"
)

// finish records a sign-in whose code is consumed: role, audit row, jobs, and the intent closed. Doing it again is
// harmless; ErrTaken says that it was done, or when reconciled that the intent was abandoned.
func (s *Service) finish(ctx context.Context, i Intent, who account, reconciled bool) error {
	if err := s.ensureRole(ctx, who.ID); err != nil {
		return err
	}
	in := SignIn{
		Intent: i.ID, UserID: who.ID, NewUser: who.isNew, Number: i.Number, Guest: i.Guest, Apart: i.Apart,
		At: s.now(), Reconciled: reconciled, Request: i.ReplyID,
	}
	dormant, err := s.dormant(ctx, i.Number)
	if err != nil {
		return err
	}
	if dormant {
		in.Changed = ChangedDormant
	}
	if in.Jobs, in.GuestJobs, err = s.followUps(in); err != nil {
		return err
	}
	if err := s.signIns.RecordSignIn(ctx, in); err != nil {
		return fmt.Errorf("record sign-in: %w", err)
	}
	if s.cfg.Wake != nil {
		s.cfg.Wake()
	}
	s.counted(ctx, i, in)
	s.log.Info().Ctx(ctx).Stringer("number", i.Number).Bool("new_user", who.isNew).Bool("reconciled", reconciled).Msg("signed in")
	return nil
}

// finishOrLeave finishes what the core has consumed for this very request. When that cannot be done now, Reconcile will
// do it, and the browser has to ask for another link: no session without a record.
func (s *Service) finishOrLeave(ctx context.Context, i Intent, who account) error {
	err := s.finish(ctx, i, who, false)
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrTaken) {
		if err = s.finish(ctx, i, who, false); err == nil {
			return nil
		}
		// The first attempt may have been committed although its answer was lost.
		if errors.Is(err, ErrTaken) && s.isConsumed(ctx, i.ReplyID) {
			return nil
		}
	}
	if errors.Is(err, ErrTaken) {
		s.log.Warn().Ctx(ctx).Stringer("number", i.Number).Msg("sign-in: consumed, and recorded by another process")
		return errSpent
	}
	s.log.Error().Ctx(ctx).Err(err).Stringer("number", i.Number).Msg("sign-in: consumed, left to be recorded by the next reconciliation")
	return errSpent
}

func (s *Service) isConsumed(ctx context.Context, replyID string) bool {
	link, err := s.links.LinkByReply(ctx, replyID)
	return err == nil && link.State == LinkConsumed
}

// salvage makes the best of a code whose consumption did not go through: it finds out at once what can be found out,
// so that the link is open again or the sign-in is recorded after all. What cannot be told is left to Reconcile.
func (s *Service) salvage(ctx context.Context, i Intent, why error) (account, error) {
	if errors.Is(why, errRestart) {
		s.abandon(ctx, i, false, "the core does not know the code any more")
		return account{}, why
	}
	s.log.Warn().Ctx(ctx).Err(why).Stringer("number", i.Number).Msg("sign-in: interrupted")
	if sure(why) == untouched {
		s.abandon(ctx, i, true, "the core did not take the code")
		return account{}, errTryAgain
	}
	end, who, err := s.lookAt(ctx, i, sure(why) == unknown)
	if err != nil {
		s.log.Warn().Ctx(ctx).Err(err).Stringer("number", i.Number).Msg("sign-in: left to be reconciled")
	}
	switch end {
	case consumed:
		return who, s.finishOrLeave(ctx, i, who)
	case dead:
		s.abandon(ctx, i, false, "the code is gone")
		return account{}, because(refusedCore, errRestart)
	case unspent:
		s.abandon(ctx, i, true, "the code was not consumed")
	case undecided:
		s.leave(i)
	}
	return account{}, errTryAgain
}
