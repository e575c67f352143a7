package fhir

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// The resource types of users, in the order in which a user's resources are listed.
const (
	patient      = "Patient"
	practitioner = "Practitioner"
	person       = "Person"
)

func userKinds() []string { return []string{patient, practitioner, person} }

// rounds is how often the search begins anew, within one call, because the world has changed meanwhile.
const rounds = 6

// Sync makes sure that each resource that the user's roles ask for is there once, with the user's id and number. It
// writes nothing when nothing is missing. A *QuarantineError says that an admin must decide about one of them; the
// others are linked all the same.
func (s *Service) Sync(ctx context.Context, u User) (Linked, error) {
	var l Linked
	if err := s.checkUser("sync user", u); err != nil {
		return l, err
	}
	kinds, err := s.kinds(ctx, u.ID)
	if err != nil {
		return l, err
	}
	var undecided error
	for _, kind := range kinds {
		w, err := s.link(ctx, u, kind)
		l.Created = l.Created || w.created
		l.Changed = l.Changed || w.changed
		if w.ref != "" {
			l.Refs = append(l.Refs, w.ref)
		}
		var q *QuarantineError
		switch {
		case errors.As(err, &q):
			undecided = errors.Join(undecided, err)
		case err != nil:
			return l, err
		}
	}
	return l, undecided
}

// kinds are the resource types that a user's roles ask for.
func (s *Service) kinds(ctx context.Context, userID string) ([]string, error) {
	roles, err := s.cfg.Roles.Roles(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	var asked []string
	for _, role := range roles {
		switch role {
		case "Patient":
			asked = append(asked, patient)
		case "Practitioner":
			asked = append(asked, practitioner)
		case "Clinic Admin", "Researcher", "Superadmin":
			asked = append(asked, person)
		}
	}
	if len(asked) == 0 {
		return []string{patient}, nil
	}
	return slices.DeleteFunc(userKinds(), func(kind string) bool { return !slices.Contains(asked, kind) }), nil
}

// work is one resource of one user on its way.
type work struct {
	u        User
	kind     string
	decision Decision
	waiting  bool // there was a case, decided or not, when the work began

	// Resources that do not count hold the user's id or number, so that a create cannot be bound to it.
	idHeld, numberHeld bool

	ref      string // what came of it
	created  bool
	changed  bool
	withheld bool // the number is another user's there, so that it was not added
}

// link brings one resource of a user to its end.
func (s *Service) link(ctx context.Context, u User, kind string) (*work, error) {
	w := &work{u: u, kind: kind}
	var err error
	if w.decision, err = s.cfg.Cases.Decision(ctx, u.ID, kind); err != nil {
		return w, fmt.Errorf("read decision: %w", err)
	}
	w.waiting = w.decision.Verdict != "" || w.decision.Open
	for try := range rounds {
		err = s.settle(ctx, w)
		if !errors.Is(err, errConflict) && !errors.Is(err, errGone) {
			break
		}
		pause(ctx, try)
	}
	switch {
	case errors.Is(err, errConflict), errors.Is(err, errGone):
		return w, s.api.restless("link " + kind)
	case err != nil:
		return w, err
	}
	// A case is over when the resource is settled, also when somebody else has done it.
	if w.waiting || w.changed || w.withheld {
		if err := s.cfg.Cases.CloseCase(ctx, u.ID, kind); err != nil {
			return w, fmt.Errorf("close case: %w", err)
		}
	}
	return w, nil
}

// settle is the algorithm, once. It returns errConflict or errGone when the world has changed and the search must begin
// anew.
func (s *Service) settle(ctx context.Context, w *work) error {
	approved, err := s.approved(ctx, w)
	if err != nil {
		return err
	}
	mine, numbered, err := s.byUserOrNumber(ctx, w)
	if err != nil {
		return err
	}
	if mine = with(mine, approved); len(mine) > 0 {
		return s.keep(ctx, w, mine)
	}
	for _, r := range numbered {
		if w.apart(r) {
			w.passOver(r)
		}
	}
	var apart []string
	if w.decision.Verdict == Separate {
		apart = w.decision.Candidates
	}
	found, err := s.byNumber(ctx, w.kind, w.u, numbered, apart)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return s.create(ctx, w)
	}
	return s.adopt(ctx, w, found)
}

