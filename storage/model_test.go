package storage

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// modelJob is a job as the promises of jobs.Store describe it, without any database.
type modelJob struct {
	id       int64
	kind     string
	key      string
	serial   string
	state    JobState
	attempts int
	runAt    time.Time
	owner    string
	until    time.Time
}

// model is the whole table, in the order of adding.
type model struct{ jobs []*modelJob }

func (m *model) blocked(j *modelJob) bool {
	return slices.ContainsFunc(m.jobs, func(o *modelJob) bool {
		return j.serial != "" && o.serial == j.serial && o != j &&
			(o.state == JobRunning || o.state == JobReady && o.id < j.id)
	})
}

// lease answers the keys and attempts of what a runner must get, in order.
func (m *model) lease(l jobs.Lease) []string {
	for _, j := range m.jobs {
		if j.state == JobRunning && !j.until.After(l.Now) {
			j.state = JobReady
		}
	}
	var due []*modelJob
	for _, j := range m.jobs {
		if j.state == JobReady && slices.Contains(l.Kinds, j.kind) && !j.runAt.After(l.Now) && !m.blocked(j) {
			due = append(due, j)
		}
	}
	slices.SortStableFunc(due, func(a, b *modelJob) int { return cmp.Compare(a.runAt.UnixMilli(), b.runAt.UnixMilli()) })
	due = due[:min(len(due), l.Limit)]
	var got []string
	for _, j := range due {
		j.state, j.owner, j.until = JobRunning, l.Owner, l.Until
		got = append(got, fmt.Sprint(j.key, " attempt ", j.attempts+1))
	}
	return got
}

func (m *model) next(kinds []string) (next time.Time, ok bool) {
	for _, j := range m.jobs {
		at := j.runAt
		if j.state == JobRunning {
			at = j.until
		}
		live := j.state == JobRunning || j.state == JobReady && !m.blocked(j)
		if live && slices.Contains(kinds, j.kind) && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	return next, ok
}

func (m *model) settle(s jobs.Settlement) {
	for _, j := range m.jobs {
		if j.id != s.ID || j.state != JobRunning || j.owner != s.Owner {
			continue
		}
		switch s.Outcome {
		case jobs.Done:
			j.state = JobDone
		case jobs.Dead:
			j.state, j.attempts = JobDead, j.attempts+1
		case jobs.Retry:
			j.state, j.runAt = JobReady, s.RunAt
			if s.Counts {
				j.attempts++
			}
		}
	}
}

// TestTheJobTableAgreesWithItsModel does random things to the real table and to the model and compares what runners get.
func TestTheJobTableAgreesWithItsModel(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		var run atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			// Runs share the database, so each has kinds, keys, serials and owners of its own.
			own := fmt.Sprint("run", run.Add(1), "/")
			m, ctx := &model{}, t.Context()
			kinds := rapid.SampledFrom([]string{own + "x", own + "y"})
			owners := rapid.SampledFrom([]string{own + "me", own + "you"})
			steps := map[string]func(*rapid.T){
				"add": func(rt *rapid.T) {
					n := jobs.New{Kind: kinds.Draw(rt, "kind"), Key: fmt.Sprint(own, len(m.jobs)),
						RunAt: b.now().Add(time.Duration(rapid.IntRange(-2, 3).Draw(rt, "in")) * time.Second)}
					if s := rapid.SampledFrom([]string{"", "s", "t"}).Draw(rt, "serial"); s != "" {
						n.Serial = own + s
					}
					_, err := b.AddJobs(ctx, n)
					require.NoError(rt, err)
					var id int64
					_, err = one(ctx, b.engine.reader(), "SELECT id FROM jobs WHERE key = $1", []any{n.Key}, &id)
					require.NoError(rt, err)
					m.jobs = append(m.jobs, &modelJob{id: id, kind: n.Kind, key: n.Key, serial: n.Serial, state: JobReady, runAt: n.RunAt})
				},
				"lease": func(rt *rapid.T) {
					l := jobs.Lease{Owner: owners.Draw(rt, "owner"), Limit: rapid.IntRange(1, 4).Draw(rt, "limit"), Now: b.now(),
						Kinds: rapid.SampledFrom([][]string{{own + "x"}, {own + "x", own + "y"}}).Draw(rt, "kinds"),
						Until: b.now().Add(time.Duration(rapid.IntRange(1, 4).Draw(rt, "lease")) * time.Second)}
					taken, err := b.LeaseJobs(ctx, l)
					require.NoError(rt, err)
					var got []string
					for _, j := range taken {
						got = append(got, fmt.Sprint(j.Key, " attempt ", j.Attempt))
					}
					require.Equal(rt, m.lease(l), got)
				},
				"settle": func(rt *rapid.T) {
					if len(m.jobs) == 0 {
						return
					}
					s := jobs.Settlement{ID: rapid.SampledFrom(m.jobs).Draw(rt, "job").id, Owner: owners.Draw(rt, "owner"), At: b.now(),
						Outcome: rapid.SampledFrom([]jobs.Outcome{jobs.Done, jobs.Retry, jobs.Dead}).Draw(rt, "outcome"),
						RunAt:   b.now().Add(time.Second), Counts: rapid.Bool().Draw(rt, "counts")}
					require.NoError(rt, b.SettleJobs(ctx, []jobs.Settlement{s}))
					m.settle(s)
				},
				"release": func(rt *rapid.T) {
					owner := owners.Draw(rt, "owner")
					require.NoError(rt, b.ReleaseJobs(ctx, owner))
					for _, j := range m.jobs {
						if j.state == JobRunning && j.owner == owner {
							j.state = JobReady
						}
					}
				},
				"retry": func(rt *rapid.T) {
					for _, j := range m.jobs {
						if j.state == JobDead {
							require.NoError(rt, b.RetryJob(ctx, j.id))
							j.state, j.attempts, j.runAt = JobReady, 0, b.now()
							return
						}
					}
				},
				"wait": func(rt *rapid.T) { b.clock.advance(time.Second) },
				"": func(rt *rapid.T) {
					want, wantOK := m.next([]string{own + "x", own + "y"})
					got, ok, err := b.NextRun(ctx, []string{own + "x", own + "y"})
					require.NoError(rt, err)
					require.Equal(rt, wantOK, ok)
					require.Equal(rt, want.UnixMilli(), got.UnixMilli())
				},
			}
			rt.Repeat(steps)
		})
	})
}
