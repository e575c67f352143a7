package whatsapp

import (
	"context"
	"database/sql"
	"fmt"

	"go.mau.fi/whatsmeow/types"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// reader is what reading the store takes.
type reader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Linked lists the accounts in whatsmeow's store, the latest pairing first. It changes nothing: it neither makes nor
// upgrades the store, and connects to nobody.
func Linked(ctx context.Context, db reader, dialect string) ([]phone.Number, error) {
	there, err := hasTable(ctx, db, dialect, "whatsmeow_device")
	if err != nil || !there {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `SELECT jid FROM whatsmeow_device`)
	if err != nil {
		return nil, fmt.Errorf("read the line's store: %w", mask(err))
	}
	defer func() { _ = rows.Close() }()
	var found []phone.Number
	newest := uint16(0)
	for rows.Next() {
		var raw string
		if err := rows.Scan(&raw); err != nil {
			return nil, fmt.Errorf("read the line's store: %w", mask(err))
		}
		jid, err := types.ParseJID(raw)
		if err != nil {
			continue
		}
		o, ok := ownerOf(jid.ToNonAD())
		switch {
		case !ok:
		case jid.Device >= newest:
			newest, found = jid.Device, append([]phone.Number{o.number}, found...)
		default:
			found = append(found, o.number)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the line's store: %w", mask(err))
	}
	return found, nil
}

// Detach makes a copy of whatsmeow's store fit to go on from, while nothing runs on it. The account stays linked; what
// goes is what must not be used again:
//
//   - The sessions. Their ratchets have moved on since the copy was made: a phone takes a message from an old one for
//     a message that it has had, and shows nothing. Without a session the next message to a phone begins a new one, and
//     a phone that writes first is asked to send its message once more.
//   - The plaintext of messages that were sent, links among them, which is kept for a while to answer phones that could
//     not read one.
//
// Detaching twice is detaching once.
func Detach(ctx context.Context, db *sql.DB, dialect string) error {
	for _, table := range []string{"whatsmeow_sessions", "whatsmeow_sender_keys", "whatsmeow_retry_buffer"} {
		there, err := hasTable(ctx, db, dialect, table)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if _, err := db.ExecContext(ctx, "DELETE FROM "+table); err != nil {
			return fmt.Errorf("detach the line's store: %w", mask(err))
		}
	}
	return nil
}

func hasTable(ctx context.Context, db reader, dialect, table string) (bool, error) {
	query := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	if dialect == "postgres" {
		query = "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass($1)"
	}
	var n int
	if err := db.QueryRowContext(ctx, query, table).Scan(&n); err != nil {
		return false, fmt.Errorf("read the line's store: %w", mask(err))
	}
	return n > 0, nil
}
