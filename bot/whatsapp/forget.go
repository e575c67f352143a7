package whatsapp

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// HiddenOf is the hidden ids that the line's store knows for a number.
func HiddenOf(ctx context.Context, db *sql.DB, n phone.Number) ([]string, error) {
	var lid string
	err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(lid), '') FROM whatsmeow_lid_map WHERE pn = $1`, n.Digits()).Scan(&lid)
	if err != nil {
		return nil, fmt.Errorf("look for a hidden id: %w", mask(err))
	}
	if lid == "" {
		return nil, nil
	}
	return []string{lid}, nil
}

// Forget deletes what the line's store knows about somebody by their number and hidden ids: keys of encrypted
// conversations, which are made anew when they write again, the hidden ids themselves, and messages that wait to be sent
// once more. The library may still know a hidden id in memory until the process ends.
func Forget(ctx context.Context, db *sql.DB, n phone.Number, hidden ...string) error {
	known, err := HiddenOf(ctx, db, n)
	if err != nil {
		return err
	}
	users := append(append([]string{n.Digits()}, hidden...), known...)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("forget in the line's store: %w", mask(err))
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	for _, c := range addressColumns() {
		for _, user := range users {
			// An address is the user, then something that is no digit: ":0", "_1:0", "@s.whatsapp.net".
			query := fmt.Sprintf(`DELETE FROM %s WHERE substr(%s, 1, length($1)) = $1
				AND substr(%[2]s, length($1) + 1, 1) NOT BETWEEN '0' AND '9'`, c.table, c.column)
			if _, err := tx.ExecContext(ctx, query, user); err != nil {
				return fmt.Errorf("forget in the line's store: %w", mask(err))
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("forget in the line's store: %w", mask(err))
	}
	return nil
}

type addressColumn struct{ table, column string }

// addressColumns is where the library's tables name others.
func addressColumns() []addressColumn {
	return []addressColumn{
		{"whatsmeow_sessions", "their_id"}, {"whatsmeow_identity_keys", "their_id"}, {"whatsmeow_privacy_tokens", "their_jid"},
		{"whatsmeow_sender_keys", "sender_id"}, {"whatsmeow_sender_keys", "chat_id"},
		{"whatsmeow_contacts", "their_jid"}, {"whatsmeow_chat_settings", "chat_jid"},
		{"whatsmeow_message_secrets", "chat_jid"}, {"whatsmeow_message_secrets", "sender_jid"},
		{"whatsmeow_retry_buffer", "chat_jid"}, {"whatsmeow_lid_map", "pn"}, {"whatsmeow_lid_map", "lid"},
	}
}
