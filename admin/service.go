package admin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

var (
	// ErrNoUser says that the core knows nobody with the number.
	ErrNoUser = errors.New("nobody with this number has signed in")
	// ErrNoCase says that there is no case of that id that waits for a decision.
	ErrNoCase = errors.New("no open case has this id")
	// ErrNoDeadJob says that there is no job of that id that was laid aside.
	ErrNoDeadJob = errors.New("no dead job has this id")
	// ErrOff says that a system is not configured.
	ErrOff = errors.New("there is no such system in the configuration")
)

// probeTime is how long a status waits for a remote system.
const probeTime = 5 * time.Second

// Config is what a Service is made of.
type Config struct {
	Core      Core
	Jobs      Jobs
	Cases     Cases
	Bars      Bars
	Pauses    Pauses
	Questions Questions
	Log       Log
	People    People
	Erasures  Erasures

	Version string
	Started time.Time
	Line    func() Health // the line as this process sees it; nil: not known

	// How to ask the remote systems; nil: not configured.
	PingCore, PingFHIR, PingWebhook Probe
	// Scan reads the whole FHIR server for duplicates; nil: not configured.
	Scan func(ctx context.Context, report func(Duplicate)) error

	Now func() time.Time
}

// Service does what admins and operators ask. It is safe for concurrent use.
type Service struct{ c Config }

// New makes a Service. A terminal may leave out what it does not ask for.
func New(c Config) *Service { return &Service{c} }

// Status asks everything how it is, the remote systems at once and each for some seconds at most.
func (s *Service) Status(ctx context.Context) (Status, error) {
	st := Status{Version: s.c.Version, Started: s.c.Started}
	if s.c.Line != nil {
		st.Line = s.c.Line()
	}
	var asking sync.WaitGroup
	for _, p := range []struct {
		probe Probe
		into  *Health
	}{{s.c.PingCore, &st.Core}, {s.c.PingFHIR, &st.FHIR}, {s.c.PingWebhook, &st.Webhook}} {
		asking.Go(func() { *p.into = ask(ctx, p.probe) })
	}
	asking.Wait()
	counts, err := s.c.Jobs.CountJobs(ctx)
	if err != nil {
		return Status{}, err
	}
	st.Waiting, st.Dead = counts[Waiting]+counts[Running], counts[Dead]
	cases, err := s.c.Cases.Cases(ctx)
	if err != nil {
		return Status{}, err
	}
	st.Cases = len(cases)
	st.Pause, err = s.c.Pauses.Paused(ctx)
	return st, err
}

func ask(ctx context.Context, probe Probe) Health {
	if probe == nil {
		return Health{State: Off}
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if err := probe(ctx); err != nil {
		return Health{State: Down, Reason: err.Error()}
	}
	return Health{State: Fine}
}

// Stats counts what happened within the last while.
func (s *Service) Stats(ctx context.Context, last time.Duration) (Stats, error) {
	return s.c.Log.Stats(ctx, s.c.Now().Add(-last))
}

// Audit shows the youngest rows of the audit, of one number or of all for the zero Number.
func (s *Service) Audit(ctx context.Context, n phone.Number, limit int) ([]Event, error) {
	return s.c.Log.Recent(ctx, n, limit)
}

// Record writes a command into the audit, once for each reply.
func (s *Service) Record(ctx context.Context, e Entry) error {
	e.At = s.c.Now()
	return s.c.Log.Record(ctx, e)
}

// Ask remembers a question that waits for its asker's yes.
func (s *Service) Ask(ctx context.Context, q Question) error { return s.c.Questions.Ask(ctx, q) }

// Answer takes what was asked, once, for the holder of the right code.
func (s *Service) Answer(ctx context.Context, asker phone.Number, hash, holder string) (Question, Reply, error) {
	return s.c.Questions.Answer(ctx, asker, hash, holder)
}

// Begun reports whether the asker's question was taken for the holder, perhaps before a crash.
func (s *Service) Begun(ctx context.Context, asker phone.Number, holder string) (bool, error) {
	return s.c.Questions.Begun(ctx, asker, holder)
}

// Review lists the cases that wait for a decision, youngest first.
func (s *Service) Review(ctx context.Context) ([]Case, error) { return s.c.Cases.Cases(ctx) }

// Decide approves a case for the resource ref (which may be empty when there is just one), or separates its user.
func (s *Service) Decide(ctx context.Context, id int64, approve bool, ref string, by Who) error {
	return s.c.Cases.Decide(ctx, id, approve, ref, by.Name())
}

// Scan reports duplicates on the FHIR server. It writes nothing; it may take long.
func (s *Service) Scan(ctx context.Context, report func(Duplicate)) error {
	if s.c.Scan == nil {
		return fmt.Errorf("scan: %w", ErrOff)
	}
	return s.c.Scan(ctx, report)
}
