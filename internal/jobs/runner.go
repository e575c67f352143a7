package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Config is what a runner needs. Store, Owner and Handlers have no defaults.
type Config struct {
	Store Store
	// Owner names this runner and its former lives: what it left leased is taken back at start. No two runners that
	// live at the same time may share an owner, not even within one process.
	Owner    string
	Handlers map[string]Handler // by kind

	Workers int // jobs that run at once; zero: 8
	// LeaseFor is how long a job is ours; zero: 2 min. Handlers get three quarters of it as their deadline, 90 s by
	// default: the deadlines of a handler's own remote calls must together stay below that, so that each of them
	// can end by itself and say what was slow.
	LeaseFor    time.Duration
	Poll        time.Duration // how soon work that other processes added is noticed at the latest; zero: 1 s
	Backoff     Backoff
	MaxAttempts int           // a job that failed so often is laid aside; zero: 20
	Grace       time.Duration // how long running handlers may go on when the runner stops; zero: 10 s
	// StoreWait is how long one call to the store may take before it counts as failed for now; zero: 15 s. Above a
	// quarter of LeaseFor a handler could outlast its lease.
	StoreWait time.Duration

	// Ran is told of every run that ended, for metrics: it must not block. nil: nobody is told.
	Ran func(Run)
	Now func() time.Time // zero: time.Now
	Log zerolog.Logger
}

// Runner works the jobs of its kinds. Make one with [NewRunner] and give it a goroutine with [Runner.Run].
type Runner struct {
	c     Config
	kinds []string
	wake  chan struct{}
	beat  atomic.Int64 // see Beat
}

// NewRunner prepares a runner; nothing happens before Run.
func NewRunner(c Config) *Runner {
	c.Workers = orDefault(c.Workers, 8)
	c.LeaseFor = orDefault(c.LeaseFor, 2*time.Minute)
	c.Poll = orDefault(c.Poll, time.Second)
	c.MaxAttempts = orDefault(c.MaxAttempts, 20)
	c.Grace = orDefault(c.Grace, 10*time.Second)
	c.StoreWait = orDefault(c.StoreWait, 15*time.Second)
	c.Backoff = c.Backoff.withDefaults()
	if c.Ran == nil {
		c.Ran = func(Run) {}
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of the Now field
	}
	r := &Runner{c: c, wake: make(chan struct{}, 1)}
	for kind := range c.Handlers {
		r.kinds = append(r.kinds, kind)
	}
	slices.Sort(r.kinds)
	return r
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Wake tells the runner that there may be work. It never blocks and may be called from anywhere, also before Run.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // it has been told already
	}
}

// errStopping is why handlers are cancelled when the grace is over.
var errStopping = errors.New("the runner stops")

// life is one call of Run: the goroutines that it owns and what they tell each other.
type life struct {
	*Runner
	workers  sync.WaitGroup
	finished chan result      // from workers to the settler
	settled  chan []result    // from the settler to the loop
	quit     chan struct{}    // closed when nobody reads finished any more
	taken    int              // workers that have a job, or one whose end is not settled yet; the loop's own
	soonest  time.Time        // when the loop looks again at the latest; the loop's own
	asked    time.Time        // when the store was asked last for the next job; the loop's own
	quiet    map[string]error // failures that were logged and still last; the loop's own

	mu   sync.Mutex
	busy map[int64]bool // jobs whose handler runs, or whose settlement waits for the store

	began map[int64]time.Time // jobs whose handler runs, and since when; guarded by mu
}

// Run works jobs until ctx ends. It owns every goroutine that it starts and returns after the last one. When ctx ends
// it leases nothing more, lets running handlers go on for Grace, cancels those that are left, and hands back,
// uncounted, what did not finish; when the store does not answer then, that is logged, and the jobs come back with the
// owner's next start or when their leases run out. It returns an error only for a configuration that cannot work and
// for handlers that ignore the end of their context.
func (r *Runner) Run(ctx context.Context) error {
	if r.c.Store == nil || r.c.Owner == "" || len(r.kinds) == 0 {
		return errors.New("a job runner needs a store, an owner and handlers")
	}
	l := &life{
		Runner:   r,
		began:    map[int64]time.Time{},
		finished: make(chan result, r.c.Workers),
		settled:  make(chan []result, 1),
		quit:     make(chan struct{}),
		quiet:    map[string]error{},
		busy:     map[int64]bool{},
	}
	// Handlers outlive ctx by the grace.
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	settler := make(chan struct{})
	go func() {
		defer close(settler)
		l.settle(ctx)
	}()
	l.loop(ctx, work)
	return l.stop(cancel, settler)
}

