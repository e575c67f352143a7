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

// Queue tells, by kind, how much work there is that is not done. It reads no finished jobs: the name of the kind is
// disguised, or SQLite would walk through all of them in the order of another index.
func (s *Store) Queue(ctx context.Context) ([]Backlog, error) {
	byKind := map[string]*Backlog{}
	for _, q := range []struct {
		state JobState
		count func(b *Backlog, n int)
	}{
		{JobReady, func(b *Backlog, n int) { b.Waiting = n }},
		{JobRunning, func(b *Backlog, n int) { b.Running = n }},
		{JobDead, func(b *Backlog, n int) { b.Dead = n }},
	} {
		err := each(ctx, s.engine.reader(), fmt.Sprintf(`SELECT MIN(kind), COUNT(*), MIN(run_at), MIN(created_at)
			FROM jobs WHERE state = '%s' GROUP BY kind || ''`, q.state), nil, func(rows *sql.Rows) error {
			var kind string
			var n int
			var run, created int64
			if err := rows.Scan(&kind, &n, &run, &created); err != nil {
				return err
			}
			b, known := byKind[kind]
			if !known {
				b = &Backlog{Kind: kind}
				byKind[kind] = b
			}
			q.count(b, n)
			if q.state == JobReady {
				b.Due, b.Oldest = at(run), at(created)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look at the queue: %w", classify(err))
		}
	}
	queue := make([]Backlog, 0, len(byKind))
	for _, b := range byKind {
		queue = append(queue, *b)
	}
	slices.SortFunc(queue, func(a, b Backlog) int { return strings.Compare(a.Kind, b.Kind) })
	return queue, nil
}

// CountOpenCases is how many cases wait for a person.
func (s *Store) CountOpenCases(ctx context.Context) (int, error) {
	var n int
	if _, err := one(ctx, s.engine.reader(), `SELECT COUNT(*) FROM cases WHERE state = 'open'`, nil, &n); err != nil {
		return 0, fmt.Errorf("count open cases: %w", classify(err))
	}
	return n, nil
}
