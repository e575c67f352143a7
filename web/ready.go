package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// A probe gets this long, and an answer of /readyz is used again for this long, so that whoever probes often, or
// many at once, cannot load the core through us.
const (
	probeTime = 2 * time.Second
	readyTime = time.Second
)

// unexplained is what /readyz says of an error that carries no reason for everybody.
const unexplained = "not available, see the log"

var errSlowProbe = errors.New("no answer within " + probeTime.String())

// readiness asks every check and remembers the answers for a moment.
type readiness struct {
	now    func() time.Time
	log    zerolog.Logger
	checks []*check

	mu     sync.Mutex // held while asking: those who come meanwhile wait for the same answer
	report readyReport
	asked  time.Time // zero: never
}

// readyReport is the body of /readyz, which everybody may read.
type readyReport struct {
	Ready   bool          `json:"ready"`
	Version string        `json:"version,omitempty"`
	Checks  []checkReport `json:"checks"`
}

type checkReport struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // only when not OK, and never an operator's words
}

func newReadiness(checks []Check, now func() time.Time, log zerolog.Logger) *readiness {
	r := &readiness{now: now, log: log}
	for _, c := range checks {
		r.checks = append(r.checks, &check{Check: c})
	}
	return r
}

// ask is bounded by probeTime whatever the checks do.
func (r *readiness) ask(ctx context.Context) readyReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := r.now().Sub(r.asked); !r.asked.IsZero() && age >= 0 && age < readyTime {
		return r.report
	}
	// The answer is for everybody who waits: one client that goes away must not spoil it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTime)
	defer cancel()
	answers := make([]<-chan error, len(r.checks))
	for i, c := range r.checks {
		answers[i] = c.start(ctx)
	}
	report := readyReport{Ready: true, Checks: make([]checkReport, len(r.checks))}
	for i, c := range r.checks {
		err := c.await(ctx, answers[i])
		reason := public(err)
		c.noted(r.log, err, reason)
		report.Checks[i] = checkReport{Name: c.Name, OK: err == nil, Reason: reason}
		report.Ready = report.Ready && err == nil
	}
	r.report, r.asked = report, r.now()
	return report
}

// Checks answers like /readyz: what works, by name.
func (s *Server) Checks(ctx context.Context) map[string]bool {
	works := map[string]bool{}
	for _, c := range s.ready.ask(ctx).Checks {
		works[c.Name] = c.OK
	}
	return works
}

// check runs its probe at most once at a time: one that outlives its context is reported as slow, and not started
// again until it has come back.
type check struct {
	Check
	running chan error // nil: none; guarded by readiness.mu
	reason  string     // what was logged last; empty: nothing is wrong; guarded by readiness.mu
}

// public is what everybody may read of err; empty only when there is none.
func public(err error) string {
	if err == nil {
		return ""
	}
	var told interface{ Public() string }
	if errors.As(err, &told) && told.Public() != "" {
		return told.Public()
	}
	return unexplained
}

// noted tells operators the whole story, once for each public reason: the words of a library may differ each time.
func (c *check) noted(log zerolog.Logger, err error, reason string) {
	if reason == c.reason {
		return
	}
	c.reason = reason
	if err != nil {
		log.Warn().Str("check", c.Name).Err(err).Msg("not ready")
		return
	}
	log.Info().Str("check", c.Name).Msg("ready again")
}

func (c *check) start(ctx context.Context) <-chan error {
	if len(c.running) > 0 { // it came back after nobody waited any more: that answer is old
		c.running = nil
	}
	if c.running == nil {
		c.running = make(chan error, 1)
		go c.probe(ctx, c.running)
	}
	return c.running
}

func (c *check) probe(ctx context.Context, answer chan<- error) {
	err := errors.New("the check ended its goroutine")
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the check panicked: %T", p) // its text may hold anything
		}
		answer <- err
	}()
	err = c.Probe(ctx)
}

func (c *check) await(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		c.running = nil
		return err
	case <-ctx.Done():
		return errSlowProbe
	}
}

// livez says whether a restart would help. What a restart does not cure is /readyz's matter.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	report := struct {
		Alive   bool   `json:"alive"`
		Version string `json:"version,omitempty"`
		Reason  string `json:"reason,omitempty"`
	}{Alive: true, Version: s.cfg.Version}
	status := http.StatusOK
	if s.cfg.Alive != nil {
		if err := s.cfg.Alive(); err != nil {
			report.Alive, report.Reason, status = false, err.Error(), http.StatusServiceUnavailable
		}
	}
	writeJSON(w, status, report)
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	report := s.ready.ask(r.Context())
	report.Version = s.cfg.Version
	status := http.StatusOK
	if !report.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, report)
}
