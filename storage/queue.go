package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Backlog is the work of one kind that is not done.
type Backlog struct {
	Kind    string
	Waiting int
	Running int
	Dead    int
	Due     time.Time // when the first that waits could run; zero: none waits
	Oldest  time.Time // when the oldest that waits was added; zero: none waits
}

// Queue tells, by kind, how much work there is that is not done. It reads no finished jobs, and sorts nothing that can be
// many: what waits is as much as a night's outage of another system leaves.
func (s *Store) Queue(ctx context.Context) ([]Backlog, error) {
	queue, err := s.waiting(ctx)
	if err == nil {
		queue, err = s.runningAndDead(ctx, queue)
	}
	if err != nil {
		return nil, fmt.Errorf("look at the queue: %w", classify(err))
	}
	slices.SortFunc(queue, func(a, b Backlog) int { return strings.Compare(a.Kind, b.Kind) })
	return queue, nil
}

// waiting goes from kind to kind along the index of what waits.
func (s *Store) waiting(ctx context.Context) ([]Backlog, error) {
	var queue []Backlog
	q := s.engine.reader()
	for b := (Backlog{}); ; {
		found, err := one(ctx, q, `SELECT kind FROM jobs WHERE state = 'ready' AND kind > $1 ORDER BY kind, run_at, id LIMIT 1`,
			[]any{b.Kind}, &b.Kind)
		if err != nil || !found {
			return queue, err
		}
		var due, first, added sql.NullInt64 // all gone, when another process was fast
		if _, err := one(ctx, q, `SELECT COUNT(*), MIN(run_at), MIN(id) FROM jobs WHERE state = 'ready' AND kind = $1`,
			[]any{b.Kind}, &b.Waiting, &due, &first); err != nil {
			return nil, err
		}
		if !first.Valid {
			continue
		}
		if _, err := one(ctx, q, `SELECT created_at FROM jobs WHERE id = $1`, []any{first.Int64}, &added); err != nil {
			return nil, err
		}
		b.Due, b.Oldest = at(due.Int64), at(added.Int64)
		queue = append(queue, b)
	}
}

// runningAndDead are few. The name of the kind is disguised, or SQLite would walk through the finished ones in the order
// of another index.
func (s *Store) runningAndDead(ctx context.Context, queue []Backlog) ([]Backlog, error) {
	for _, state := range []JobState{JobRunning, JobDead} {
		err := each(ctx, s.engine.reader(), fmt.Sprintf(`SELECT MIN(kind), COUNT(*) FROM jobs WHERE state = '%s' GROUP BY kind || ''`,
			state), nil, func(rows *sql.Rows) error {
			var kind string
			var n int
			if err := rows.Scan(&kind, &n); err != nil {
				return err
			}
			i := slices.IndexFunc(queue, func(b Backlog) bool { return b.Kind == kind })
			if i < 0 {
				i, queue = len(queue), append(queue, Backlog{Kind: kind})
			}
			if state == JobDead {
				queue[i].Dead = n
			} else {
				queue[i].Running = n
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return queue, nil
}

// CountJobs counts the jobs that are not done, by state.
func (s *Store) CountJobs(ctx context.Context) (map[JobState]int, error) {
	queue, err := s.Queue(ctx)
	counts := map[JobState]int{}
	for _, b := range queue {
		counts[JobReady] += b.Waiting
		counts[JobRunning] += b.Running
		counts[JobDead] += b.Dead
	}
	return counts, err
}

// CountOpenCases is how many cases wait for a person.
func (s *Store) CountOpenCases(ctx context.Context) (int, error) {
	var n int
	if _, err := one(ctx, s.engine.reader(), `SELECT COUNT(*) FROM cases WHERE state = 'open'`, nil, &n); err != nil {
		return 0, fmt.Errorf("count open cases: %w", classify(err))
	}
	return n, nil
}
