package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
	"github.com/supertokens/supertokens-golang/recipe/session"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/internal/requestid"
)

const (
	// looksAtOnce bounds the links that one call of Watch asks the core about.
	looksAtOnce = 100
	// watchAtMost bounds the links that are watched at a time; the oldest come first.
	watchAtMost = 20_000
	// slowestLook is the longest pause between two looks at a link.
	slowestLook = time.Minute
	// lastLook is for how long an expired link may still get its one last look: what was confirmed shortly before it
	// expired, or while this process was away, is noticed.
	lastLook = 10 * time.Minute
	// proofWait is how long a code may be gone before the missing session says that nobody signed in.
	proofWait = 30 * time.Second
	// clockSlack is by how much the core's clock and ours may differ where they must be compared: for a link whose code
	// this process has not seen at the core, because it was restarted.
	clockSlack = 2 * time.Second
	// rounding is what times lose when they are stored.
	rounding = 5 * time.Millisecond
	// sessionsAtOnce bounds the sessions of one user that one look asks about. The core lists them in no order.
	sessionsAtOnce = 200
)

// watched is what is known about an open link since this process watches it. It is worth nothing: after a restart
// every link is looked at once more.
type watched struct {
	due   time.Time
	born  time.Time // when the core says that it made the code; zero: not seen yet
	there time.Time // when the core was last asked and still had the code; zero: not seen
	gone  time.Time // when the code was first missed; zero: never
	last  bool      // it had its last look
	older sessions  // of the user, known to be from before the sign-in that is looked for
}

// sessions are handles. A set that was stored is never changed.
type sessions map[string]struct{}

// Watch notices confirmations of links whose codes another program on the same core consumes. It asks the core about
// the open links that are due, the longest due first, and records a sign-in where there was one. It returns how many
// it recorded. Call it again and again; every is the pause between two looks at a young link.
//
// Watch runs in one goroutine of a process. Several processes do no harm: a sign-in is recorded once.
func (s *Service) Watch(ctx context.Context, every time.Duration) (n int, err error) {
	now := s.now()
	open, err := s.links.OpenLinks(ctx, now.Add(-lastLook), watchAtMost)
	if err != nil {
		return 0, fmt.Errorf("watch links: %w", err)
	}
	var failed []error
	for _, l := range s.dueLinks(open, now) {
		found, err := s.look(ctx, l)
		if found {
			n++
		}
		s.plan(l, every)
		if err != nil {
			failed = append(failed, err)
			if ctx.Err() != nil || forAll(err) {
				break
			}
		}
	}
	if err := errors.Join(failed...); err != nil {
		return n, fmt.Errorf("watch links: %w", err)
	}
	return n, nil
}

// dueLinks picks the links to look at now, and forgets those that are not open any more.
func (s *Service) dueLinks(open []OpenLink, now time.Time) []OpenLink {
	known := make(map[string]watched, len(open))
	due := make([]OpenLink, 0, looksAtOnce)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range open {
		w, ok := s.watching[l.ReplyID]
		if !ok {
			w.due = l.CreatedAt
		}
		known[l.ReplyID] = w
		if !w.last && !w.due.After(now) {
			due = append(due, l)
		}
	}
	s.watching = known
	slices.SortStableFunc(due, func(a, b OpenLink) int { return known[a.ReplyID].due.Compare(known[b.ReplyID].due) })
	return due[:min(len(due), looksAtOnce)]
}

// plan says when a link is looked at again: the older it is the more rarely, but once when it has expired. One whose
// code is gone is looked at soon, because the session follows the code at once or never.
func (s *Service) plan(l OpenLink, every time.Duration) {
	now := s.now()
	pause := min(max(now.Sub(l.CreatedAt)/4, every), max(slowestLook, every))
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watching[l.ReplyID]
	if !w.gone.IsZero() {
		pause = every
	}
	w.due = now.Add(pause)
	expired := !now.Before(l.ExpiresAt)
	if !expired && w.due.After(l.ExpiresAt) {
		w.due = l.ExpiresAt
	}
	w.last = expired && w.gone.IsZero()
	s.watching[l.ReplyID] = w
}

// look asks the core what became of an open link's code, and says whether a sign-in was recorded.
func (s *Service) look(ctx context.Context, l OpenLink) (recorded bool, err error) {
	asked := s.now()
	code, err := s.codeOf(ctx, l.Number, l.CodeID)
	if err != nil {
		return false, err
	}
	w := s.note(l, code, asked)
	if code != nil {
		return false, nil
	}
	end, who, err := s.signedIn(ctx, l, w)
	switch {
	case err != nil:
		return false, err
	case end == consumed:
		return s.recordNoticed(ctx, l, who)
	case end == undecided || asked.Sub(w.gone) < proofWait:
		return false, nil
	}
	if err := s.links.LinkVanished(ctx, l.ReplyID, "the code is gone, and nobody signed in with it"); err != nil && !errors.Is(err, ErrTaken) {
		return false, fmt.Errorf("note that a code is gone: %w", err)
	}
	return false, nil
}

