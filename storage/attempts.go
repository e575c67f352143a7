package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

var _ auth.AttemptStore = (*Store)(nil)

// SaveAttempt implements [auth.AttemptStore].
func (s *Store) SaveAttempt(ctx context.Context, a auth.AttemptRecord) error {
	err := s.note(ctx, func(ctx context.Context, q querier) error {
		n, err := change(ctx, q, `INSERT INTO attempts (key_hash, reference, guest_id, return_path, created_at, expires_at,
			number, reply_id, code_tries) VALUES ($1, $2, $3, $4, $5, $6, '', '', 0) ON CONFLICT DO NOTHING`,
			a.KeyHash, orNull(a.Reference), a.Guest, a.ReturnPath, millis(a.CreatedAt), millis(a.ExpiresAt))
		if err == nil && n == 0 {
			err = auth.ErrTaken
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save attempt: %w", err)
	}
	return nil
}

// AttemptByKey implements [auth.AttemptStore].
func (s *Store) AttemptByKey(ctx context.Context, keyHash string) (auth.AttemptRecord, error) {
	return s.attempt(ctx, `key_hash = $1`, keyHash)
}

// AttemptOfLink implements [auth.AttemptStore].
func (s *Store) AttemptOfLink(ctx context.Context, replyID string) (auth.AttemptRecord, error) {
	return s.attempt(ctx, `reply_id = $1 AND reply_id <> ''`, replyID)
}

func (s *Store) attempt(ctx context.Context, which string, value string) (auth.AttemptRecord, error) {
	var a auth.AttemptRecord
	var reference sql.NullString
	var digits string
	var created, expires int64
	var received, used sql.NullInt64
	found, err := one(ctx, s.engine.reader(), `SELECT key_hash, reference, guest_id, return_path, created_at, expires_at,
		received_at, number, reply_id, code_tries, used_at FROM attempts WHERE `+which, []any{value},
		&a.KeyHash, &reference, &a.Guest, &a.ReturnPath, &created, &expires, &received, &digits, &a.ReplyID, &a.CodeTries, &used)
	if err == nil && !found {
		err = auth.ErrNotFound
	}
	if err == nil && digits != "" {
		a.Number, err = phone.FromDigits(digits)
	}
	if err != nil {
		return auth.AttemptRecord{}, fmt.Errorf("read attempt: %w", classify(err))
	}
	a.Reference, a.CreatedAt, a.ExpiresAt = reference.String, at(created), at(expires)
	a.ReceivedAt, a.UsedAt = at(received.Int64), at(used.Int64)
	return a, nil
}

// RedirectAttempt implements [auth.AttemptStore]. Once a number is tied to the attempt its guest stays: who opens the link
// elsewhere is shown that guest's records, and says yes to those.
func (s *Store) RedirectAttempt(ctx context.Context, keyHash, returnPath, guestID string) error {
	return s.onAttempt(ctx, "redirect attempt", `UPDATE attempts SET return_path = $2, guest_id = CASE number WHEN '' THEN $3 ELSE guest_id END
		WHERE key_hash = $1`,
		keyHash, returnPath, guestID)
}

// TieAttempt implements [auth.AttemptStore]. The first number wins the attempt in the one statement; a link has one attempt.
func (s *Store) TieAttempt(ctx context.Context, t auth.Tie) (tied bool, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		n, err := change(ctx, q, `UPDATE attempts SET number = $2, reply_id = $3, received_at = COALESCE(received_at, $4)
			WHERE reference = $1 AND expires_at > $4 AND used_at IS NULL AND (number = '' OR number = $2)`,
			t.Reference, t.Number.Digits(), t.ReplyID, millis(t.At))
		if tied = n == 1; err != nil || !tied {
			return err
		}
		_, err = change(ctx, q, `UPDATE attempts SET reply_id = '' WHERE reply_id = $1 AND reply_id <> '' AND reference <> $2`, t.ReplyID, t.Reference)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("tie attempt: %w", err)
	}
	return tied, nil
}

// TryCode implements [auth.AttemptStore].
func (s *Store) TryCode(ctx context.Context, keyHash string, right bool, limit int) (wrong int, err error) {
	return s.try(ctx, "count a guess of a code", `UPDATE attempts SET code_tries = code_tries + $2
		WHERE key_hash = $1 AND code_tries < $3 AND used_at IS NULL RETURNING code_tries`, keyHash, flag(!right), limit)
}

// SpendAttempt implements [auth.AttemptStore].
func (s *Store) SpendAttempt(ctx context.Context, keyHash string, at time.Time) error {
	return s.onAttempt(ctx, "spend attempt", `UPDATE attempts SET used_at = $2 WHERE key_hash = $1 AND used_at IS NULL`,
		keyHash, millis(at))
}

func (s *Store) onAttempt(ctx context.Context, op, statement string, args ...any) error {
	err := s.note(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, statement, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// try admits and counts one guess, or answers auth.ErrTaken when there is none left. It waits for the disk: a guess that
// was answered stays counted.
func (s *Store) try(ctx context.Context, op, statement string, args ...any) (wrong int, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		found, err := one(ctx, q, statement, args, &wrong)
		if err == nil && !found {
			err = auth.ErrTaken
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	return wrong, nil
}
