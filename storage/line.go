package storage

import (
	"context"
	"fmt"
	"sync"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

// Tenure is the ownership of the WhatsApp line: at most one process holds it. On SQLite it is a lock on the data
// directory that ends with the process. On PostgreSQL it is a lease, renewed in the background, which another process
// may take once it has run out; then Lost is closed, and everything that goes through the tenure is refused by the
// database itself, also in a process that was paused and has not noticed yet.
type Tenure struct {
	store   *Store
	epoch   int64 // PostgreSQL: what the database knows this tenure by; zero on SQLite
	lost    chan struct{}
	once    sync.Once
	release func() error
}

var (
	_ jobs.Store = lineJobs{}
	_ bot.Inbox  = lineInbox{}
)

// OwnLine takes the line, or answers a [*HeldError] that names who has it. It does not wait: on PostgreSQL a process
// that stands by asks again from time to time.
func (s *Store) OwnLine(ctx context.Context) (*Tenure, error) {
	t := &Tenure{store: s, lost: make(chan struct{})}
	var err error
	if pg, ok := s.engine.(*pgEngine); ok {
		err = t.ownRow(ctx, pg)
	} else {
		err = t.ownFile(s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("own the line: %w", classify(err))
	}
	return t, nil
}

// Lost is closed when the line is not ours any more: the lease was lost, or Release was called. Whoever sends or
// receives must stop at once.
func (t *Tenure) Lost() <-chan struct{} { return t.lost }

// Release gives the line back and waits for the renewal to end. It may be called more than once.
func (t *Tenure) Release() error {
	t.lose()
	return t.release()
}

// Check answers nil while the database agrees that the line is ours, and an error that wraps [ErrLineLost] when it
// does not.
func (t *Tenure) Check(ctx context.Context) error {
	if err := t.held(ctx, t.store.engine.reader(), false); err != nil {
		return fmt.Errorf("check the line's owner: %w", classify(err))
	}
	return nil
}

// Jobs is the store for the runner of the jobs that need the line: once the line is lost it leases, settles and
// releases nothing. So runners of all owners may share a name: a new one takes back at once what the last one held,
// and a former one cannot touch what the new one works on.
func (t *Tenure) Jobs() jobs.Store { return lineJobs{Store: t.store, t: t} }

// Inbox is where the line's messages go: it accepts nothing once the line is lost, so that a message reaches the new
// owner instead.
func (t *Tenure) Inbox() bot.Inbox { return lineInbox{Store: t.store, t: t} }

func (t *Tenure) lose() { t.once.Do(func() { close(t.lost) }) }

func (t *Tenure) isLost() bool {
	select {
	case <-t.lost:
		return true
	default:
		return false
	}
}

// fence is what a transaction asks before it does the work of the line's owner.
func (t *Tenure) fence(ctx context.Context, q querier) error { return t.held(ctx, q, true) }

func (t *Tenure) held(ctx context.Context, q querier, lock bool) error {
	if t.isLost() {
		return ErrLineLost
	}
	if t.epoch == 0 {
		return nil // a lock on a file needs no asking
	}
	return t.fenceRow(ctx, q, lock)
}

type lineJobs struct {
	*Store
	t *Tenure
}

// LeaseJobs implements [jobs.Store].
func (l lineJobs) LeaseJobs(ctx context.Context, lease jobs.Lease) ([]jobs.Job, error) {
	return l.leaseJobs(ctx, lease, l.t.fence)
}

// SettleJobs implements [jobs.Store].
func (l lineJobs) SettleJobs(ctx context.Context, settle []jobs.Settlement) error {
	return l.settleJobs(ctx, settle, l.t.fence)
}

// ReleaseJobs implements [jobs.Store].
func (l lineJobs) ReleaseJobs(ctx context.Context, owner string) error {
	return l.releaseJobs(ctx, owner, l.t.fence)
}

type lineInbox struct {
	*Store
	t *Tenure
}

// Accept implements [bot.Inbox].
func (l lineInbox) Accept(ctx context.Context, a bot.Accepted) (bool, error) {
	return l.accept(ctx, a, l.t.fence)
}

// Postpone implements [bot.Inbox].
func (l lineInbox) Postpone(ctx context.Context, j jobs.New) error {
	return l.postpone(ctx, j, l.t.fence)
}
