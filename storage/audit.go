package storage

import (
	"context"
	"database/sql"
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

	EventNumberChanged   = "number.changed"   // somebody else may have the number now: sign-ins ask for another proof
	EventNumberConfirmed = "number.confirmed" // the application has had that proof
)

// AuditRow is one thing that happened. Rows are only ever added; the database itself refuses to change them, and to
// delete them other than by retention.
type AuditRow struct {
	ID       int64 // given by the database
	At       time.Time
	Event    string
	Number   phone.Number // zero: none
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
	_, err = change(ctx, q, `INSERT INTO audit (at, event, number, user_id, reply_id, intent_id, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		millis(row.At), row.Event, row.Number.Digits(), row.UserID, row.ReplyID, row.IntentID, string(text))
	return err
}

// ListAudit reads rows.
func (s *Store) ListAudit(ctx context.Context, want AuditQuery) ([]AuditRow, error) {
	query, args := `SELECT id, at, event, number, user_id, reply_id, intent_id, detail FROM audit WHERE id > $1`,
		[]any{want.After}
	restrict := func(column, value string) {
		if value != "" {
			args = append(args, value)
			// The second half lets the engine use the index that leaves empty values out.
			query += fmt.Sprintf(" AND %s = $%d AND %s <> ''", column, len(args), column)
		}
	}
	restrict("event", want.Event)
	restrict("number", want.Number.Digits())
	restrict("user_id", want.UserID)
	if !want.Since.IsZero() {
		args = append(args, millis(want.Since))
		query += fmt.Sprintf(" AND at >= $%d", len(args))
	}
	if want.Limit <= 0 {
		want.Limit = 1000
	}
	args = append(args, want.Limit)
	query += fmt.Sprintf(" ORDER BY id LIMIT $%d", len(args))
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
	var digits, detail string
	err := rows.Scan(&row.ID, &when, &row.Event, &digits, &row.UserID, &row.ReplyID, &row.IntentID, &detail)
	if err != nil {
		return row, err
	}
	row.At = at(when)
	if digits != "" {
		if row.Number, err = phone.FromDigits(digits); err != nil {
			return row, err
		}
	}
	return row, json.Unmarshal([]byte(detail), &row.Detail)
}
