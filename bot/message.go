package bot

import (
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Message is one live, direct text message whose sender's number is certain. bot/whatsapp makes it from a
// phone-number address only; nothing else may.
type Message struct {
	ID       string       // WhatsApp's message id, unique per sender
	From     phone.Number // never zero
	Chat     string       // where a reply goes: an address that only the line understands
	Text     string
	SentAt   time.Time // by WhatsApp's server clock
	Hidden   string    // WhatsApp's hidden id of the account behind the number; empty: not known
	PushName string    // what the sender calls themselves; shown to nobody, trusted by nobody
}

// Stranger is a live, direct text message whose sender hides the number.
type Stranger struct {
	ID     string
	Chat   string // the hidden address: where a reply goes, and the only name we have for the sender
	Text   string
	SentAt time.Time
}

// Outgoing is one message to send. A resend carries the same ID, so that the recipient sees one bubble.
type Outgoing struct {
	ID   string // in WhatsApp's own form, see ReplyID
	Chat string
	To   phone.Number // whom to write to when there is no chat to answer in; Chat is then empty
	Text string
}
