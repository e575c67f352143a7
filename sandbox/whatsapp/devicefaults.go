package whatsapp

import (
	"fmt"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// DropPoint is a moment at which the socket breaks.
type DropPoint int

// The moments, seen from the server.
const (
	BeforeDelivery DropPoint = iota // instead of sending a message; it stays queued
	DuringHandling                  // a moment after a message was sent, when the client has begun to handle it
	AfterHandling                   // when the client settles a message, and the server has not heard it
	BeforeSending                   // when the client sends a message, and it is lost
	BeforeAck                       // when the client's message was delivered, and its acknowledgement is lost
)

// Drop cuts the connection now.
func (d *Device) Drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutLocked()
}

// DropAt cuts the connection the next n times that this moment comes.
func (d *Device) DropAt(p DropPoint, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drops[p] = n
}

// dropsLocked tells whether the connection breaks now.
func (d *Device) dropsLocked(p DropPoint) bool {
	if d.drops[p] == 0 {
		return false
	}
	d.drops[p]--
	return true
}

// dropsAt breaks the connection if a fault says so, and tells whether it did.
func (d *Device) dropsAt(p DropPoint) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dropsLocked(p) {
		return false
	}
	d.cutLocked()
	return true
}

// Hold keeps back delivery and acknowledgements until Release. Queries go on.
func (d *Device) Hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holdDelivery, d.holdAcks = true, true
}

// HoldDelivery keeps back only what is meant for the client.
func (d *Device) HoldDelivery() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holdDelivery = true
}

// HoldAcks keeps back only the acknowledgements of what the client sends.
func (d *Device) HoldAcks() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holdAcks = true
}

// Release ends every Hold. What was held is sent in order; acknowledgements of an earlier connection are lost.
func (d *Device) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holdAcks && d.conn != nil {
		for _, ack := range d.heldAcks {
			d.conn.send(ack)
		}
	}
	held := d.holdDelivery
	d.holdDelivery, d.holdAcks, d.heldAcks = false, false, nil
	if held && d.active {
		d.flushLocked()
	}
}

// StreamError ends the connection with an error: "replaced", "401" (which also ends the link), "515", "503".
func (d *Device) StreamError(code string) {
	if code == "401" {
		d.acct.unlink(d)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.streamErrorLocked(code)
}

func (d *Device) streamErrorLocked(code string) {
	if d.conn == nil {
		return
	}
	grace := graceTerminal
	switch code {
	case "515":
		grace = graceRestart
	case "503":
		grace = graceBusy
	}
	d.conn.sendLast(streamError(code), grace)
	d.goneLocked()
}

func streamError(code string) waBinary.Node {
	n := waBinary.Node{Tag: "stream:error", Attrs: waBinary.Attrs{"code": code}}
	conflict := ""
	switch code {
	case "401":
		conflict = "device_removed"
	case "replaced":
		conflict, n.Attrs = "replaced", nil
	}
	if conflict != "" {
		n.Content = children(waBinary.Node{Tag: "conflict", Attrs: waBinary.Attrs{"type": conflict}})
	}
	return n
}

// Timelock tells the client that WhatsApp limits whom it may reach until then; a zero time tells that this is over.
// Together with NackSends(463) it is what a limited account sees.
func (d *Device) Timelock(until time.Time) {
	data := `{"is_active":false}`
	if !until.IsZero() {
		data = fmt.Sprintf(`{"is_active":true,"enforcement_type":"BIZ_COMMERCE_VIOLATION","time_enforcement_ends":"%d"}`, until.Unix())
	}
	id := d.srv.nextID()
	d.enqueue("notification", id, waBinary.Node{
		Tag:   "notification",
		Attrs: waBinary.Attrs{"from": types.ServerJID, "type": "mex", "id": id, "t": d.srv.unix()},
		Content: children(waBinary.Node{
			Tag: "update", Attrs: waBinary.Attrs{"op_name": "NotificationUserReachoutTimelockUpdate"},
			Content: []byte(`{"data":{"xwa2_notify_account_reachout_timelock":` + data + `}}`),
		}),
	})
}

// Pending is how many stanzas the client has not settled: messages, receipts and notifications.
func (d *Device) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue.len()
}

// PendingMessages is how many messages the client has not settled.
func (d *Device) PendingMessages() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts, _ := d.queue.counts(nil)
	return counts["message"]
}

// Settlement tells how the client settled the latest message with this id. Only the last few thousand are known.
func (d *Device) Settlement(id string) Settlement {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q, ok := d.queue.find("message", id); ok {
		return q.settlement
	}
	return Settlement{}
}

// Redeliver sends a message once more, byte for byte, as a server does that lost track of what was settled. It tells
// whether the message was known.
func (d *Device) Redeliver(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	q, ok := d.queue.find("message", id)
	if ok {
		d.enqueueLocked("message", id, q.node)
	}
	return ok
}
