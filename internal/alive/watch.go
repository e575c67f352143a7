package alive

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Vital is something that must go on moving.
type Vital struct {
	Name string
	// Beat is when it last moved; the zero time: never yet. It must not block.
	Beat func() time.Time
	// Patience is how long it may stand still; longer than anything that it does in one go.
	Patience time.Duration
}

// StuckError names the vital that does not move.
type StuckError struct {
	Name string
	For  time.Duration
}

// Error says what stands still, and since when.
func (e *StuckError) Error() string {
	return fmt.Sprintf("%s has not moved for %s", e.Name, e.For.Round(time.Second))
}

// Watch looks after the vitals. Its methods may be called from any goroutine.
type Watch struct {
	now func() time.Time

	mu     sync.Mutex
	vitals map[int]vital
	lastID int
}

type vital struct {
	Vital
	since time.Time // when it was added: until its first beat the patience counts from here
}

// NewWatch makes a watch that looks after nothing yet.
func NewWatch(now func() time.Time) *Watch { return &Watch{now: now, vitals: map[int]vital{}} }

// Add has a vital looked after until remove is called.
func (w *Watch) Add(v Vital) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastID++
	id := w.lastID
	w.vitals[id] = vital{v, w.now()}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.vitals, id)
	}
}

// Check is a [StuckError] when a vital has stood still for longer than its patience; of several, the one that does so
// the longest.
func (w *Watch) Check() error {
	var worst *StuckError
	now := w.now()
	for _, v := range w.all() {
		last := v.Beat()
		if last.Before(v.since) {
			last = v.since
		}
		if still := now.Sub(last); still > v.Patience && (worst == nil || still > worst.For) {
			worst = &StuckError{v.Name, still}
		}
	}
	if worst == nil {
		return nil
	}
	return worst
}

// Moving says whether there are vitals and each has moved since it was added.
func (w *Watch) Moving() bool {
	all := w.all()
	for _, v := range all {
		if v.Beat().Before(v.since) {
			return false
		}
	}
	return len(all) > 0
}

func (w *Watch) all() []vital {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]vital, 0, len(w.vitals))
	for _, v := range w.vitals {
		all = append(all, v)
	}
	return all
}

// Pulse is a beat for those that have none of their own. The zero value has never beaten.
type Pulse struct{ at atomic.Int64 }

// Beat notes that something moved at a time.
func (p *Pulse) Beat(at time.Time) { p.at.Store(at.UnixNano()) }

// Last is when it last moved; the zero time: never.
func (p *Pulse) Last() time.Time {
	if at := p.at.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}
