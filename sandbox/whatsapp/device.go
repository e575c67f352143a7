package whatsapp

import (
	"context"
	"fmt"
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
)

// Device is the linked companion of an account: the client under test. What is meant for it waits in a queue until
// the client settles it, over as many connections as that takes.
type Device struct {
	srv   *Server
	acct  *Account
	jid   types.JID // with the device number
	lid   types.JID
	noise [32]byte
	adv   *waAdv.ADVSignedDeviceIdentity

	mu           sync.Mutex
	registration uint32
	identity     [32]byte
	signed       publicKey
	oneTime      []publicKey
	askedForKeys bool

	conn      *conn // nil while the client is away
	active    bool  // the client has asked for what waits
	available bool  // shown as online
	removed   bool
	changed   chan struct{} // closed and replaced when one of these changes
	queue     queue
	taught    map[types.JID]bool // numbers whose hidden id the client was told
	sent      map[string]bool    // ids of its messages, with Options.Dedupe

	holdDelivery, holdAcks bool
	heldAcks               []waBinary.Node
	drops                  map[DropPoint]int
}

// JID is the device's address by number, LID the one by hidden id. Both carry the device number.
func (d *Device) JID() types.JID { return d.jid }

// LID is the device's hidden address.
func (d *Device) LID() types.JID { return d.lid }

// Connected tells whether the client is logged in and receives what is sent to it.
func (d *Device) Connected() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.active
}

// WaitConnected returns when the client is connected as in Connected.
func (d *Device) WaitConnected(ctx context.Context) error {
	for {
		d.mu.Lock()
		active, changed := d.active, d.changed
		d.mu.Unlock()
		if active {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the client: %w", ctx.Err())
		}
	}
}

// Available tells whether the client shows itself as online.
func (d *Device) Available() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.available
}

// Removed tells whether the link is gone: the phone or the client ended it, or another device took its place.
func (d *Device) Removed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.removed
}

// attach makes c the connection of the device. An older connection is replaced, as on the real server.
func (d *Device) attach(c *conn) {
	d.mu.Lock()
	old := d.conn
	d.conn, d.active, d.available = c, false, false
	d.announceLocked()
	d.mu.Unlock()
	if old != nil {
		old.sendLast(streamError("replaced"), graceTerminal)
	}
	c.send(waBinary.Node{Tag: "success", Attrs: waBinary.Attrs{
		"t": d.srv.unix(), "lid": d.lid, "location": "sandbox", "display_name": d.acct.name,
	}})
}

func (d *Device) detach(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == c {
		d.goneLocked()
	}
}

// activate sends what has waited, and from then on everything at once.
func (d *Device) activate(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != c || d.active {
		return
	}
	d.active = true
	if !d.holdDelivery {
		d.flushLocked()
	}
	d.announceLocked()
}

func (d *Device) deactivate(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == c {
		d.active = false
		d.announceLocked()
	}
}

func (d *Device) setAvailable(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.available = yes
	d.announceLocked()
}

func (d *Device) announceLocked() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// flushLocked sends what this connection has not carried yet, between the two marks of the offline queue.
func (d *Device) flushLocked() {
	c := d.conn
	counts, total := d.queue.counts(c)
	d.conn.send(waBinary.Node{Tag: "ib", Attrs: waBinary.Attrs{"from": types.ServerJID}, Content: children(waBinary.Node{
		Tag: "offline_preview", Attrs: waBinary.Attrs{
			"count": total, "message": counts["message"], "receipt": counts["receipt"],
			"notification": counts["notification"], "appdata": 0, "call": 0,
		},
	})})
	offline := 0
	for q := range d.queue.all() {
		if q.on == c {
			continue
		}
		if !d.transmitLocked(q, offline) {
			return
		}
		offline++
	}
	d.conn.send(waBinary.Node{Tag: "ib", Attrs: waBinary.Attrs{"from": types.ServerJID}, Content: children(waBinary.Node{
		Tag: "offline", Attrs: waBinary.Attrs{"count": total},
	})})
}

// enqueue hands a stanza to the device, now or when the client comes.
func (d *Device) enqueue(class, id string, n waBinary.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.enqueueLocked(class, id, n)
}

func (d *Device) enqueueLocked(class, id string, n waBinary.Node) {
	if d.removed {
		return
	}
	q := d.queue.add(class, id, n)
	if d.active && !d.holdDelivery {
		d.transmitLocked(q, -1)
	}
}

// transmitLocked sends one stanza of the queue, with its place in the offline queue unless that is negative. It
// tells whether the connection goes on.
func (d *Device) transmitLocked(q *queued, offline int) bool {
	if q.class == "message" && d.dropsLocked(BeforeDelivery) {
		d.cutLocked()
		return false
	}
	n := q.node
	if offline >= 0 {
		attrs := make(waBinary.Attrs, len(n.Attrs)+1)
		for k, v := range n.Attrs {
			attrs[k] = v
		}
		attrs["offline"] = offline
		n.Attrs = attrs
	}
	q.on = d.conn
	if q.class == "message" && d.dropsLocked(DuringHandling) {
		d.conn.sendLast(n, graceHandling)
		d.goneLocked()
		return false
	}
	d.conn.send(n)
	return true
}

// cutLocked ends the connection after what was sent before. Nothing is delivered any more until the next one.
func (d *Device) cutLocked() {
	if d.conn == nil {
		return
	}
	d.conn.cut()
	d.goneLocked()
}

// goneLocked notes that the client is not there any more.
func (d *Device) goneLocked() {
	d.conn, d.active, d.available = nil, false, false
	d.announceLocked()
}

// acknowledge answers an outgoing message of the client, after the delay that a fault asks for.
func (d *Device) acknowledge(c *conn, ack waBinary.Node, delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holdAcks {
		d.heldAcks = append(d.heldAcks, ack)
		return
	}
	c.sendLater(ack, delay)
}
