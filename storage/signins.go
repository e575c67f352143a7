package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

var _ auth.SignInStore = (*Store)(nil)

// How an intent was closed.
const (
	outcomeRecorded = "recorded"
	outcomeReopened = "reopened"
	outcomeRevoked  = "revoked"
)

// BeginSignIn implements [auth.SignInStore]. The turn of the link from open to consuming is what one caller wins.
func (s *Store) BeginSignIn(ctx context.Context, i auth.Intent) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		won, err := change(ctx, q, `UPDATE links SET state = 'consuming' WHERE reply_id = $1 AND state = 'open'`, i.ReplyID)
		if err != nil {
			return err
		}
		if won == 0 {
			return auth.ErrTaken
		}
		_, err = change(ctx, q, `INSERT INTO intents
			(id, reply_id, code_id, number, guest, apart, started_at, expires_at, pre_auth, outcome)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '')`, i.ID, i.ReplyID, i.CodeID, i.Number.Digits(),
			i.Guest, i.Apart, millis(i.StartedAt), millis(i.ExpiresAt), i.PreAuth)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin sign-in: %w", err)
	}
	return nil
}

// RecordSignIn implements [auth.SignInStore]; auth.ErrNotFound when there is no such intent.
func (s *Store) RecordSignIn(ctx context.Context, in auth.SignIn) error {
	var added, taken bool
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		added, taken = false, false
		reply, err := closeIntent(ctx, q, in.Intent, outcomeRecorded, s.now())
		if errors.Is(err, auth.ErrTaken) && !in.Reconciled {
			reply, err = reviveIntent(ctx, q, in.Intent)
		}
		if err != nil {
			return err
		}
		spent, err := change(ctx, q, `UPDATE links SET state = 'consumed', sealed = NULL
			WHERE reply_id = $1 AND state <> 'consumed'`, reply)
		if err != nil {
			return err
		}
		if spent == 0 { // another intent of the link was faster
			taken = true
			_, err := change(ctx, q, `UPDATE intents SET outcome = $2 WHERE id = $1`, in.Intent, outcomeRevoked)
			return err
		}
		added, err = s.appendSignIn(ctx, q, in, reply)
		return err
	})
	if err == nil && taken {
		err = auth.ErrTaken
	}
	if err != nil {
		return fmt.Errorf("record sign-in: %w", err)
	}
	if added {
		s.jobsAdded()
	}
	return nil
}

// appendSignIn settles the browser's guests, writes the audit row and the jobs of a sign-in, and says whether any job is
// new.
func (s *Store) appendSignIn(ctx context.Context, q querier, in auth.SignIn, reply string) (added bool, err error) {
	if in.Changed != "" {
		if err := changed(ctx, q, in.Number, in.Changed, s.now()); err != nil {
			return false, err
		}
	}
	brought, err := s.bring(ctx, q, in)
	if err != nil {
		return false, err
	}
	todo := in.Jobs
	if brought {
		todo = slices.Concat(in.Jobs, in.GuestJobs)
	}
	err = appendAudit(ctx, q, AuditRow{At: in.At, Event: EventSignIn, Number: in.Number, UserID: in.UserID,
		ReplyID: reply, IntentID: in.Intent, Detail: signInDetail(in, brought)})
	if err != nil {
		return false, err
	}
	for _, n := range todo {
		fresh, err := addJob(ctx, q, n, in.UserID, s.now())
		if err != nil {
			return false, err
		}
		added = added || fresh
	}
	return added, nil
}

// reviveIntent makes an intent that was abandoned a recorded one, and returns its link's reply id.
func reviveIntent(ctx context.Context, q querier, id string) (replyID string, err error) {
	found, err := one(ctx, q, `UPDATE intents SET outcome = $2 WHERE id = $1 AND closed_at IS NOT NULL AND outcome <> $2
		RETURNING reply_id`, []any{id, outcomeRecorded}, &replyID)
	if err == nil && !found {
		err = auth.ErrTaken
	}
	return replyID, err
}

