package app

import (
	"context"
	"net/http"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/metrics"
	"github.com/konsulin-care/konsulin-bot/storage"
)

// The systems whose calls are measured.
const (
	systemCore     = "core"
	systemFHIR     = "fhir"
	systemWebhook  = "webhook"
	systemWhatsApp = "whatsapp"
)

// standingBy is the state of the line in a process that does not own it.
const standingBy = "standby"

var (
	_ bot.Counter = (*metrics.Metrics)(nil)
	_ auth.Events = (*metrics.Metrics)(nil)
)

// newMetrics makes the metrics of a. They ask a's rooms only when they are scraped, when those are there.
func newMetrics(a *App) *metrics.Metrics {
	return metrics.New(metrics.Config{
		Version: a.opt.Version, Now: a.opt.Now,
		Line: a.watch.measured, LineStates: lineStates(),
		Queue:  func(ctx context.Context) ([]metrics.Backlog, error) { return backlog(ctx, a.store) },
		Cases:  func(ctx context.Context) (int, error) { return a.store.CountOpenCases(ctx) },
		Checks: func(ctx context.Context) map[string]bool { return a.ready.Load().Checks(ctx) },
		Words:  metricWords(),
	})
}

// metricWords are the words that the rooms count by.
func metricWords() metrics.Words {
	return metrics.Words{
		Kinds: bot.Kinds(), Outcomes: bot.Outcomes(), Refusals: auth.Refusals(), Routes: auth.TurnedRoutes(), Turned: auth.TurnedReasons(),
	}
}

func lineStates() []string {
	states := []string{standingBy}
	for _, s := range []whatsapp.State{
		whatsapp.Unpaired, whatsapp.WrongAccount, whatsapp.Connecting, whatsapp.Connected, whatsapp.Degraded,
		whatsapp.LoggedOut, whatsapp.Replaced, whatsapp.Outdated, whatsapp.Banned, whatsapp.Timelocked,
	} {
		states = append(states, string(s))
	}
	return states
}

// measured is the state of the line for the metrics.
func (w *lineWatch) measured() metrics.Line {
	s := w.status()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.client == nil && w.other != nil {
		return metrics.Line{State: standingBy, Since: s.Since}
	}
	return metrics.Line{State: string(s.State), Since: s.Since}
}

func backlog(ctx context.Context, store *storage.Store) ([]metrics.Backlog, error) {
	queue, err := store.Queue(ctx)
	if err != nil {
		return nil, err
	}
	told := make([]metrics.Backlog, 0, len(queue))
	for _, b := range queue {
		told = append(told, metrics.Backlog(b))
	}
	return told, nil
}

// measure wraps the way to another system.
func (a *App) measure(system string) func(http.RoundTripper) http.RoundTripper {
	return func(base http.RoundTripper) http.RoundTripper { return a.metrics.Transport(system, a.opt.Now, base) }
}

// client is a measured way to another system, with connections of its own.
func (a *App) client(system string) *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = 32
	return &http.Client{Transport: a.measure(system)(base)}
}

// countRun counts a run of a job.
func (a *App) countRun(r jobs.Run) {
	outcome := "done"
	switch {
	case r.Outcome == jobs.Dead:
		outcome = "dead"
	case r.Outcome == jobs.Retry && r.Counts:
		outcome = "retried"
	case r.Outcome == jobs.Retry:
		outcome = "waiting"
	}
	a.metrics.JobRun(r.Kind, outcome, r.Took)
}