// approved adds the user's id to the resource that an admin approved. It returns nil when there is none, or when it is
// no longer there: then everything is as if nobody had decided.
func (s *Service) approved(ctx context.Context, w *work) (*resource, error) {
	if w.decision.Verdict != Approve {
		return nil, nil
	}
	id, ok := idOf(w.kind, w.decision.Ref)
	if !ok {
		return nil, s.api.permanent("link "+w.kind, "the approved reference is not one of this type")
	}
	r, err := s.read(ctx, w.kind, id)
	if errors.Is(err, errGone) || (err == nil && r.replaced) {
		s.log.Warn().Ctx(ctx).Str("reference", w.decision.Ref).Msg("FHIR: the resource that an admin approved is gone; looking again")
		w.decision = Decision{}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.amend(ctx, w, r, func(r *resource) ([]identifier, error) {
		if r.replaced {
			return nil, errGone
		}
		return []identifier{w.u.userID()}, nil
	})
}

// keep uses the first of the resources that carry the user's id, and adds the number when it is missing.
func (s *Service) keep(ctx context.Context, w *work, mine []*resource) error {
	first(mine)
	if len(mine) > 1 {
		s.log.Warn().Ctx(ctx).Strs("references", refsOf(mine)).Msg("FHIR: several live resources carry one user id; the first is used")
	}
	r := mine[0]
	if !r.has(w.u.whatsapp()) {
		taken, err := s.taken(ctx, w)
		if err != nil {
			return err
		}
		if taken != "" {
			w.withheld = true
			s.log.Warn().Ctx(ctx).Strs("references", []string{r.ref(), taken}).
				Msg("FHIR: the number is another user's on another resource, so it is not added to the user's own")
			w.ref = r.ref()
			return nil
		}
	}
	r, err := s.amend(ctx, w, r, func(r *resource) ([]identifier, error) {
		if r.replaced || !r.has(w.u.userID()) {
			return nil, errGone
		}
		return []identifier{w.u.whatsapp()}, nil
	})
	if err != nil {
		return err
	}
	w.ref = r.ref()
	return nil
}

// taken is the reference of a live resource that has the number for another user; empty: there is none.
func (s *Service) taken(ctx context.Context, w *work) (string, error) {
	holders, err := s.findIdentifier(ctx, w.kind, w.u.whatsapp())
	if err != nil {
		return "", err
	}
	for _, h := range holders {
		if h.foreign(w.u.ID) {
			return h.ref(), nil
		}
	}
	return "", nil
}

// adopt takes a resource that is nobody's, when it is the only one, and asks an admin about everything else.
func (s *Service) adopt(ctx context.Context, w *work, found []*resource) error {
	if len(found) > 1 {
		return s.quarantine(ctx, w, Ambiguous, found)
	}
	r, err := s.amend(ctx, w, found[0], func(r *resource) ([]identifier, error) {
		switch {
		case r.replaced:
			return nil, errGone
		case r.foreign(w.u.ID):
			found[0] = r
			return nil, errForeign
		}
		return []identifier{w.u.userID(), w.u.whatsapp()}, nil
	})
	if errors.Is(err, errForeign) {
		return s.quarantine(ctx, w, Foreign, found)
	}
	if err != nil {
		return err
	}
	w.ref = r.ref()
	return nil
}

func (s *Service) quarantine(ctx context.Context, w *work, why Why, found []*resource) error {
	id, err := s.cfg.Cases.OpenCase(ctx, Case{
		UserID: w.u.ID, Number: w.u.Number, Resource: w.kind, Why: why, Candidates: refsOf(found),
	})
	if err != nil {
		return fmt.Errorf("open case: %w", err)
	}
	return &QuarantineError{CaseID: id, Resource: w.kind, Why: why}
}

// with adds a resource to those that a search found; searches may lag behind.
func with(found []*resource, r *resource) []*resource {
	if r == nil || slices.ContainsFunc(found, func(f *resource) bool { return f.id == r.id }) {
		return found
	}
	return append(found, r)
}