// note remembers what a look saw.
func (s *Service) note(l OpenLink, code *plessmodels.Code, asked time.Time) watched {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watching[l.ReplyID]
	switch {
	case code != nil:
		w.born = time.UnixMilli(int64(code.TimeCreated)) //nolint:gosec // milliseconds since 1970
		w.there, w.gone, w.older = asked, time.Time{}, nil
	case w.gone.IsZero():
		w.gone = asked
	}
	s.watching[l.ReplyID] = w
	return w
}

// codeOf is the core's code with that id, nil when the core has none.
func (s *Service) codeOf(ctx context.Context, n phone.Number, codeID string) (*plessmodels.Code, error) {
	devices, err := call(ctx, s.core, "list codes", func(uc supertokens.UserContext) ([]plessmodels.DeviceType, error) {
		return passwordless.ListCodesByPhoneNumber(s.cfg.Tenant, n.Digits(), uc)
	})
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		for _, c := range d.Codes {
			if c.CodeID == codeID {
				return &c, nil
			}
		}
	}
	return nil, nil
}

// signedIn says whether somebody signed in with a code that is gone: the number has a user, and the user a session
// that was made after the code, and not while the code was still there. The code alone proves nothing: it also goes when
// the gateway makes the user, or signs in another way. It is undecided while there are sessions left to ask about.
func (s *Service) signedIn(ctx context.Context, l OpenLink, w watched) (finding, account, error) {
	who, found, err := s.accountOf(ctx, Intent{Number: l.Number, StartedAt: l.CreatedAt})
	if err != nil || !found {
		return dead, account{}, err
	}
	handles, err := call(ctx, s.core, "list sessions", func(uc supertokens.UserContext) ([]string, error) {
		return session.GetAllSessionHandlesForUser(who.ID, &s.cfg.Tenant, uc)
	})
	if err != nil {
		return undecided, account{}, err
	}
	from, until := l.CreatedAt.Add(-clockSlack), l.ExpiresAt.Add(clockSlack)
	if !w.born.IsZero() { // then by the core's clock, which made the session, too
		from = w.born.Add(w.there.Sub(l.CreatedAt) - rounding)
		until = w.born.Add(l.ExpiresAt.Sub(l.CreatedAt) + clockSlack)
	}
	older := make(sessions, len(handles))
	maps.Copy(older, w.older)
	defer s.remember(l, older)
	left := sessionsAtOnce
	for _, handle := range handles {
		if _, known := older[handle]; known {
			continue
		}
		if left--; left < 0 {
			return undecided, account{}, nil
		}
		made, err := s.sessionMade(ctx, handle)
		switch {
		case err != nil:
			return undecided, account{}, err
		case made.Before(from):
			older[handle] = struct{}{}
		case made.Before(until):
			return consumed, who, nil
		}
	}
	return dead, account{}, nil
}

// remember keeps which sessions need not be asked about again, while the link is watched.
func (s *Service) remember(l OpenLink, older sessions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.watching[l.ReplyID]; ok {
		w.older = older
		s.watching[l.ReplyID] = w
	}
}

// sessionMade is when a session was made; the zero time when it has ended.
func (s *Service) sessionMade(ctx context.Context, handle string) (time.Time, error) {
	info, err := call(ctx, s.core, "look up session", func(uc supertokens.UserContext) (*sessmodels.SessionInformation, error) {
		return session.GetSessionInformation(handle, uc)
	})
	if err != nil || info == nil {
		return time.Time{}, err
	}
	return time.UnixMilli(int64(info.TimeCreated)), nil //nolint:gosec // milliseconds since 1970
}

// recordNoticed records a sign-in as one that this process had consumed itself. A crash after the intent leaves it to
// Reconcile, which finds the code gone and the user there. The intent starts when the link was made, so that the user
// counts as new when made since.
func (s *Service) recordNoticed(ctx context.Context, l OpenLink, who account) (bool, error) {
	i := Intent{
		ID: newID(), ReplyID: l.ReplyID, CodeID: l.CodeID, Number: l.Number, StartedAt: l.CreatedAt, ExpiresAt: l.ExpiresAt,
	}
	s.claim(i.ID)
	defer s.unclaim(i.ID)
	ctx = requestid.With(ctx, i.ReplyID)
	err := s.signIns.BeginSignIn(ctx, i)
	if err == nil {
		err = s.finish(ctx, i, who, true)
	}
	switch {
	case errors.Is(err, ErrTaken): // somebody else was faster
		return false, nil
	case err != nil:
		return false, fmt.Errorf("record a sign-in that was noticed: %w", err)
	}
	return true, nil
}

// lookBefore looks at the number's links before all of them but one are ended, such as by a new one that takes their
// place: who confirmed one of them a moment ago is not forgotten.
func (s *Service) lookBefore(ctx context.Context, n phone.Number, but string) error {
	open, err := s.links.OpenLinksOf(ctx, n)
	if err != nil {
		return err
	}
	for _, l := range open {
		if l.ReplyID == but || !s.now().Before(l.ExpiresAt.Add(lastLook)) {
			continue
		}
		if _, err := s.look(ctx, l); err != nil {
			return err
		}
	}
	return nil
}
