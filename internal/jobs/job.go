package jobs

import (
	"context"
	"time"
)

// Job is one leased piece of work, as a handler sees it.
type Job struct {
	ID        int64
	Kind      string    // what to do; the name of a handler
	Key       string    // unique within Kind: adding the same work twice is one job
	Serial    string    // jobs of one Serial run one at a time, in the order of ID; empty: no order
	Payload   []byte    // JSON, written by who added the job
	Request   string    // id of the request that it follows from, for the log; names nobody; empty: none
	Attempt   int       // 1 on the first run
	CreatedAt time.Time // when it was added
}

// New is a job to be added. Rooms that keep records add theirs inside their own transaction.
type New struct {
	Kind    string
	Key     string
	Serial  string
	Payload []byte
	Request string    // id of the request that it follows from, see [Job]
	RunAt   time.Time // not before; zero: at once
}

// Handler works one job. It must be idempotent: after a crash the same job comes again. A nil error finishes the
// job; [Permanent] lays it aside; [After] retries it at a time of the handler's choosing without counting the
// attempt; any other error is retried with a growing pause.
type Handler func(ctx context.Context, j Job) error

// Lease asks for work.
type Lease struct {
	Owner string    // who will work it: one name per running process
	Kinds []string  // the kinds that this runner has handlers for
	Limit int       // at most so many
	Now   time.Time // jobs with RunAt after Now stay
	Until time.Time // when somebody else may take the job because the owner has gone silent
}

// Outcome is what became of one run of a job.
type Outcome int

// The outcomes.
const (
	Done  Outcome = iota // finished; the row may be purged
	Retry                // again at RunAt
	Dead                 // laid aside until a person retries it
)

// Run is one run of a job, for counting.
type Run struct {
	Kind    string
	Outcome Outcome
	Counts  bool // for Retry: it failed, rather than only asked to come back later
	Took    time.Duration
}

// Settlement ends one lease. It is ignored when Owner does not hold the lease any more.
type Settlement struct {
	ID      int64
	Owner   string
	Outcome Outcome
	At      time.Time
	RunAt   time.Time // for Retry
	Counts  bool      // for Retry: whether this run counts as an attempt
	Reason  string    // for Retry and Dead: an operator's sentence, without numbers, links or message text
}

// Store keeps the jobs. Implemented by storage, for both engines.
type Store interface {
	// LeaseJobs takes up to Limit due jobs, oldest first: never one whose Serial has an earlier job that is not
	// finished or dead, never two of one Serial, never one that another owner's live lease holds.
	LeaseJobs(ctx context.Context, l Lease) ([]Job, error)
	// SettleJobs ends leases, all in one transaction.
	SettleJobs(ctx context.Context, s []Settlement) error
	// ReleaseJobs hands back, uncounted, what owner still holds; at shutdown, and at start for a former life.
	ReleaseJobs(ctx context.Context, owner string) error
	// NextRun tells when the next job of these kinds may be leased, false when there is none.
	NextRun(ctx context.Context, kinds []string) (time.Time, bool, error)
}
