package whatsapp

import (
	"time"
)

// Addressing is how a message names its sender. A person has a number (PN) and a hidden id (LID), and the server does
// not always tell both.
type Addressing int

// The shapes of a direct message's sender. LIDWithPN is the default.
const (
	LIDWithPN Addressing = iota // from the hidden id, with the number beside it
	PNWithLID                   // from the number, with the hidden id beside it
	PNOnly                      // from the number; the client has learnt the hidden id before
	LIDOnly                     // from the hidden id; the client has learnt the number before
	Bare                        // from the hidden id, and the client has no way to learn the number
	BarePN                      // from the number, and the client does not know the hidden id yet
)

// String names the shape.
func (a Addressing) String() string {
	switch a {
	case LIDWithPN:
		return "LIDWithPN"
	case PNWithLID:
		return "PNWithLID"
	case PNOnly:
		return "PNOnly"
	case LIDOnly:
		return "LIDOnly"
	case Bare:
		return "Bare"
	case BarePN:
		return "BarePN"
	}
	return "unknown addressing"
}

// sendPlan is a message to be sent.
type sendPlan struct {
	id         string
	at         time.Time
	text       string
	account    *Account
	device     *Device
	addressing Addressing
	shape      Shape
	garbled    bool
}

// SendOption changes how User.Text sends.
type SendOption func(*sendPlan)

// Via chooses how the message names its sender.
func Via(a Addressing) SendOption { return func(p *sendPlan) { p.addressing = a } }

// WithID chooses the message's id. Sending an id again is a redelivery with a new encryption; Device.Redeliver sends
// the same bytes again.
func WithID(id string) SendOption { return func(p *sendPlan) { p.id = id } }

// SentAt chooses the message's time, for a stale message or a clock that is ahead.
func SentAt(t time.Time) SendOption { return func(p *sendPlan) { p.at = t } }

// As chooses what kind of message carries the text.
func As(s Shape) SendOption { return func(p *sendPlan) { p.shape = s } }