// loop leases and starts work until ctx ends.
func (l *life) loop(ctx, work context.Context) {
	for !l.releaseFormerLife(ctx) {
		if ctx.Err() != nil {
			return
		}
		l.moved()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	heart := time.NewTicker(heartbeat)
	defer heart.Stop()
	look := true
	for ctx.Err() == nil {
		l.moved()
		if look && !l.full() {
			look = l.lease(ctx, work)
			continue
		}
		var tick <-chan time.Time
		if !l.full() {
			timer.Reset(max(0, l.soonest.Sub(l.c.Now())))
			tick = timer.C
		}
		select {
		case <-ctx.Done():
		case <-heart.C:
		case <-l.wake:
			look = true
		case done := <-l.settled:
			look = l.free(done) || look
		case <-tick:
			look = l.due(ctx)
		}
	}
}

// full tells that every worker has a job.
func (l *life) full() bool { return l.taken >= l.c.Workers }

// releaseFormerLife takes back what an earlier process of the same owner held when it was killed.
func (l *life) releaseFormerLife(ctx context.Context) bool {
	call, cancel := context.WithTimeout(ctx, l.c.StoreWait)
	err := l.c.Store.ReleaseJobs(call, l.c.Owner)
	cancel()
	l.noted("take back the jobs of a former life", err)
	if err == nil {
		return true
	}
	select {
	case <-ctx.Done():
	case <-time.After(l.c.Poll):
	}
	return false
}

// lease takes as many jobs as there are free workers and starts them. It reports whether there may be more.
func (l *life) lease(ctx, work context.Context) (more bool) {
	now, limit := l.c.Now(), l.c.Workers-l.taken
	call, cancel := context.WithTimeout(ctx, l.c.StoreWait)
	taken, err := l.c.Store.LeaseJobs(call, Lease{Owner: l.c.Owner, Kinds: l.kinds, Limit: limit, Now: now, Until: now.Add(l.c.LeaseFor)})
	cancel()
	if ctx.Err() == nil {
		l.noted("lease jobs", err)
	}
	if err != nil {
		l.soonest = l.c.Now().Add(l.c.Poll) // the call itself may have taken long
		return false
	}
	for _, j := range taken {
		if !l.begin(j.ID) {
			continue // its handler has overrun its lease, or the store was away for so long; the lease is ours again
		}
		l.taken++
		l.workers.Add(1)
		go func() {
			defer l.workers.Done()
			l.work(work, j)
		}()
	}
	if len(taken) == limit {
		return true
	}
	if len(taken) > 0 && l.c.Now().Sub(l.asked) < minPause { // while much is going on, that is asked now and then
		l.soonest = l.c.Now().Add(minPause)
		return false
	}
	again := l.due(ctx)
	if again && len(taken) == 0 {
		l.soonest = l.c.Now().Add(minPause)
		return false
	}
	return again
}

// begin notes that a job is being worked; false when it is already.
func (l *life) begin(id int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[id] {
		return false
	}
	l.busy[id] = true
	return true
}

// mark notes whether the batch is in our hands. It must not be any more when the store takes its settlements: from
// then on a retry may be leased again, also by us.
func (l *life) mark(batch []result, busy bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range batch {
		if busy {
			l.busy[b.job.ID] = true
		} else {
			delete(l.busy, b.job.ID)
		}
	}
}

// minPause keeps the loop from spinning while a due job is in somebody else's hands, and from asking the store after
// every single job while many come.
const minPause = 10 * time.Millisecond

// due asks when the next job may be leased and reports whether that is now.
func (l *life) due(ctx context.Context) bool {
	call, cancel := context.WithTimeout(ctx, l.c.StoreWait)
	next, ok, err := l.c.Store.NextRun(call, l.kinds)
	cancel()
	now := l.c.Now()
	l.asked, l.soonest = now, now.Add(l.c.Poll)
	if ctx.Err() == nil {
		l.noted("ask for the next job", err)
	}
	if err != nil || !ok {
		return false
	}
	if next.Before(l.soonest) {
		l.soonest = next
	}
	return !next.After(now)
}

// free gives the settled jobs' workers back and reports whether it is worth looking for work at once: there was no free
// worker before. For another job of the same serial, which seldom waits, it looks soon.
func (l *life) free(done []result) (look bool) {
	look = l.full()
	l.taken -= len(done)
	for _, d := range done {
		if next := l.c.Now().Add(minPause); d.job.Serial != "" && next.Before(l.soonest) {
			l.soonest = next
		}
		if at := d.settlement.RunAt; d.settlement.Outcome == Retry && at.Before(l.soonest) {
			l.soonest = at
		}
	}
	return look
}

// noted logs a failure when it begins and when it ends, not each time in between.
func (l *life) noted(what string, err error) {
	before := l.quiet[what]
	l.quiet[what] = err
	switch {
	case err != nil && before == nil:
		l.c.Log.Warn().Str("operation", what).Str("reason", Reason(err)).Msg("the job store does not answer; trying again")
	case err == nil && before != nil:
		l.c.Log.Info().Str("operation", what).Msg("the job store answers again")
	}
}
