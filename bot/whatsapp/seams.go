package whatsapp

import (
	"context"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
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
