package storage

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Bar says why a number gets no link, or none of its sessions: one of admin's reasons, empty for none. made is when the
// link in question was made; zero: it is to be made.
func (s *Store) Bar(ctx context.Context, n phone.Number, made time.Time) (reason string, err error) {
	var paused, blocked, revoked bool
	since := int64(math.MaxInt64)
	if !made.IsZero() {
		since = millis(made)
	}
	_, err = one(ctx, s.engine.reader(), `SELECT EXISTS (SELECT 1 FROM pauses),
		EXISTS (SELECT 1 FROM blocks WHERE number = $1 AND (until = 0 OR until > $2)),
		EXISTS (SELECT 1 FROM revocations WHERE number = $1 AND (refused = 1 OR at >= $3))
			OR EXISTS (SELECT 1 FROM erasures WHERE number = $1 AND number <> '' AND at > $4)`,
		[]any{n.Digits(), millis(s.now()), since, millis(s.now().Add(-erasureBars))}, &paused, &blocked, &revoked)
	switch {
	case err != nil:
		return "", fmt.Errorf("look for a bar: %w", classify(err))
	case blocked:
		return admin.BarBlocked, nil
	case revoked:
		return admin.BarRevoked, nil
	case paused:
		return admin.BarPaused, nil
	}
	return "", nil
}

// SetBlock blocks a number, in place of an earlier block.
func (s *Store) SetBlock(ctx context.Context, b admin.Block) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO blocks (number, until, reason, by_whom, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (number) DO UPDATE SET until = excluded.until, reason = excluded.reason,
				by_whom = excluded.by_whom, at = excluded.at`,
			b.Number.Digits(), millis(b.Until), sentence(phone.MaskIn(b.Reason)), sentence(b.By), millis(b.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("block: %w", err)
	}
	return nil
}

// SetRevocation notes that everything that a number has until now is void. A refusal that stands is not lifted by it.
func (s *Store) SetRevocation(ctx context.Context, r admin.Revocation) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO revocations (number, at, refused, by_whom) VALUES ($1, $2, $3, $4)
			ON CONFLICT (number) DO UPDATE SET at = excluded.at, by_whom = excluded.by_whom,
				refused = CASE WHEN revocations.refused = 1 THEN 1 ELSE excluded.refused END`,
			r.Number.Digits(), millis(r.At), flag(r.Refused), sentence(r.By))
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}

// Lift ends a number's block and, when told to, its refusal of new links; it tells what there was and what stays. Links
// that were revoked stay revoked.
func (s *Store) Lift(ctx context.Context, n phone.Number, refusal bool) (lifted admin.Lifted, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		lifted = admin.Lifted{}
		ended, err := change(ctx, q, `DELETE FROM blocks WHERE number = $1`, n.Digits())
		if err != nil {
			return err
		}
		lifted.Block = ended > 0
		if !refusal {
			_, err = one(ctx, q, `SELECT EXISTS (SELECT 1 FROM revocations WHERE number = $1 AND refused = 1)`,
				[]any{n.Digits()}, &lifted.StillRefused)
			return err
		}
		ended, err = change(ctx, q, `UPDATE revocations SET refused = 0 WHERE number = $1 AND refused = 1`, n.Digits())
		lifted.Refusal = ended > 0
		return err
	})
	if err != nil {
		return admin.Lifted{}, fmt.Errorf("lift a block: %w", err)
	}
	return lifted, nil
}

// BarsOf shows a number's block, nil when there is none in force, and its last revocation, nil when none is remembered.
func (s *Store) BarsOf(ctx context.Context, n phone.Number) (*admin.Block, *admin.Revocation, error) {
	block, revocation := &admin.Block{Number: n}, &admin.Revocation{Number: n}
	var until, blocked, revoked, refused int64
	found, err := one(ctx, s.engine.reader(), `SELECT until, reason, by_whom, at FROM blocks
		WHERE number = $1 AND (until = 0 OR until > $2)`, []any{n.Digits(), millis(s.now())},
		&until, &block.Reason, &block.By, &blocked)
	if err != nil {
		return nil, nil, fmt.Errorf("read block: %w", classify(err))
	}
	if block.Until, block.At = at(until), at(blocked); !found {
		block = nil
	}
	found, err = one(ctx, s.engine.reader(), `SELECT at, refused, by_whom FROM revocations WHERE number = $1`, []any{n.Digits()},
		&revoked, &refused, &revocation.By)
	if err != nil {
		return nil, nil, fmt.Errorf("read revocation: %w", classify(err))
	}
	if revocation.At, revocation.Refused = at(revoked), refused == 1; !found {
		revocation = nil
	}
	return block, revocation, nil
}

// SetPause pauses the service; an earlier pause stays as it is.
func (s *Store) SetPause(ctx context.Context, p admin.Pause) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO pauses (one, since, reason, by_whom) VALUES (1, $1, $2, $3) ON CONFLICT (one) DO NOTHING`,
			millis(p.Since), sentence(phone.MaskIn(p.Reason)), sentence(p.By))
		return err
	})
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	return nil
}

// EndPause ends the pause and tells whether there was one.
func (s *Store) EndPause(ctx context.Context) (was bool, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		ended, err := change(ctx, q, `DELETE FROM pauses`)
		was = ended > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("end the pause: %w", err)
	}
	return was, nil
}

// Paused shows the pause; nil when there is none.
func (s *Store) Paused(ctx context.Context) (*admin.Pause, error) {
	p := &admin.Pause{}
	var since int64
	found, err := one(ctx, s.engine.reader(), `SELECT since, reason, by_whom FROM pauses`, nil, &since, &p.Reason, &p.By)
	if err != nil {
		return nil, fmt.Errorf("read the pause: %w", classify(err))
	}
	if p.Since = at(since); !found {
		return nil, nil
	}
	return p, nil
}

// RevokeLinks turns the number's open links into revoked ones without a seal. One that is being consumed stays: what
// bars its session is the revocation.
func (s *Store) RevokeLinks(ctx context.Context, n phone.Number, reason string) (revoked int, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		var replies []string
		err := each(ctx, q, `UPDATE links SET state = 'revoked', sealed = NULL WHERE number = $1 AND state = 'open' RETURNING reply_id`,
			[]any{n.Digits()}, func(rows *sql.Rows) error {
				var reply string
				err := rows.Scan(&reply)
				replies = append(replies, reply)
				return err
			})
		if err != nil {
			return err
		}
		for _, reply := range replies {
			if err := appendAudit(ctx, q, AuditRow{At: s.now(), Event: EventAbandoned, Number: n, ReplyID: reply,
				Detail: map[string]any{"reason": sentence(reason), "outcome": outcomeRevoked}}); err != nil {
				return err
			}
		}
		revoked = len(replies)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("revoke links: %w", err)
	}
	return revoked, nil
}
