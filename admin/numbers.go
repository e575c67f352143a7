package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// loginsShown is how many of somebody's last sign-ins are shown.
const loginsShown = 3

// Person gathers what is known about a number. A FHIR server that does not answer leaves a gap and is no error.
func (s *Service) Person(ctx context.Context, n phone.Number) (Person, error) {
	p := Person{Number: n}
	u, found, err := s.c.Core.User(ctx, n)
	if err != nil {
		return Person{}, err
	}
	if p.Block, p.Revocation, err = s.c.Bars.BarsOf(ctx, n); err != nil {
		return Person{}, err
	}
	if p.Logins, err = s.c.Log.Logins(ctx, n, loginsShown); err != nil || !found {
		return p, err
	}
	p.User = u
	if p.Contact, p.HasContact, err = s.c.People.Contact(ctx, u.ID); err != nil {
		return Person{}, err
	}
	asking, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	p.Patient, p.State, err = s.c.People.Patient(asking, u.ID)
	p.FHIRAway = err != nil
	return p, nil
}

// Sync has a user's Patient and contact looked after once more. key names the wish: the same one twice is one.
func (s *Service) Sync(ctx context.Context, n phone.Number, key string) error {
	u, found, err := s.c.Core.User(ctx, n)
	switch {
	case err != nil:
		return err
	case !found:
		return ErrNoUser
	}
	return s.c.People.Sync(ctx, u.ID, n, key)
}

// Block keeps a number from getting links and sessions, until a time or, for the zero time, until it is lifted. Sessions
// that it has go on. What it wrote down holds even if the core cannot be reached: then it is an error, to be tried again.
func (s *Service) Block(ctx context.Context, n phone.Number, until time.Time, reason string, by Who) error {
	err := s.c.Bars.SetBlock(ctx, Block{Number: n, Until: until, Reason: reason, By: by.Name(), At: s.c.Now()})
	if err != nil {
		return err
	}
	return s.c.Core.EndLinks(ctx, n)
}

// Unblock lifts a block and, for who may revoke, also the refusal of new links that a revocation brought.
func (s *Service) Unblock(ctx context.Context, n phone.Number, refusal bool) (Lifted, error) {
	return s.c.Bars.Lift(ctx, n, refusal)
}

// Revoke ends a number's links, codes and sessions; with refuse it gets no new links until that is lifted. What it wrote
// down holds even if the core cannot be reached: then it is an error, to be tried again.
func (s *Service) Revoke(ctx context.Context, n phone.Number, refuse bool, by Who) (Revoked, error) {
	if err := s.c.Bars.SetRevocation(ctx, Revocation{Number: n, At: s.c.Now(), Refused: refuse, By: by.Name()}); err != nil {
		return Revoked{}, err
	}
	return s.c.Core.Revoke(ctx, n)
}

// Forget erases a number: what it has ends, our rows go, and the audit loses the name. It tells what is left in other
// systems, which is for people to see to. [ErrBusy] while work for the number is under way. After a crash it goes on, or
// tells what it told, for the same key; n may then be zero, because nobody knows it any more.
//
// Nothing that signs in meanwhile survives. The number is barred from the beginning. A session that was being made is
// ended here at the end, or by its maker, which looks afterwards for the bar and for the link: one of them tells.
func (s *Service) Forget(ctx context.Context, n phone.Number, key string, by Who) (Forgotten, error) {
	e, err := s.c.Erasures.BeginErasure(ctx, key, n)
	if err != nil {
		return Forgotten{}, fmt.Errorf("forget: %w", err)
	}
	if e.Left != nil {
		return *e.Left, nil
	}
	p, err := s.Person(ctx, e.Number)
	if err != nil {
		return Forgotten{}, err
	}
	f := Forgotten{
		Number: e.Number.String(), UserID: p.User.ID, Patient: p.Patient, FHIRAway: p.FHIRAway, Contact: p.Contact, HasContact: p.HasContact,
	}
	if f.Ended, err = s.Revoke(ctx, e.Number, false, by); err != nil {
		return Forgotten{}, err
	}
	again, err := s.c.Core.Revoke(ctx, e.Number)
	if err != nil {
		return Forgotten{}, err
	}
	f.UserID, f.Ended.Sessions = again.UserID, f.Ended.Sessions+again.Sessions // who signed in for the first time just now
	if err := s.c.Erasures.Erase(ctx, e, f, by); err != nil {
		return Forgotten{}, fmt.Errorf("forget: %w", err)
	}
	return f, nil
}

// Pause stops new links and sessions for everybody; a pause that is there already stays.
func (s *Service) Pause(ctx context.Context, reason string, by Who) error {
	return s.c.Pauses.SetPause(ctx, Pause{Since: s.c.Now(), Reason: reason, By: by.Name()})
}

// Resume ends the pause and tells whether there was one.
func (s *Service) Resume(ctx context.Context) (bool, error) { return s.c.Pauses.EndPause(ctx) }
