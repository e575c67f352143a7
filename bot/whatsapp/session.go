package whatsapp

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// session is one stored account with whatsmeow's client for it. It lives as long as the account is used, across
// reconnects.
type session struct {
	link
	jid   types.JID // of the account, with the device
	lid   types.JID
	lids  lidStore
	mail  mailbox       // events about the connection, for the run loop
	reset chan struct{} // the connection should be opened anew, so that messages come again
	gate  gate          // around messages that are being taken or sent

	resets resets // used by the run loop only
}

func newSession(l link) *session {
	s := &session{
		link: l, jid: l.wa.Store.GetJID(), lid: l.wa.Store.GetLID(), lids: l.wa.Store.LIDs,
		mail: mailbox{bell: make(chan struct{}, 1)}, reset: make(chan struct{}, 1), gate: gate{idle: make(chan struct{})},
	}
	l.wa.Store.EventBuffer = &patientBuffer{EventBuffer: l.wa.Store.EventBuffer, away: s.demandReset}
	return s
}

// demandReset asks the run loop for a new connection. Demands that come before it happens are one.
func (s *session) demandReset() {
	select {
	case s.reset <- struct{}{}:
	default:
	}
}

// forgetDemands drops what concerned former connections: a new one brings back every message that was not taken.
func (s *session) forgetDemands() {
	s.mail.take()
	select {
	case <-s.reset:
	default:
	}
}

// pick chooses the account to use among the stored ones. Without one it says why in the status.
func (c *Client) pick(ctx context.Context) (*store.Device, Status, error) {
	devices, err := c.store.GetAllDevices(unlogged(ctx))
	if err != nil {
		return nil, Status{}, fmt.Errorf("read the line's store: %w", mask(err))
	}
	slices.SortFunc(devices, func(a, b *store.Device) int { return int(b.ID.Device) - int(a.ID.Device) })
	var other owner
	for _, d := range devices {
		o, ok := ownerOf(d.GetJID().ToNonAD())
		if !ok {
			continue
		}
		if c.cfg.Number.IsZero() || o.number == c.cfg.Number {
			c.remember(o)
			return d, Status{State: Connecting, Reason: "Connecting to WhatsApp."}, nil
		}
		other = o
	}
	c.remember(other)
	if !other.number.IsZero() {
		return nil, Status{State: WrongAccount, Reason: fmt.Sprintf(
			"The linked account is %s, but the configured number is %s. Correct whatsapp.number, or link the right phone with `konsulin-bot pair --replace`.",
			other.number, c.cfg.Number)}, nil
	}
	return nil, Status{State: Unpaired, Reason: "No WhatsApp account is linked: run `konsulin-bot pair`."}, nil
}

func (c *Client) remember(o owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account = o.number
}

// forget deletes an account that WhatsApp has logged out.
func (c *Client) forget(ctx context.Context, jid types.JID) error {
	if err := c.store.DeleteDevice(unlogged(ctx), &store.Device{ID: &jid}); err != nil {
		return fmt.Errorf("delete the logged-out account: %w", mask(err))
	}
	return nil
}

// mailbox hands events over without ever holding up whatsmeow's goroutines.
type mailbox struct {
	mu    sync.Mutex
	queue []any
	bell  chan struct{}
}

func (m *mailbox) put(evt any) {
	m.mu.Lock()
	m.queue = append(m.queue, evt)
	m.mu.Unlock()
	m.ring()
}

// ring makes the run loop look around.
func (m *mailbox) ring() {
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []any {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.queue
	m.queue = nil
	return all
}

// gate counts who is inside, so that a shutdown can wait for them.
type gate struct {
	mu     sync.Mutex
	inside int
	closed bool
	idle   chan struct{} // closed when the gate is closed and nobody is inside
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.closed && g.inside == 0 {
		close(g.idle)
	}
}

// close lets nobody in any more; wait on idle for the last one to leave.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		if g.inside == 0 {
			close(g.idle)
		}
	}
}
