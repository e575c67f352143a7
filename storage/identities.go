package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

var _ auth.IdentityStore = (*Store)(nil)

// noteIdentity remembers the account that wrote a login request. Another one than before is a change, see changed.
func noteIdentity(ctx context.Context, q querier, a bot.Accepted, now time.Time) error {
	if a.Kind != "login" {
		return nil
	}
	var hidden string
	var last int64
	known, err := one(ctx, q, `SELECT hidden, at FROM identities WHERE number = $1`, []any{name(a.Sender)}, &hidden, &last)
	if err != nil {
		return err
	}
	other := known && hidden != "" && a.Hidden != "" && hidden != a.Hidden
	if known && !other && (hidden != "" || a.Hidden == "") && millis(now)-last < day {
		return nil // nothing new
	}
	if _, err := change(ctx, q, `INSERT INTO identities (number, hidden, at, why) VALUES ($1, $2, $3, '')
		ON CONFLICT (number) DO UPDATE SET at = excluded.at,
			hidden = CASE excluded.hidden WHEN '' THEN identities.hidden ELSE excluded.hidden END`,
		name(a.Sender), name(a.Hidden), millis(now)); err != nil || !other {
		return err
	}
	n, err := phone.FromDigits(a.Sender)
	if err != nil {
		return err
	}
	return changed(ctx, q, n, auth.ChangedHiddenID, now)
}

// day is how exactly identities.at is kept, in milliseconds.
const day = 24 * 60 * 60 * 1000

// changed marks a number that signed in before: somebody else may have it now. The first reason stays until the
// application has had its other proof.
func changed(ctx context.Context, q querier, n phone.Number, why string, now time.Time) error {
	at, err := lastSignIn(ctx, q, n)
	if err != nil || at.IsZero() {
		return err
	}
	marked, err := change(ctx, q, `INSERT INTO identities (number, hidden, at, step_up_at, why) VALUES ($1, '', $2, $2, $3)
		ON CONFLICT (number) DO UPDATE SET step_up_at = excluded.step_up_at, why = excluded.why
		WHERE identities.step_up_at IS NULL`, n.Digits(), millis(now), why)
	if err != nil || marked == 0 {
		return err
	}
	return appendAudit(ctx, q, AuditRow{At: now, Event: EventNumberChanged, Number: n, Detail: map[string]any{"why": why}})
}

func lastSignIn(ctx context.Context, q querier, n phone.Number) (time.Time, error) {
	var ms int64
	_, err := one(ctx, q, `SELECT at FROM audit WHERE number = (SELECT alias FROM audit_names WHERE number = $1) AND number <> ''
		AND event || '' = 'sign-in' ORDER BY id DESC LIMIT 1`, []any{n.Digits()}, &ms)
	return at(ms), err
}

// IdentityChanged implements the seam of bot/whatsapp: WhatsApp says that a number's encryption identity has changed. Our own
// clock dates it, because the sign-ins that it follows are dated by that clock too.
func (s *Store) IdentityChanged(ctx context.Context, n phone.Number, _ time.Time) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		return changed(ctx, q, n, auth.ChangedIdentity, s.now())
	})
	if err != nil {
		return fmt.Errorf("note a changed identity: %w", err)
	}
	return nil
}

// Identity implements [auth.IdentityStore].
func (s *Store) Identity(ctx context.Context, n phone.Number) (auth.Identity, error) {
	var found auth.Identity
	var since sql.NullInt64
	q := s.engine.reader()
	_, err := one(ctx, q, `SELECT step_up_at, why FROM identities WHERE number = $1`, []any{n.Digits()}, &since, &found.Why)
	if err == nil {
		found.LastSignIn, err = lastSignIn(ctx, q, n)
	}
	if err != nil {
		return auth.Identity{}, fmt.Errorf("identity of a number: %w", classify(err))
	}
	found.StepUpSince = at(since.Int64)
	return found, nil
}

// StepUpDone implements [auth.IdentityStore]. A change after since stays.
func (s *Store) StepUpDone(ctx context.Context, n phone.Number, since time.Time) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		done, err := change(ctx, q, `UPDATE identities SET step_up_at = NULL, why = ''
			WHERE number = $1 AND step_up_at = $2`, n.Digits(), millis(since))
		if err != nil || done == 0 {
			return err
		}
		return appendAudit(ctx, q, AuditRow{At: s.now(), Event: EventNumberConfirmed, Number: n})
	})
	if err != nil {
		return fmt.Errorf("note a step-up: %w", err)
	}
	return nil
}
