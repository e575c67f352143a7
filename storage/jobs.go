package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

var _ jobs.Store = (*Store)(nil)

// unblocked keeps the order of a serial: nothing of the same serial is running, and nothing earlier is waiting. A
// job without a serial (NULL) equals nothing, so it is always unblocked. Each part is one look into an index.
const unblocked = ` NOT EXISTS (SELECT 1 FROM jobs r WHERE r.serial = j.serial AND r.state = 'running')
  AND NOT EXISTS (SELECT 1 FROM jobs e WHERE e.serial = j.serial AND e.state = 'ready' AND e.id < j.id)`

// addJob inserts a job; fresh is false when its (kind, key) is known, and then nothing is written. user is the
// SuperTokens user whose sign-in asks for it, empty for none.
func addJob(ctx context.Context, q querier, n jobs.New, user string, now time.Time) (fresh bool, err error) {
	if n.Kind == "" || n.Key == "" {
		return false, errors.New("a job needs a kind and a key")
	}
	runAt := n.RunAt
	if runAt.IsZero() {
		runAt = now
	}
	payload := n.Payload
	if payload == nil {
		payload = []byte{}
	}
	var serial any
	if n.Serial != "" {
		serial = name(n.Serial)
	}
	added, err := change(ctx, q, `INSERT INTO jobs
		(kind, key, serial, payload, state, attempts, run_at, created_at, reason, user_id, request)
		VALUES ($1, $2, $3, $4, 'ready', 0, $5, $6, '', $7, $8) ON CONFLICT (kind, key) DO NOTHING`,
		n.Kind, name(n.Key), serial, payload, millis(runAt), millis(now), orNull(user), name(n.Request))
	return added == 1, err
}