// closeIntent closes an open intent, forgets what was only needed while it was open, and returns its link's reply id.
func closeIntent(ctx context.Context, q querier, id, outcome string, now time.Time) (replyID string, err error) {
	found, err := one(ctx, q, `UPDATE intents SET closed_at = $2, outcome = $3, pre_auth = '', guest = '', apart = ''
		WHERE id = $1 AND closed_at IS NULL RETURNING reply_id`, []any{id, millis(now), outcome}, &replyID)
	if err != nil || found {
		return replyID, err
	}
	var known int64
	found, err = one(ctx, q, `SELECT 1 FROM intents WHERE id = $1`, []any{id}, &known)
	if err != nil {
		return "", err
	}
	if !found {
		return "", auth.ErrNotFound
	}
	return "", auth.ErrTaken
}

// AbandonSignIn implements [auth.SignInStore]; auth.ErrTaken when the intent is closed already. A link that was
// superseded while it was being consumed does not open again: a younger one of its number is alone.
func (s *Store) AbandonSignIn(ctx context.Context, intentID string, linkOpen bool, reason string) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		outcome := outcomeRevoked
		if linkOpen {
			outcome = outcomeReopened
		}
		reply, err := closeIntent(ctx, q, intentID, outcome, s.now())
		if err != nil {
			return err
		}
		if err := abandonLink(ctx, q, reply, linkOpen); err != nil {
			return err
		}
		n, err := linkNumber(ctx, q, reply)
		if err != nil {
			return err
		}
		return appendAudit(ctx, q, AuditRow{At: s.now(), Event: EventAbandoned, Number: n, ReplyID: reply, IntentID: intentID,
			Detail: map[string]any{"reason": sentence(reason), "outcome": outcome}})
	})
	if err != nil {
		return fmt.Errorf("abandon sign-in: %w", err)
	}
	return nil
}

// linkNumber is whose link it is; zero when it is gone.
func linkNumber(ctx context.Context, q querier, replyID string) (phone.Number, error) {
	var digits string
	found, err := one(ctx, q, `SELECT number FROM links WHERE reply_id = $1`, []any{replyID}, &digits)
	if err != nil || !found {
		return phone.Number{}, err
	}
	return phone.FromDigits(digits)
}

func abandonLink(ctx context.Context, q querier, replyID string, open bool) error {
	if open {
		reopened, err := change(ctx, q, `UPDATE links SET state = 'open' WHERE reply_id = $1 AND state = 'consuming'
			AND NOT EXISTS (SELECT 1 FROM links y WHERE y.number = links.number AND y.reply_id <> links.reply_id
				AND y.alone = 1 AND y.created_at > links.created_at)`, replyID)
		if err != nil || reopened == 1 {
			return err
		}
	}
	_, err := change(ctx, q, `UPDATE links SET state = 'revoked', sealed = NULL
		WHERE reply_id = $1 AND state = 'consuming'`, replyID)
	return err
}

// OpenIntents implements [auth.SignInStore], oldest first.
func (s *Store) OpenIntents(ctx context.Context, before time.Time) ([]auth.Intent, error) {
	var open []auth.Intent
	var unreadable []error
	err := each(ctx, s.engine.reader(), `SELECT id, reply_id, code_id, number, guest, apart, started_at, expires_at, pre_auth
		FROM intents WHERE closed_at IS NULL AND started_at < $1 ORDER BY started_at, id`, []any{millis(before)},
		func(rows *sql.Rows) error {
			i, err := scanIntent(rows)
			if err != nil {
				unreadable = append(unreadable, fmt.Errorf("intent %s: %w", i.ID, err))
				return nil
			}
			open = append(open, i)
			return nil
		})
	if err := errors.Join(append(unreadable, classify(err))...); err != nil {
		return open, fmt.Errorf("open intents: %w", err)
	}
	return open, nil
}

func scanIntent(rows *sql.Rows) (i auth.Intent, err error) {
	var digits string
	var started, expires int64
	if err := rows.Scan(&i.ID, &i.ReplyID, &i.CodeID, &digits, &i.Guest, &i.Apart, &started, &expires, &i.PreAuth); err != nil {
		return i, err
	}
	i.StartedAt, i.ExpiresAt = at(started), at(expires)
	i.Number, err = phone.FromDigits(digits)
	return i, err
}

// signInDetail is what the audit keeps of a sign-in besides who and when. The guest id itself is the follow-up job's.
func signInDetail(in auth.SignIn, brought bool) map[string]any {
	return map[string]any{"new_user": in.NewUser, "guest": brought, "reconciled": in.Reconciled}
}
