package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

var _ auth.LinkStore = (*Store)(nil)

// SaveLink implements [auth.LinkStore].
func (s *Store) SaveLink(ctx context.Context, l auth.LinkRecord) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		if _, err := change(ctx, q, `INSERT INTO links (reply_id, code_id, pre_auth_hash, number, sealed,
			requested_at, created_at, expires_at, state, alone) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9)`,
			l.ReplyID, l.CodeID, l.PreAuthHash, l.Number.Digits(), l.Sealed,
			millis(l.RequestedAt), millis(l.CreatedAt), millis(l.ExpiresAt), flag(l.Alone)); err != nil {
			return err
		}
		if l.Alone {
			if err := endOthers(ctx, q, l.ReplyID); err != nil {
				return err
			}
		}
		return appendAudit(ctx, q, AuditRow{At: l.CreatedAt, Event: EventLink, Number: l.Number, ReplyID: l.ReplyID})
	})
	if err != nil {
		return fmt.Errorf("save link: %w", err)
	}
	return nil
}

// LinkAlone implements [auth.LinkStore]. A link that is being consumed stays as it is, here and in SaveLink: its intent decides.
func (s *Store) LinkAlone(ctx context.Context, replyID string) error {
	err := s.note(ctx, func(ctx context.Context, q querier) error {
		marked, err := change(ctx, q, `UPDATE links SET alone = 1 WHERE reply_id = $1`, replyID)
		if err != nil {
			return err
		}
		if marked == 0 {
			return auth.ErrNotFound
		}
		return endOthers(ctx, q, replyID)
	})
	if err != nil {
		return fmt.Errorf("note that a link is alone: %w", err)
	}
	return nil
}

// endOthers ends every other open link of a link's number.
func endOthers(ctx context.Context, q querier, replyID string) error {
	_, err := change(ctx, q, `UPDATE links SET state = 'revoked', sealed = NULL
		WHERE number = (SELECT number FROM links WHERE reply_id = $1) AND reply_id <> $1 AND state = 'open'`, replyID)
	return err
}

// LinkByReply implements [auth.LinkStore].
func (s *Store) LinkByReply(ctx context.Context, replyID string) (auth.LinkRecord, error) {
	return s.link(ctx, "reply_id", replyID)
}

// LinkByPreAuth implements [auth.LinkStore].
func (s *Store) LinkByPreAuth(ctx context.Context, preAuthHash string) (auth.LinkRecord, error) {
	return s.link(ctx, "pre_auth_hash", preAuthHash)
}

// OpenLinks implements [auth.LinkStore].
func (s *Store) OpenLinks(ctx context.Context, expireAfter time.Time, limit int) ([]auth.OpenLink, error) {
	return s.openLinks(ctx, `expires_at > $1 ORDER BY expires_at, reply_id LIMIT $2`, millis(expireAfter), limit)
}

// OpenLinksOf implements [auth.LinkStore].
func (s *Store) OpenLinksOf(ctx context.Context, n phone.Number) ([]auth.OpenLink, error) {
	return s.openLinks(ctx, `number = $1 ORDER BY created_at, reply_id`, n.Digits())
}

func (s *Store) openLinks(ctx context.Context, which string, args ...any) ([]auth.OpenLink, error) {
	var open []auth.OpenLink
	err := each(ctx, s.engine.reader(), `SELECT reply_id, code_id, number, created_at, expires_at
		FROM links WHERE state = 'open' AND `+which, args, func(rows *sql.Rows) error {
		var l auth.OpenLink
		var digits string
		var created, expires int64
		if err := rows.Scan(&l.ReplyID, &l.CodeID, &digits, &created, &expires); err != nil {
			return err
		}
		var err error
		if l.Number, err = phone.FromDigits(digits); err != nil {
			return err
		}
		l.CreatedAt, l.ExpiresAt = at(created), at(expires)
		open = append(open, l)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open links: %w", classify(err))
	}
	return open, nil
}

// LinkVanished implements [auth.LinkStore].
func (s *Store) LinkVanished(ctx context.Context, replyID, reason string) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		ended, err := change(ctx, q, `UPDATE links SET state = 'revoked', sealed = NULL
			WHERE reply_id = $1 AND state = 'open'`, replyID)
		if err != nil {
			return err
		}
		if ended == 0 {
			return auth.ErrTaken
		}
		n, err := linkNumber(ctx, q, replyID)
		if err != nil {
			return err
		}
		return appendAudit(ctx, q, AuditRow{At: s.now(), Event: EventAbandoned, Number: n, ReplyID: replyID,
			Detail: map[string]any{"reason": sentence(reason), "outcome": outcomeRevoked}})
	})
	if err != nil {
		return fmt.Errorf("note that a code is gone: %w", err)
	}
	return nil
}

// TryDigits implements [auth.LinkStore].
func (s *Store) TryDigits(ctx context.Context, replyID string, right bool, limit int) (wrong int, err error) {
	return s.try(ctx, "count a guess of digits", `UPDATE links SET tries = tries + $2
		WHERE reply_id = $1 AND state IN ('open', 'consuming') AND tries < $3 RETURNING tries`, replyID, flag(!right), limit)
}

func (s *Store) link(ctx context.Context, column, value string) (auth.LinkRecord, error) {
	var l auth.LinkRecord
	var digits string
	var requested, created, expires, alone int64
	found, err := one(ctx, s.engine.reader(), `SELECT reply_id, code_id, pre_auth_hash, number, sealed,
		requested_at, created_at, expires_at, state, alone, tries FROM links WHERE `+column+` = $1`, []any{value},
		&l.ReplyID, &l.CodeID, &l.PreAuthHash, &digits, &l.Sealed, &requested, &created, &expires, &l.State, &alone, &l.Tries)
	if err == nil && !found {
		err = auth.ErrNotFound
	}
	if err == nil {
		l.Number, err = phone.FromDigits(digits)
	}
	if err != nil {
		return auth.LinkRecord{}, fmt.Errorf("read link: %w", classify(err))
	}
	l.RequestedAt, l.CreatedAt, l.ExpiresAt, l.Alone = at(requested), at(created), at(expires), alone == 1
	return l, nil
}
