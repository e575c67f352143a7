package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/auth/guest"
)

var _ auth.GuestStore = (*Store)(nil)

// SaveGuest implements [guest.Store].
func (s *Store) SaveGuest(ctx context.Context, r guest.Record) error {
	err := s.note(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO guests (id, created_at, last_seen_at, expires_at, state, user_id, intent_id)
			VALUES ($1, $2, $3, $4, 'live', '', '')`, r.ID, millis(r.CreatedAt), millis(r.LastSeenAt), millis(r.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("save guest: %w", err)
	}
	return nil
}

// Guest implements [guest.Store].
func (s *Store) Guest(ctx context.Context, id string) (guest.Record, error) {
	var r guest.Record
	var created, seen, expires int64
	var closed sql.NullInt64
	found, err := one(ctx, s.engine.reader(), `SELECT id, created_at, last_seen_at, expires_at, state, user_id, intent_id, closed_at
		FROM guests WHERE id = $1`, []any{id}, &r.ID, &created, &seen, &expires, &r.State, &r.UserID, &r.IntentID, &closed)
	if err == nil && !found {
		err = guest.ErrNotFound
	}
	if err != nil {
		return guest.Record{}, fmt.Errorf("read guest: %w", classify(err))
	}
	r.CreatedAt, r.LastSeenAt, r.ExpiresAt, r.ClosedAt = at(created), at(seen), at(expires), at(closed.Int64)
	return r, nil
}

// SeeGuest implements [guest.Store].
func (s *Store) SeeGuest(ctx context.Context, id string, seen, expires time.Time) error {
	err := s.note(ctx, func(ctx context.Context, q querier) error {
		n, err := change(ctx, q, `UPDATE guests SET last_seen_at = $2, expires_at = $3 WHERE id = $1 AND state = 'live'`,
			id, millis(seen), millis(expires))
		if err == nil && n == 0 {
			err = guest.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("see guest: %w", err)
	}
	return nil
}

// SaveGuestKey implements [guest.Store].
func (s *Store) SaveGuestKey(ctx context.Context, k guest.KeyRecord) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO guest_keys (kid, sealed, created_at, retire_at) VALUES ($1, $2, $3, $4)`,
			k.ID, k.Sealed, millis(k.CreatedAt), millis(k.RetireAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("save guest key: %w", err)
	}
	return nil
}

// GuestKeys implements [guest.Store].
func (s *Store) GuestKeys(ctx context.Context, retireAfter time.Time) ([]guest.KeyRecord, error) {
	var keys []guest.KeyRecord
	err := each(ctx, s.engine.reader(), `SELECT kid, sealed, created_at, retire_at FROM guest_keys WHERE retire_at > $1
		ORDER BY created_at, kid`, []any{millis(retireAfter)}, func(rows *sql.Rows) error {
		var k guest.KeyRecord
		var created, retire int64
		err := rows.Scan(&k.ID, &k.Sealed, &created, &retire)
		k.CreatedAt, k.RetireAt = at(created), at(retire)
		keys = append(keys, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read guest keys: %w", classify(err))
	}
	return keys, nil
}

// IsApart implements [auth.GuestStore].
func (s *Store) IsApart(ctx context.Context, guestID, userID string) (bool, error) {
	var yes int64
	found, err := one(ctx, s.engine.reader(), `SELECT 1 FROM guest_apart WHERE guest_id = $1 AND user_id = $2`,
		[]any{guestID, userID}, &yes)
	if err != nil {
		return false, fmt.Errorf("look up guest: %w", classify(err))
	}
	return found, nil
}

// JoinAgain implements [auth.GuestStore].
func (s *Store) JoinAgain(ctx context.Context, guestID, userID string) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `DELETE FROM guest_apart WHERE guest_id = $1 AND user_id = $2`, guestID, userID)
		return err
	})
	if err != nil {
		return fmt.Errorf("let a guest come along again: %w", err)
	}
	return nil
}

// UpgradeGuest implements [auth.GuestStore].
func (s *Store) UpgradeGuest(ctx context.Context, u auth.GuestUpgrade) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		done, err := upgradeGuest(ctx, q, u.Guest, u.UserID, u.Key, s.now())
		if err != nil {
			return err
		}
		if !done {
			return auth.ErrTaken
		}
		for _, n := range u.Jobs {
			if _, err := addJob(ctx, q, n, u.UserID, s.now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("upgrade guest: %w", err)
	}
	s.jobsAdded()
	return nil
}

// upgradeGuest makes a live guest a user, once. false: it is not live, or has to stay apart from that user.
func upgradeGuest(ctx context.Context, q querier, id, userID, key string, now time.Time) (done bool, err error) {
	n, err := change(ctx, q, `UPDATE guests SET state = 'upgraded', user_id = $2, intent_id = $3, closed_at = $4
		WHERE id = $1 AND state = 'live'
			AND NOT EXISTS (SELECT 1 FROM guest_apart WHERE guest_id = $1 AND user_id = $2)`, id, userID, key, millis(now))
	return n == 1, err
}

// setApart notes that a guest never becomes this user.
func setApart(ctx context.Context, q querier, id, userID string, now time.Time) error {
	_, err := change(ctx, q, `INSERT INTO guest_apart (guest_id, user_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		id, userID, millis(now))
	return err
}

// GuestClaim implements [auth.GuestStore]. What was claimed is read from the audit, which outlives the job. When both are
// gone nobody knows: the job may have found nothing, or may have been laid aside.
func (s *Store) GuestClaim(ctx context.Context, r guest.Record) (auth.GuestClaim, error) {
	var c auth.GuestClaim
	var state JobState
	found, err := one(ctx, s.engine.reader(), `SELECT state FROM jobs WHERE kind = $1 AND key = $2`,
		[]any{auth.JobClaimGuest, name(r.IntentID)}, &state)
	if err != nil {
		return c, fmt.Errorf("look up claim: %w", classify(err))
	}
	c.Pending = found && (state == JobReady || state == JobRunning)
	c.Failed = found && state == JobDead
	var after int64
	for {
		rows, err := s.ListAudit(ctx, AuditQuery{After: after, Event: EventClaimed, UserID: r.UserID})
		if err != nil {
			return c, fmt.Errorf("look up claim: %w", err)
		}
		if len(rows) == 0 {
			c.Forgotten = !found && len(c.References) == 0
			return c, nil
		}
		for _, row := range rows {
			after = row.ID
			if row.Detail["guest"] == r.ID {
				c.References = union(c.References, row.Detail["references"])
			}
		}
	}
}

// union adds what is new of a JSON list of texts.
func union(have []string, more any) []string {
	list, _ := more.([]any)
	for _, v := range list {
		if text, ok := v.(string); ok && !slices.Contains(have, text) {
			have = append(have, text)
		}
	}
	return have
}

// bring does what a sign-in means for the guests of its browser: one becomes the user, or stays apart. It says whether
// one became the user.
func (s *Store) bring(ctx context.Context, q querier, in auth.SignIn) (brought bool, err error) {
	if in.Guest != "" {
		if brought, err = upgradeGuest(ctx, q, in.Guest, in.UserID, in.Intent, s.now()); err != nil {
			return false, err
		}
	}
	if in.Apart != "" && (!brought || in.Apart != in.Guest) {
		err = setApart(ctx, q, in.Apart, in.UserID, s.now())
	}
	return brought, err
}
