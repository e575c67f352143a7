package whatsapp

import (
	"context"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Intake is who takes what arrives. Implemented by bot. A nil error means that it is committed and WhatsApp may
// forget it; with an error the message comes again after a reconnect.
type Intake interface {
	Receive(ctx context.Context, m bot.Message) error
	ReceiveStranger(ctx context.Context, s bot.Stranger) error
	// HumanWrote tells that the account's owner answered a chat from the phone or another linked device. chat is the
	// digits of the other side's number, or its hidden address.
	HumanWrote(ctx context.Context, chat string, at time.Time) error
}

// Identities is told when somebody else may have a number. Implemented by storage.
type Identities interface {
	// IdentityChanged tells that the encryption identity behind a number is another one: a new phone, or a new owner.
	IdentityChanged(ctx context.Context, n phone.Number, at time.Time) error
}
