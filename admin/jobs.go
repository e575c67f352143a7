package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrUnknownState is what Jobs answers when asked for a state that there is not.
var ErrUnknownState = errors.New("no state of a job; there are waiting, running, done and dead")

// Jobs lists jobs of the named states, youngest first and at most 500 of each; without a name the dead and the waiting
// ones.
func (s *Service) Jobs(ctx context.Context, names ...string) ([]Job, error) {
	states := []State{Dead, Waiting}
	if len(names) > 0 {
		states = nil
	}
	for _, name := range names {
		if !slices.Contains([]State{Waiting, Running, Done, Dead}, State(name)) {
			return nil, fmt.Errorf("%q: %w", name, ErrUnknownState)
		}
		states = append(states, State(name))
	}
	return s.c.Jobs.Jobs(ctx, states...)
}

// Explain shows one job with what it is for and what to do about it.
func (s *Service) Explain(ctx context.Context, id int64) (Job, error) {
	j, err := s.c.Jobs.Job(ctx, id)
	if err != nil {
		return Job{}, err
	}
	cases, err := s.c.Cases.Cases(ctx)
	if err != nil {
		return Job{}, err
	}
	undecided := slices.ContainsFunc(cases, func(c Case) bool { return c.UserID == j.UserID })
	j.Advice = advice(j, undecided)
	return j, nil
}

// advice is what to do about a job; undecided says that its user's case is open.
func advice(j Job, undecided bool) string {
	switch {
	case undecided && (j.State == Dead || j.State == Waiting):
		return "Decide the case: konsulin-bot jobs cases, then jobs approve or jobs separate. The job then runs by itself."
	case j.State == Dead:
		return fmt.Sprintf("Mend what the reason names, then: konsulin-bot jobs retry %d", j.ID)
	case j.State == Waiting && j.Attempts > 0:
		return "Nothing: it is tried again by itself. Look at what the reason names if it does not get better."
	}
	return ""
}

// Retry makes a dead job run again, or all of them for the id 0, and tells how many.
func (s *Service) Retry(ctx context.Context, id int64) (int, error) { return s.c.Jobs.Retry(ctx, id) }
