package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

// Stale is work of the chat that a restored copy must not do again, see [Store.GoOn].
type Stale struct {
	Kinds  []string // of the jobs that write to users
	Reason string   // what the messages that they answer are refused for
	// Message says which message the payload of such a job answers; an error: it cannot be read.
	Message func(payload []byte) (sender, id string, err error)
}

// GoOn makes a database that was copied at the given time fit to go on from, before anything runs on it. Jobs that
// write to users, unless done, are ended and their messages refused: the bot that was copied has answered them since,
// or they are too old by now. All other jobs do no harm twice; those that were being worked on wait for a worker again.
// It tells how many jobs it has ended. Doing it again changes nothing but the audit.
func (s *Store) GoOn(ctx context.Context, copied time.Time, stale Stale) (ended int, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		ended = 0
		now := s.now()
		for _, kind := range stale.Kinds {
			n, err := endStale(ctx, q, kind, stale, now)
			if err != nil {
				return err
			}
			ended += n
		}
		if _, err := change(ctx, q, `UPDATE jobs SET state = 'ready', owner = NULL, lease_until = NULL
			WHERE state = 'running'`); err != nil {
			return err
		}
		detail := map[string]any{"replies not sent": ended}
		if !copied.IsZero() {
			detail["copied at"] = copied.UTC().Format(time.RFC3339)
		}
		return appendAudit(ctx, q, AuditRow{At: now, Event: EventRestored, Detail: detail})
	})
	if err != nil {
		return 0, fmt.Errorf("go on from a copy: %w", err)
	}
	return ended, nil
}

func endStale(ctx context.Context, q querier, kind string, stale Stale, now time.Time) (int, error) {
	var found []jobs.Job
	err := each(ctx, q, `SELECT id, payload FROM jobs WHERE kind = $1 AND state <> 'done'`, []any{kind}, func(rows *sql.Rows) error {
		var j jobs.Job
		err := rows.Scan(&j.ID, &j.Payload)
		found = append(found, j)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, j := range found {
		if sender, id, err := stale.Message(j.Payload); err == nil {
			if _, err := change(ctx, q, `UPDATE messages SET refused = $3 WHERE sender = $1 AND id = $2 AND refused = ''`,
				name(sender), name(id), sentence(stale.Reason)); err != nil {
				return 0, err
			}
		}
		if _, err := change(ctx, q, `UPDATE jobs SET state = 'done', owner = NULL, lease_until = NULL, reason = $3,
			payload = $4, finished_at = $2 WHERE id = $1`, j.ID, millis(now), sentence(stale.Reason), []byte{}); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}
