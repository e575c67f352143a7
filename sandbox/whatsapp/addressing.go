package whatsapp

import (
	"errors"
	"fmt"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
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

// address is how a stanza names its sender. The caller holds u.mu.
func (u *User) addressLocked(p *sendPlan) (waBinary.Attrs, error) {
	attrs := waBinary.Attrs{"id": p.id, "t": p.at.Unix(), "type": "text", "notify": u.name}
	teach := false
	switch p.addressing {
	case LIDWithPN:
		attrs["from"], attrs["sender_pn"] = u.lid, u.pn
	case PNWithLID:
		attrs["from"], attrs["sender_lid"] = u.pn, u.lid
	case PNOnly:
		attrs["from"], teach = u.pn, true
	case LIDOnly:
		attrs["from"], teach = u.lid, true
	case Bare, BarePN:
		if p.device.knows(u.pn) {
			return nil, errKnown
		}
		attrs["from"] = u.lid
		if p.addressing == BarePN {
			attrs["from"] = u.pn
		}
		return attrs, nil
	default:
		return nil, fmt.Errorf("unknown addressing %d", p.addressing)
	}
	p.device.learn(u.pn, u.lid, teach)
	return attrs, nil
}

var errKnown = errors.New("the device has been told the user's hidden id, so no message can arrive bare any more")

// knows tells whether the client has been told the hidden id of a number.
func (d *Device) knows(pn types.JID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.taught[pn]
}

// learn notes that the client knows the hidden id of a number, and tells it if it must and does not.
func (d *Device) learn(pn, lid types.JID, teach bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taught[pn] {
		return
	}
	d.taught[pn] = true
	if !teach {
		return
	}
	id := d.srv.nextID()
	d.enqueueLocked("notification", id, waBinary.Node{
		Tag:   "notification",
		Attrs: waBinary.Attrs{"from": pn, "lid": lid, "type": "devices", "id": id, "t": d.srv.unix()},
		Content: children(waBinary.Node{Tag: "update", Attrs: waBinary.Attrs{"device_hash": "2:" + id}, Content: children(
			waBinary.Node{Tag: "device", Attrs: waBinary.Attrs{"jid": pn}},
		)}),
	})
}
