package storage

import (
	"context"
	"fmt"
)

// factKey is the name of the fact that says which sealing key belongs to the database.
const factKey = "seal key"

// PinKey makes sure that all processes of this database have one sealing key: the first one to come pins the
// fingerprint of its own, later ones with another get an error that wraps [ErrOtherKey]. The fingerprint must not give
// the key away.
//
// With replace the fingerprint is pinned whatever was there before, for an operator whose key is lost for good: links
// that are on their way then do not open. Processes that run already are not asked again, so stop them first.
func (s *Store) PinKey(ctx context.Context, fingerprint string, replace bool) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		var pinned string
		// The update that changes nothing makes the row visible, and keeps others from replacing it.
		_, err := one(ctx, q, `INSERT INTO facts (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value`, []any{factKey, fingerprint}, &pinned)
		switch {
		case err != nil || pinned == fingerprint:
			return err
		case !replace:
			return ErrOtherKey
		}
		if _, err := change(ctx, q, `UPDATE facts SET value = $2 WHERE name = $1`, factKey, fingerprint); err != nil {
			return err
		}
		return appendAudit(ctx, q, AuditRow{At: s.now(), Event: EventKey})
	})
	if err != nil {
		return fmt.Errorf("compare the sealing key: %w", err)
	}
	return nil
}
