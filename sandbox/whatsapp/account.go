package whatsapp

import (
	"context"
	"fmt"
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
)

const (
	accountName    = "Konsulin"
	maxDevice      = 99 // device numbers are one byte on the wire, and the real service stays below a hundred
	seededPreKeys  = 100
	accountPhoneOS = "android"
)

// Account is the bot's own WhatsApp account, with its phone. It has at most one linked device: a new pairing ends an
// older one.
type Account struct {
	Faults // what goes wrong with this account only, besides the faults of the server

	*handset
	linkMu  sync.Mutex
	device  *Device
	number  uint16 // of the latest device
	changed chan struct{}

	codeShown *conn // the client that shows a pairing code

	sentMu sync.Mutex
	copies []Sent
	copied map[string]bool // ids
}

// Sent is a message that the linked device sent, as the account's own phone shows it.
type Sent struct {
	ID, To, Text string
}

// NewAccount makes an account with the digits of its number and of its hidden id.
func (s *Server) NewAccount(phone, lid string) (*Account, error) {
	h, err := s.newHandset(phone, lid, accountName)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	a := &Account{handset: h, changed: make(chan struct{}), copied: map[string]bool{}}
	h.show = a.show
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[phone] = a
	return a, nil
}

// Phone is the account's number, digits only.
func (a *Account) Phone() string { return a.pn.User }

// LID is the account's hidden id, digits only.
func (a *Account) LID() string { return a.lidNow().User }

// Device is the linked device, nil before a pairing and after the link has ended.
func (a *Account) Device() *Device {
	a.linkMu.Lock()
	defer a.linkMu.Unlock()
	return a.device
}

// WaitDevice returns the linked device as soon as there is one.
func (a *Account) WaitDevice(ctx context.Context) (*Device, error) {
	for {
		a.linkMu.Lock()
		d, changed := a.device, a.changed
		a.linkMu.Unlock()
		if d != nil {
			return d, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a linked device: %w", ctx.Err())
		}
	}
}

// Sent lists what the linked device sent, as the account's own phone got it, in order and without repetitions.
func (a *Account) Sent() []Sent {
	a.sentMu.Lock()
	defer a.sentMu.Unlock()
	return append([]Sent(nil), a.copies...)
}

// Unlink ends the link from the phone ("log out" in the list of linked devices).
func (a *Account) Unlink() {
	if d := a.Device(); d != nil {
		a.unlink(d)
	}
}

// unlink ends a link, and tells the device if it is there.
func (a *Account) unlink(d *Device) {
	a.forget(d)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed = true
	d.streamErrorLocked("401")
	d.announceLocked()
}

// unlinkAsked ends a link because the device asked for it. It will hang up by itself.
func (a *Account) unlinkAsked(d *Device) {
	a.forget(d)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed, d.active, d.available = true, false, false
	d.announceLocked()
}

// forget takes the device off the account.
func (a *Account) forget(d *Device) {
	a.linkMu.Lock()
	defer a.linkMu.Unlock()
	if a.device == d {
		a.device = nil
		close(a.changed)
		a.changed = make(chan struct{})
	}
}

// link registers a device that has been paired.
func (a *Account) link(d *Device) {
	a.linkMu.Lock()
	old := a.device
	a.device = d
	close(a.changed)
	a.changed = make(chan struct{})
	a.linkMu.Unlock()
	if old != nil {
		a.unlink(old)
	}
}

// show takes the copies that the linked device makes of its messages, and what it asks its phone for.
func (a *Account) show(e envelope, m *waE2E.Message) bool {
	if m == nil || e.peer {
		return true
	}
	if !e.copied {
		a.srv.complain("message %s from the account to itself", e.id)
		return false
	}
	copied := m.GetDeviceSentMessage()
	if copied.GetMessage() == nil || copied.GetDestinationJID() == "" {
		a.srv.complain("message %s: the copy for the own phone is not a device-sent message", e.id)
		return false
	}
	a.sentMu.Lock()
	defer a.sentMu.Unlock()
	if a.copied[e.id] {
		return true
	}
	a.copied[e.id] = true
	a.copies = append(a.copies, Sent{ID: e.id, To: copied.GetDestinationJID(), Text: textOf(copied.GetMessage())})
	return true
}

// WriteAsHuman sends a text as the account's owner does who answers from the phone. The user gets it, and the linked
// device gets it as a message from itself.
func (a *Account) WriteAsHuman(ctx context.Context, to *User, text string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d := a.Device()
	if d == nil {
		return ErrNoDevice
	}
	id := newMessageID()
	now := a.srv.options.Now()
	inner := &waE2E.Message{Conversation: proto.String(text)}
	peer := to.lidNow()
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.sendToLocked(&sendPlan{device: d, id: id}, &waE2E.Message{
		DeviceSentMessage: &waE2E.DeviceSentMessage{DestinationJID: proto.String(peer.String()), Message: inner},
	}, func(encs ...waBinary.Node) waBinary.Node {
		return waBinary.Node{Tag: "message", Content: encs, Attrs: waBinary.Attrs{
			"from": a.lid, "recipient": peer, "peer_recipient_pn": to.pn, "id": id, "t": now.Unix(), "type": "text", "notify": a.name,
		}}
	})
	if err != nil {
		return err
	}
	to.put(a, id, text, now)
	return nil
}

// sendPeer sends a message of the phone to its linked device, which is about the account and in no chat.
func (a *Account) sendPeer(m *waE2E.Message) error {
	d := a.Device()
	if d == nil {
		return ErrNoDevice
	}
	id, t := newMessageID(), a.srv.unix()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sendToLocked(&sendPlan{device: d, id: id}, m, func(encs ...waBinary.Node) waBinary.Node {
		return waBinary.Node{Tag: "message", Content: encs, Attrs: waBinary.Attrs{
			"from": a.lid, "id": id, "t": t, "type": "peer_msg", "category": "peer",
		}}
	})
}
