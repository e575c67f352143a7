package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// JobState is where a job stands.
type JobState string

// The states of a job.
const (
	JobReady   JobState = "ready"   // waits for its time, for a runner, or for another job of its serial
	JobRunning JobState = "running" // leased
	JobDone    JobState = "done"
	JobDead    JobState = "dead" // laid aside until a person retries it
)

// JobInfo is a job as an operator sees it: without key and payload, which may name numbers.
type JobInfo struct {
	ID         int64
	Kind       string
	State      JobState
	Attempts   int // runs that counted and did not succeed
	CreatedAt  time.Time
	RunAt      time.Time
	FinishedAt time.Time // zero: not finished
	Reason     string    // why the last run did not succeed
	UserID     string    // SuperTokens user whose sign-in asked for it; empty: none
}

// maxListed is how many jobs of each state ListJobs shows.
const maxListed = 500

// ListJobs shows the youngest jobs of the given states, of all states when none is given: up to 500 of each.
func (s *Store) ListJobs(ctx context.Context, states ...JobState) ([]JobInfo, error) {
	if len(states) == 0 {
		states = []JobState{JobReady, JobRunning, JobDone, JobDead}
	}
	var found []JobInfo
	for _, state := range states {
		if !slices.Contains([]JobState{JobReady, JobRunning, JobDone, JobDead}, state) {
			return nil, fmt.Errorf("list jobs: unknown state %q", state)
		}
		order := "id"
		if state == JobDone || state == JobDead {
			order = "finished_at" // has an index of its own for these
		}
		err := each(ctx, s.engine.reader(), fmt.Sprintf(`SELECT %s FROM jobs WHERE state = '%s' ORDER BY %s DESC LIMIT %d`,
			jobColumns, state, order, maxListed), nil,
			func(rows *sql.Rows) error {
				j, err := scanJob(rows)
				found = append(found, j)
				return err
			})
		if err != nil {
			return nil, fmt.Errorf("list jobs: %w", classify(err))
		}
	}
	return found, nil
}

// Job shows one job; [ErrNoJob] when there is none of this id.
func (s *Store) Job(ctx context.Context, id int64) (JobInfo, error) {
	var j JobInfo
	found := false
	err := each(ctx, s.engine.reader(), `SELECT `+jobColumns+` FROM jobs WHERE id = $1`, []any{id}, func(rows *sql.Rows) (err error) {
		found = true
		j, err = scanJob(rows)
		return err
	})
	switch {
	case err != nil:
		return JobInfo{}, fmt.Errorf("look up job: %w", classify(err))
	case !found:
		return JobInfo{}, ErrNoJob
	}
	return j, nil
}

const jobColumns = "id, kind, state, attempts, created_at, run_at, finished_at, reason, COALESCE(user_id, '')"

func scanJob(rows *sql.Rows) (JobInfo, error) {
	var j JobInfo
	var created, run int64
	var finished sql.NullInt64
	err := rows.Scan(&j.ID, &j.Kind, &j.State, &j.Attempts, &created, &run, &finished, &j.Reason, &j.UserID)
	j.CreatedAt, j.RunAt, j.FinishedAt = at(created), at(run), at(finished.Int64)
	return j, err
}

// HurryJob has a job that waits for its time run now. It is no error when there is none.
func (s *Store) HurryJob(ctx context.Context, kind, key string) error {
	var hurried int64
	err := s.note(ctx, func(ctx context.Context, q querier) (err error) {
		hurried, err = change(ctx, q, `UPDATE jobs SET run_at = $3 WHERE kind = $1 AND key = $2 AND state = 'ready' AND run_at > $3`,
			kind, name(key), millis(s.now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("hurry job: %w", err)
	}
	if hurried > 0 {
		s.jobsAdded()
	}
	return nil
}

// RetryJobs makes every dead job ready again, as [Store.RetryJob] does one, and tells how many.
func (s *Store) RetryJobs(ctx context.Context) (int, error) {
	var revived int64
	err := s.write(ctx, func(ctx context.Context, q querier) (err error) {
		now := s.now()
		revived, err = change(ctx, q, `UPDATE jobs SET state = 'ready', attempts = 0, run_at = $1, finished_at = NULL
			WHERE state = 'dead'`, millis(now))
		if err != nil || revived == 0 {
			return err
		}
		return appendAudit(ctx, q, AuditRow{At: now, Event: EventRetry, Detail: map[string]any{"jobs": revived}})
	})
	if err != nil {
		return 0, fmt.Errorf("retry jobs: %w", err)
	}
	if revived > 0 {
		s.jobsAdded()
	}
	return int(revived), nil
}

// RetryJob makes a dead job ready again, with its attempts forgotten, and notes that in the audit. ErrNoDeadJob when
// there is none of this id.
func (s *Store) RetryJob(ctx context.Context, id int64) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		now := s.now()
		revived, err := change(ctx, q, `UPDATE jobs SET state = 'ready', attempts = 0, run_at = $2, finished_at = NULL
			WHERE id = $1 AND state = 'dead'`, id, millis(now))
		if err != nil {
			return err
		}
		if revived == 0 {
			return ErrNoDeadJob
		}
		return appendAudit(ctx, q, AuditRow{At: now, Event: EventRetry, Detail: map[string]any{"job": id}})
	})
	if err != nil {
		return fmt.Errorf("retry job: %w", err)
	}
	s.jobsAdded()
	return nil
}
