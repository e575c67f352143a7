package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
)

// AuditFilter chooses rows of the audit. Empty fields do not restrict.
type AuditFilter struct {
	Number string // in international form
	UserID string
	Event  string
	Since  time.Time
}

// AuditView is one thing that happened, as a terminal shows it.
type AuditView struct {
	ID     int64          `json:"id"`
	At     time.Time      `json:"at"`
	Event  string         `json:"event"`
	Number string         `json:"number,omitempty"` // masked
	UserID string         `json:"userId,omitempty"`
	Detail map[string]any `json:"detail,omitempty"`
}

// ErrNotANumber says that what should be a phone number is none. It does not repeat it.
var ErrNotANumber = errors.New("not a phone number in international form, such as +6281234567890")

// numberOf reads a number as the chat does: the numbering plan does not know every one that WhatsApp does.
func numberOf(s string) (phone.Number, error) {
	n, err := phone.Parse(s)
	if err == nil {
		return n, nil
	}
	return phone.FromDigits(strings.TrimPrefix(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" .-()", r) {
			return -1
		}
		return r
	}, s), "+"))
}

// Audit reports what happened, oldest first, beside a running serve. An error of report ends it.
func Audit(ctx context.Context, cfg Config, want AuditFilter, report func(AuditView) error) (err error) {
	query := storage.AuditQuery{Event: want.Event, UserID: want.UserID, Since: want.Since}
	if want.Number != "" {
		if query.Number, err = numberOf(want.Number); err != nil {
			return ErrNotANumber
		}
	}
	store, err := openStore(ctx, cfg, time.Now) //nolint:forbidigo // where the clock comes from
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for {
		rows, err := store.ListAudit(ctx, query)
		if err != nil {
			return err
		}
		for _, row := range rows {
			v := AuditView{ID: row.ID, At: row.At, Event: row.Event, UserID: row.UserID, Detail: row.Detail}
			if !row.Number.IsZero() {
				v.Number = row.Number.String()
			}
			if err := report(v); err != nil {
				return fmt.Errorf("report the audit: %w", err)
			}
			query.After = row.ID
		}
		if len(rows) == 0 {
			return nil
		}
	}
}
