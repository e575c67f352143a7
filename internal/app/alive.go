package app

import (
	"context"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/alive"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

// How long something may stand still before the process counts as stuck. Loops make calls that are bounded by half of
// their patience. The database gets longer: it may be away without any fault of ours, and a restart is no cure then, but
// no harm either, because nothing can be done without it; and it is a cure when its connections are beyond repair.
const (
	loopPatience     = 2 * time.Minute
	databasePatience = 5 * time.Minute
	databaseEvery    = 10 * time.Second
)

// vitals are what must go on moving as long as the process lives.
type vitals struct {
	watch    *alive.Watch
	database alive.Pulse
}

func newVitals(now func() time.Time, line *lineWatch) *vitals {
	v := &vitals{watch: alive.NewWatch(now)}
	v.watch.Add(alive.Vital{Name: "the database", Beat: v.database.Last, Patience: databasePatience})
	v.watch.Add(alive.Vital{Name: "the loop of the line", Beat: line.beat, Patience: loopPatience})
	return v
}

// follow looks after a runner of jobs until the result is called.
func (v *vitals) follow(r *jobs.Runner) (stop func()) {
	name, _, _ := strings.Cut(r.Owner(), " ")
	return v.watch.Add(alive.Vital{Name: "the runner of jobs (" + name + ")", Beat: r.Beat, Patience: loopPatience})
}

// feelDatabase notes when the database answers.
func (a *App) feelDatabase(ctx context.Context) {
	if err := a.store.Ping(ctx); err == nil {
		a.vitals.database.Beat(a.opt.Now())
	}
}

// tellManager tells systemd, if it started us, how we are.
func (a *App) tellManager(ctx context.Context) error {
	m := &alive.Manager{Watch: a.vitals.watch, Log: a.log, Status: func() string { return "line " + a.watch.measured().State }}
	return m.Run(ctx)
}

// beat is when the line moved: its own loop, or where this process does not own it, the loop that asks for it.
func (w *lineWatch) beat() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.client == nil {
		return w.asked.Last()
	}
	if last := w.client.Beat(); last.After(w.since) {
		return last
	}
	return w.since // it has only just been made
}

// asks notes that the line was asked for.
func (w *lineWatch) asks() { w.asked.Beat(w.now()) }
