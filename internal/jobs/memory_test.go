package jobs

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// memory is a small jobs.Store in memory that keeps the interface's promises; storage's conformance suite holds the
// real ones to the same.
type memory struct {
	mu      sync.Mutex
	rows    map[int64]*row
	last    int64
	fail    error  // what every call answers, nil: none
	settles int    // calls of SettleJobs
	hang    string // the method whose calls get no answer
	hung    int    // how many got none
}

// swallow is a connection that has silently gone away.
func (m *memory) swallow(ctx context.Context, method string) error {
	m.mu.Lock()
	hangs := m.hang == method
	m.mu.Unlock()
	if !hangs {
		return nil
	}
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hung++
	return ctx.Err()
}

func (m *memory) setHang(method string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hang, m.hung = method, 0
}

type row struct {
	Job
	state  string // ready, running, done, dead
	runAt  time.Time
	owner  string
	until  time.Time
	reason string
	counts int
}

var errAway = errors.New("the store is away")

func newMemory() *memory { return &memory{rows: map[int64]*row{}} }

func (m *memory) add(jobs ...New) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range jobs {
		m.last++
		m.rows[m.last] = &row{state: "ready", runAt: n.RunAt,
			Job: Job{ID: m.last, Kind: n.Kind, Key: n.Key, Serial: n.Serial, Payload: n.Payload, Request: n.Request}}
	}
}

// get returns a copy of a row.
func (m *memory) get(id int64) row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.rows[id]
}

func (m *memory) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// all reports whether every job has the state.
func (m *memory) all(state string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if r.state != state {
			return false
		}
	}
	return true
}

func (m *memory) sorted() []*row {
	return slices.SortedFunc(maps.Values(m.rows), func(a, b *row) int { return cmp.Compare(a.ID, b.ID) })
}

func (m *memory) blocked(j *row) bool {
	for _, o := range m.rows {
		if j.Serial != "" && o.Serial == j.Serial && o.ID != j.ID &&
			(o.state == "running" || o.state == "ready" && o.ID < j.ID) {
			return true
		}
	}
	return false
}

func (m *memory) LeaseJobs(ctx context.Context, l Lease) ([]Job, error) {
	if err := m.swallow(ctx, "LeaseJobs"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	var taken []Job
	for _, r := range m.sorted() {
		if r.state == "running" && !r.until.After(l.Now) {
			r.state = "ready"
		}
		if len(taken) < l.Limit && r.state == "ready" && slices.Contains(l.Kinds, r.Kind) && !r.runAt.After(l.Now) && !m.blocked(r) {
			r.state, r.owner, r.until = "running", l.Owner, l.Until
			j := r.Job
			j.Attempt = r.counts + 1
			taken = append(taken, j)
		}
	}
	return taken, nil
}

func (m *memory) SettleJobs(ctx context.Context, settle []Settlement) error {
	if err := m.swallow(ctx, "SettleJobs"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settles++
	if m.fail != nil {
		return m.fail
	}
	for _, s := range settle {
		r := m.rows[s.ID]
		if r.state != "running" || r.owner != s.Owner {
			continue
		}
		r.reason = s.Reason
		switch s.Outcome {
		case Done:
			r.state = "done"
		case Dead:
			r.state = "dead"
		case Retry:
			r.state, r.runAt = "ready", s.RunAt
			if s.Counts {
				r.counts++
			}
		}
	}
	return nil
}

func (m *memory) ReleaseJobs(ctx context.Context, owner string) error {
	if err := m.swallow(ctx, "ReleaseJobs"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, r := range m.rows {
		if r.state == "running" && r.owner == owner {
			r.state = "ready"
		}
	}
	return nil
}

func (m *memory) NextRun(ctx context.Context, kinds []string) (next time.Time, ok bool, err error) {
	if err := m.swallow(ctx, "NextRun"); err != nil {
		return time.Time{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		at := r.runAt
		if r.state == "running" {
			at = r.until
		}
		if slices.Contains(kinds, r.Kind) && (r.state == "running" || r.state == "ready" && !m.blocked(r)) && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	return next, ok, m.fail
}
