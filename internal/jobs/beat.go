package jobs

import "time"

// heartbeat is how often a runner shows that it moves although it has nothing to do.
const heartbeat = 5 * time.Second

// Beat is when the runner last moved; the zero time: never. It moves at least every few seconds, and while the store is
// away each time a call to it has been given up. It stands still when its loop hangs, and also when all its workers
// have overrun their leases: handlers that ignore the end of their context do not come back.
func (r *Runner) Beat() time.Time {
	if at := r.beat.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Owner is whom the runner leases for.
func (r *Runner) Owner() string { return r.c.Owner }

// moved notes that the loop came round.
func (l *life) moved() {
	now := l.c.Now()
	if !l.stuck(now) {
		l.beat.Store(now.UnixNano())
	}
}

// stuck tells that no worker will take another job.
func (l *life) stuck(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	overrun := 0
	for _, began := range l.began {
		if now.Sub(began) > l.c.LeaseFor {
			overrun++
		}
	}
	return overrun >= l.c.Workers
}

// handles notes that a job's handler runs, until done is called.
func (l *life) handles(id int64, began time.Time) (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began[id] = began
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.began, id)
	}
}