// AddJobs adds work that belongs to no other record, all in one transaction; known (kind, key) are left as they are.
// It returns how many were new.
func (s *Store) AddJobs(ctx context.Context, add ...jobs.New) (int, error) {
	var added int
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		added = 0
		for _, n := range add {
			fresh, err := addJob(ctx, q, n, "", s.now())
			if err != nil {
				return err
			}
			if fresh {
				added++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("add jobs: %w", err)
	}
	if added > 0 {
		s.jobsAdded()
	}
	return added, nil
}

// LeaseJobs implements [jobs.Store]. Oldest first means: by the time at which a job may run, then in the order of
// adding. Leases that have run out are taken back first.
func (s *Store) LeaseJobs(ctx context.Context, l jobs.Lease) ([]jobs.Job, error) {
	return s.leaseJobs(ctx, l, anybody)
}

// anybody may do it; see [Tenure.Jobs] for those that only the line's owner may.
func anybody(context.Context, querier) error { return nil }

// leaseJobs leases after allowed has agreed, in the same transaction.
func (s *Store) leaseJobs(ctx context.Context, l jobs.Lease, allowed func(context.Context, querier) error) ([]jobs.Job, error) {
	if len(l.Kinds) == 0 || l.Limit <= 0 {
		return nil, nil
	}
	var leased []jobs.Job
	err := s.note(ctx, func(ctx context.Context, q querier) (err error) {
		leased = nil
		if err := allowed(ctx, q); err != nil {
			return err
		}
		if _, err := change(ctx, q, `UPDATE jobs SET state = 'ready', owner = NULL, lease_until = NULL
			WHERE state = 'running' AND lease_until <= $1`, millis(l.Now)); err != nil {
			return err
		}
		order, err := dueJobs(ctx, q, l)
		if err != nil || len(order) == 0 {
			return err
		}
		leased, err = s.takeJobs(ctx, q, l, order)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lease jobs: %w", err)
	}
	return leased, nil
}

// dueJobs chooses up to Limit jobs, in order. Each kind is asked by itself, so that the index answers in order and
// waiting jobs of kinds that nobody asked for cost nothing.
func dueJobs(ctx context.Context, q querier, l jobs.Lease) ([]int64, error) {
	args := []any{millis(l.Now)}
	parts := make([]string, 0, len(l.Kinds))
	for i, kind := range l.Kinds {
		parts = append(parts, fmt.Sprintf(`SELECT * FROM (SELECT j.id AS id, j.run_at AS run_at FROM jobs j
			WHERE j.kind = %s AND j.state = 'ready' AND j.run_at <= $1 AND %s
			ORDER BY j.run_at, j.id LIMIT %d) AS k%d`, inText(kind, &args), unblocked, l.Limit, i))
	}
	query := strings.Join(parts, " UNION ALL ") + fmt.Sprintf(" ORDER BY run_at, id LIMIT %d", l.Limit)
	var due []int64
	err := each(ctx, q, query, args, func(rows *sql.Rows) error {
		var id, runAt int64
		err := rows.Scan(&id, &runAt)
		due = append(due, id)
		return err
	})
	return due, err
}

// inText writes a kind into a statement that is run many times a second. SQLite plans a statement again each time a
// value is bound that it looked at while planning: a limit, or a column that stands beside a partial index. That took
// ten times as long as the search itself. A name that is not plain is bound all the same.
func inText(kind string, args *[]any) string {
	if strings.ContainsFunc(kind, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}) {
		*args = append(*args, kind)
		return fmt.Sprintf("$%d", len(*args))
	}
	return "'" + kind + "'"
}

// takeJobs marks the chosen jobs as leased and reads them, in the order given.
func (s *Store) takeJobs(ctx context.Context, q querier, l jobs.Lease, order []int64) ([]jobs.Job, error) {
	args := []any{l.Owner, millis(l.Until)}
	marks := make([]string, 0, len(order))
	for _, id := range order {
		args = append(args, id)
		marks = append(marks, fmt.Sprintf("$%d", len(args)))
	}
	var taken []jobs.Job
	err := each(ctx, q, `UPDATE jobs SET state = 'running', owner = $1, lease_until = $2 WHERE id IN (
		SELECT id FROM jobs WHERE state = 'ready' AND id IN (`+strings.Join(marks, ", ")+`)`+s.engine.skipLocked()+`)
		RETURNING id, kind, key, serial, payload, attempts, created_at, request`, args,
		func(rows *sql.Rows) error {
			var j jobs.Job
			var serial sql.NullString
			var created int64
			if err := rows.Scan(&j.ID, &j.Kind, &j.Key, &serial, &j.Payload, &j.Attempt, &created, &j.Request); err != nil {
				return err
			}
			j.Serial, j.CreatedAt = serial.String, at(created)
			j.Attempt++ // this run
			taken = append(taken, j)
			return nil
		})
	place := make(map[int64]int, len(order))
	for i, id := range order {
		place[id] = i
	}
	slices.SortFunc(taken, func(a, b jobs.Job) int { return cmp.Compare(place[a.ID], place[b.ID]) })
	return taken, err
}

// SettleJobs implements [jobs.Store]. A finished job's payload is emptied at once: it may name numbers.
func (s *Store) SettleJobs(ctx context.Context, settle []jobs.Settlement) error {
	return s.settleJobs(ctx, settle, anybody)
}

func (s *Store) settleJobs(ctx context.Context, settle []jobs.Settlement, allowed func(context.Context, querier) error) error {
	if len(settle) == 0 {
		return nil
	}
	err := s.note(ctx, func(ctx context.Context, q querier) error {
		if err := allowed(ctx, q); err != nil {
			return err
		}
		for _, one := range settle {
			if err := settleJob(ctx, q, one); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle jobs: %w", err)
	}
	return nil
}

func settleJob(ctx context.Context, q querier, s jobs.Settlement) error {
	const held = ` AND owner = $2 AND state = 'running'`
	var err error
	switch s.Outcome {
	case jobs.Done:
		_, err = change(ctx, q, `UPDATE jobs SET state = 'done', owner = NULL, lease_until = NULL, reason = '',
			payload = $4, finished_at = $3 WHERE id = $1`+held, s.ID, s.Owner, millis(s.At), []byte{})
	case jobs.Dead:
		_, err = change(ctx, q, `UPDATE jobs SET state = 'dead', owner = NULL, lease_until = NULL, attempts = attempts + 1,
			finished_at = $3, reason = $4 WHERE id = $1`+held, s.ID, s.Owner, millis(s.At), sentence(s.Reason))
	case jobs.Retry:
		_, err = change(ctx, q, `UPDATE jobs SET state = 'ready', owner = NULL, lease_until = NULL, run_at = $3,
			attempts = attempts + $4, reason = $5 WHERE id = $1`+held,
			s.ID, s.Owner, millis(s.RunAt), flag(s.Counts), sentence(s.Reason))
	default:
		err = fmt.Errorf("unknown outcome %d", s.Outcome)
	}
	return err
}

// ReleaseJobs implements [jobs.Store].
func (s *Store) ReleaseJobs(ctx context.Context, owner string) error {
	return s.releaseJobs(ctx, owner, anybody)
}

func (s *Store) releaseJobs(ctx context.Context, owner string, allowed func(context.Context, querier) error) error {
	err := s.note(ctx, func(ctx context.Context, q querier) error {
		if err := allowed(ctx, q); err != nil {
			return err
		}
		_, err := change(ctx, q, `UPDATE jobs SET state = 'ready', owner = NULL, lease_until = NULL
			WHERE state = 'running' AND owner = $1`, owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("release jobs: %w", err)
	}
	return nil
}

// NextRun implements [jobs.Store]. A job that waits for another one of its serial does not count: that other one does.
func (s *Store) NextRun(ctx context.Context, kinds []string) (time.Time, bool, error) {
	if len(kinds) == 0 {
		return time.Time{}, false, nil
	}
	var args []any
	var parts, marks []string
	for i, kind := range kinds {
		marks = append(marks, inText(kind, &args))
		parts = append(parts, fmt.Sprintf(`SELECT * FROM (SELECT j.run_at AS due FROM jobs j
			WHERE j.kind = %s AND j.state = 'ready' AND %s ORDER BY j.run_at, j.id LIMIT 1) AS k%d`,
			marks[i], unblocked, i))
	}
	// Few jobs run, many have been of these kinds: the concatenation keeps SQLite from searching by kind.
	parts = append(parts, `SELECT * FROM (SELECT lease_until AS due FROM jobs WHERE state = 'running'
		AND kind || '' IN (`+strings.Join(marks, ", ")+`) ORDER BY lease_until LIMIT 1) AS leased`)
	var next sql.NullInt64
	query := "SELECT MIN(due) FROM (" + strings.Join(parts, " UNION ALL ") + ") AS soonest"
	if _, err := one(ctx, s.engine.reader(), query, args, &next); err != nil {
		return time.Time{}, false, fmt.Errorf("next run: %w", classify(err))
	}
	return at(next.Int64), next.Valid, nil
}
