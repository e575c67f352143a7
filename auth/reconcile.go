package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/requestid"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// finding is what became of an intent's code.
type finding int

const (
	undecided finding = iota // it cannot be told yet
	unspent                  // it can still be consumed
	dead                     // it is gone or expired, and nobody signed in
	consumed                 // somebody signed in with it
)

// Reconcile closes the intents that were started before a time and left open by a crash, a lost answer or a database
// that was away: it asks the core what became of their codes. It returns how many it closed, and the errors of
// those that it could not. Intents that this process is working on are left alone; for other processes' sake
// startedBefore should lie [Service.Settle] in the past, unless there are none.
func (s *Service) Reconcile(ctx context.Context, startedBefore time.Time) (n int, err error) {
	open, err := s.signIns.OpenIntents(ctx, startedBefore)
	var failed []error
	if err != nil {
		failed = append(failed, err) // those that could be read are closed all the same
	}
	for _, i := range open {
		closed, err := s.settle(ctx, i)
		if err != nil {
			failed = append(failed, err)
			if ctx.Err() != nil || forAll(err) {
				break
			}
			continue
		}
		if closed {
			n++
		}
	}
	if err := errors.Join(failed...); err != nil {
		return n, fmt.Errorf("reconcile sign-ins: %w", err)
	}
	return n, nil
}

// forAll says whether a failed call would fail for every other intent, too: the core cannot be reached, or refuses us.
// An answer that is about one intent only must not keep the later ones waiting.
func forAll(err error) bool {
	var e *CoreError
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == 0 && e.certainty == untouched ||
		e.Status == http.StatusUnauthorized || e.Status == http.StatusTooManyRequests
}

// settle closes an intent that nobody in this process works on, and says whether it did.
func (s *Service) settle(ctx context.Context, i Intent) (closed bool, err error) {
	if !s.claim(i.ID) {
		return false, nil
	}
	defer s.unclaim(i.ID)
	ctx = requestid.With(ctx, i.ReplyID)
	end, who, err := s.lookAt(ctx, i, s.inFlight(i))
	if err != nil {
		return false, err
	}
	switch end {
	case unspent:
		err = s.signIns.AbandonSignIn(ctx, i.ID, true, "reconciled: the code was not consumed")
	case dead:
		err = s.signIns.AbandonSignIn(ctx, i.ID, false, "reconciled: the code expired or is gone, and nobody signed in")
	case consumed:
		err = s.finish(ctx, i, who, true)
	case undecided:
		return false, nil
	}
	switch {
	case errors.Is(err, ErrTaken): // somebody else was faster
		return false, nil
	case err != nil:
		return false, fmt.Errorf("close intent: %w", err)
	}
	s.mu.Lock()
	delete(s.undecided, i.ID)
	s.mu.Unlock()
	return true, nil
}

// inFlight says whether the core may still be working on an intent's code. A core that did not answer in time once may
// be slow; after a crash, it had the time that every call gets.
func (s *Service) inFlight(i Intent) bool {
	s.mu.Lock()
	_, slow := s.undecided[i.ID]
	s.mu.Unlock()
	limit := s.cfg.CoreTimeout
	if slow {
		limit = s.Settle()
	}
	return s.now().Sub(i.StartedAt) < limit
}

// leave notes an intent that a request of this process could not decide.
func (s *Service) leave(i Intent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for id, since := range s.undecided { // closed by another process, or soon to be closed anyway
		if now.Sub(since) > s.Settle() {
			delete(s.undecided, id)
		}
	}
	s.undecided[i.ID] = i.StartedAt
}

