package storage

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// The events that this package writes itself; others write theirs with [Store.Audit].
const (
	EventLink      = "link"              // a link was made
	EventSignIn    = "sign-in"           // a number was confirmed; one row for each intent
	EventAbandoned = "sign-in abandoned" // a consumption did not happen
	EventRetry     = "job retried"       // a person retried a dead job
	EventPurge     = "audit purged"      // rows were deleted by retention
	EventKey       = "seal key replaced" // the database belongs to another sealing key from now on
	EventCase      = "case opened"       // a user's Patient waits for a person's decision
	EventDecided   = "case decided"      // a person decided
	EventRestored  = "database restored" // it goes on from a copy; what happened after the copy is not in it
	EventClaiming  = "guest claim begun" // a guest's records are about to be given to the user
	EventClaimed   = "guest claimed"     // a guest's records were given to the user
	EventCommand   = "command"           // an admin's command, once for each reply; the detail says which and what came of it
	EventForgotten = "number forgotten"  // a number's rows were erased; its earlier audit rows name nobody any more

	EventNumberChanged   = "number.changed"   // somebody else may have the number now: sign-ins ask for another proof
	EventNumberConfirmed = "number.confirmed" // the application has had that proof
)

// AuditRow is one thing that happened. Rows are only ever added; the database itself refuses to change them, and to
// delete them other than by retention. The table names numbers by aliases, so that [Store.Forget] can take the name away
// from rows that never change; whoever reads gets the number while it is known.
type AuditRow struct {
	ID       int64 // given by the database
	At       time.Time
	Event    string
	Number   phone.Number // whom it is about; zero: nobody, or a number that was forgotten
	By       phone.Number // the admin who did it; zero: nobody, an operator, or forgotten
	UserID   string
	ReplyID  string
	IntentID string
	Detail   map[string]any // no secrets, no message text
}

// AuditQuery chooses rows, oldest first. Empty fields do not restrict.
type AuditQuery struct {
	After  int64 // rows with a greater ID
	Event  string
	Number phone.Number
	UserID string
	Since  time.Time // rows not older than this
	Limit  int       // zero: 1,000
	Newest bool      // the youngest rows, youngest first
}

// Audit appends one row.
func (s *Store) Audit(ctx context.Context, row AuditRow) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error { return appendAudit(ctx, q, row) })
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func appendAudit(ctx context.Context, q querier, row AuditRow) error {
	if row.Event == "" || row.At.IsZero() {
		return errors.New("an audit row needs an event and a time")
	}
	detail := row.Detail
	if detail == nil {
		detail = map[string]any{}
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	about, err := aliasOf(ctx, q, row.Number, row.At)
	if err != nil {
		return err
	}
	by, err := aliasOf(ctx, q, row.By, row.At)
	if err != nil {
		return err
	}
	query := `INSERT INTO audit (at, event, number, actor, user_id, reply_id, intent_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	if row.Event == EventCommand && row.ReplyID != "" {
		query += ` ON CONFLICT (reply_id) WHERE event = 'command' AND reply_id <> '' DO NOTHING`
	}
	_, err = change(ctx, q, query, millis(row.At), row.Event, about, by, row.UserID, row.ReplyID, row.IntentID, string(text))
	return err
}

// aliasOf is what the audit calls a number; a number without one gets one.
func aliasOf(ctx context.Context, q querier, n phone.Number, now time.Time) (string, error) {
	if n.IsZero() {
		return "", nil
	}
	var alias string
	found, err := one(ctx, q, `SELECT alias FROM audit_names WHERE number = $1`, []any{n.Digits()}, &alias)
	if err != nil || found {
		return alias, err
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	_, err = one(ctx, q, `INSERT INTO audit_names (number, alias, at) VALUES ($1, $2, $3)
		ON CONFLICT (number) DO UPDATE SET number = excluded.number RETURNING alias`,
		[]any{n.Digits(), hex.EncodeToString(random[:]), millis(now)}, &alias)
	return alias, err
}

// ListAudit reads rows. A number also finds what its owner did as an admin.
func (s *Store) ListAudit(ctx context.Context, want AuditQuery) ([]AuditRow, error) {
	query, args := `SELECT a.id, a.at, a.event, COALESCE(n.number, ''), COALESCE(y.number, ''), a.user_id, a.reply_id, a.intent_id, a.detail
		FROM audit a LEFT JOIN audit_names n ON n.alias = a.number AND a.number <> ''
		LEFT JOIN audit_names y ON y.alias = a.actor AND a.actor <> '' WHERE a.id > $1`, []any{want.After}
	for _, r := range [][2]string{{"event", want.Event}, {"user_id", want.UserID}} {
		if r[1] != "" {
			args = append(args, r[1])
			// The second half lets the engine use the index that leaves empty values out.
			query += fmt.Sprintf(" AND a.%s = $%d AND a.%s <> ''", r[0], len(args), r[0])
		}
	}
	if !want.Since.IsZero() {
		args = append(args, millis(want.Since))
		query += fmt.Sprintf(" AND a.at >= $%d", len(args))
	}
	if !want.Number.IsZero() {
		args = append(args, want.Number.Digits())
		query += fmt.Sprintf(` AND a.id IN (SELECT id FROM audit WHERE number <> '' AND number = (SELECT alias FROM audit_names WHERE number = $%d)
			UNION SELECT id FROM audit WHERE actor <> '' AND actor = (SELECT alias FROM audit_names WHERE number = $%[1]d))`, len(args))
	}
	if want.Limit <= 0 {
		want.Limit = 1000
	}
	order := "a.id"
	if want.Newest {
		order = "a.id DESC"
	}
	args = append(args, want.Limit)
	query += fmt.Sprintf(" ORDER BY %s LIMIT $%d", order, len(args))
	var found []AuditRow
	err := each(ctx, s.engine.reader(), query, args, func(rows *sql.Rows) error {
		row, err := scanAudit(rows)
		found = append(found, row)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", classify(err))
	}
	return found, nil
}

func scanAudit(rows *sql.Rows) (AuditRow, error) {
	var row AuditRow
	var when int64
	var about, by, detail string
	err := rows.Scan(&row.ID, &when, &row.Event, &about, &by, &row.UserID, &row.ReplyID, &row.IntentID, &detail)
	if err != nil {
		return row, err
	}
	row.At = at(when)
	for _, n := range []struct {
		digits string
		into   *phone.Number
	}{{about, &row.Number}, {by, &row.By}} {
		if n.digits == "" {
			continue
		}
		if *n.into, err = phone.FromDigits(n.digits); err != nil {
			return row, err
		}
	}
	return row, json.Unmarshal([]byte(detail), &row.Detail)
}