// lookAt asks the core what became of an intent's code. When the core may still be working on it (inFlight), a code
// that is still there proves nothing.
//
// An intent exists only because somebody presented the whole secret of a live link. So a code that is gone although
// the core keeps expired ones for a while was consumed, or was revoked in the same moment; if the number has a user,
// its owner has been confirmed.
func (s *Service) lookAt(ctx context.Context, i Intent, inFlight bool) (finding, account, error) {
	there, err := s.codeIsThere(ctx, i)
	switch {
	case err != nil:
		return undecided, account{}, err
	case there && inFlight:
		return undecided, account{}, nil
	case there && s.now().Before(i.ExpiresAt):
		return unspent, account{}, nil
	case there:
		return dead, account{}, nil
	}
	who, found, err := s.accountOf(ctx, i)
	switch {
	case err != nil:
		return undecided, account{}, err
	case found:
		return consumed, who, nil
	case inFlight: // the core deletes the code first and makes the user after
		return undecided, account{}, nil
	}
	return dead, account{}, nil
}

// codeIsThere says whether the core still has the code. It keeps expired codes for a while.
func (s *Service) codeIsThere(ctx context.Context, i Intent) (bool, error) {
	if i.PreAuth == "" { // noticed by Watch, which opens no seals
		code, err := s.codeOf(ctx, i.Number, i.CodeID)
		return code != nil, err
	}
	device, err := call(ctx, s.core, "look up code", func(uc supertokens.UserContext) (*plessmodels.DeviceType, error) {
		return passwordless.ListCodesByPreAuthSessionID(s.cfg.Tenant, i.PreAuth, uc)
	})
	if err != nil || device == nil {
		return false, err
	}
	for _, c := range device.Codes {
		if c.CodeID == i.CodeID {
			return true, nil
		}
	}
	return false, nil
}

// accountOf finds the user of an intent's number. The user counts as new when made since the intent began; a minute
// is allowed between the two clocks.
func (s *Service) accountOf(ctx context.Context, i Intent) (account, bool, error) {
	const op = "look up user"
	u, err := call(ctx, s.core, op, func(uc supertokens.UserContext) (*plessmodels.User, error) {
		return passwordless.GetUserByPhoneNumber(s.cfg.Tenant, i.Number.Digits(), uc)
	})
	if err != nil || u == nil {
		return account{}, false, err
	}
	if !belongs(*u, i.Number) {
		return account{}, false, s.core.explain(op, errUnexpected)
	}
	joined := time.UnixMilli(int64(u.TimeJoined)) //nolint:gosec // milliseconds since 1970
	return account{User: *u, isNew: joined.After(i.StartedAt.Add(-time.Minute))}, true, nil
}

// claim takes an intent for the caller; false when somebody in this process works on it.
func (s *Service) claim(intentID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.busy[intentID]; taken {
		return false
	}
	s.busy[intentID] = struct{}{}
	return true
}

func (s *Service) unclaim(intentID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, intentID)
}

// unstick looks after a link whose intent was left open by somebody else, such as a request that could not finish. An
// intent that is too young may be at work in another process.
func (s *Service) unstick(ctx context.Context, link LinkRecord) (LinkRecord, error) {
	open, err := s.signIns.OpenIntents(ctx, s.now().Add(-s.Settle()))
	if err != nil {
		s.log.Error().Ctx(ctx).Err(err).Msg("sign-in: cannot look up every intent")
	}
	for _, i := range open {
		if i.ReplyID == link.ReplyID {
			if _, err := s.settle(ctx, i); err != nil {
				s.log.Warn().Ctx(ctx).Err(err).Stringer("number", i.Number).Msg("sign-in: left to be reconciled")
			}
		}
	}
	link, err = s.links.LinkByReply(ctx, link.ReplyID)
	switch {
	case err != nil || link.State == LinkConsuming:
		return LinkRecord{}, errTryAgain
	case link.State != LinkOpen:
		return LinkRecord{}, errRestart
	}
	return link, nil
}

// abandon closes an intent whose code was not consumed. When that fails the intent stays open for Reconcile.
func (s *Service) abandon(ctx context.Context, i Intent, linkOpen bool, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.signIns.AbandonSignIn(ctx, i.ID, linkOpen, reason); err != nil {
		s.log.Warn().Ctx(ctx).Err(err).Stringer("number", i.Number).Msg("sign-in: the intent stays open")
	}
}
