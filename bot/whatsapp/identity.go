package whatsapp

import (
	"context"
	"fmt"
	"runtime/debug"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// hiddenOf is the hidden id among the addresses of a sender; empty: there is none.
func hiddenOf(addresses ...types.JID) string {
	for _, jid := range addresses {
		if jid.Server == types.HiddenUserServer && jid.Device != hostedDevice && onlyDigits(jid.User) {
			return jid.User
		}
	}
	return ""
}

// takeChange tells Identities that a number's encryption identity changed, and reports whether WhatsApp may forget it. A
// change that whatsmeow found by itself, in a message that the old identity cannot have written, is told too.
func (c *Client) takeChange(ctx context.Context, s *session, e *events.IdentityChange) bool {
	if c.cfg.Identities == nil {
		return true
	}
	if !s.gate.enter() {
		return false
	}
	defer s.gate.leave()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.HandleTimeout)
	defer cancel()
	if err := c.handChange(ctx, s, e); err != nil {
		c.log.Error().Err(err).Msg("a changed identity was not taken")
		return false
	}
	return true
}

func (c *Client) handChange(ctx context.Context, s *session, e *events.IdentityChange) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error().Type("panic", r).Bytes("stack", debug.Stack()).Msg("panic")
			err = errPanic
		}
	}()
	o, known, err := findOwner(ctx, s.lids, e.JID, types.EmptyJID)
	if err != nil {
		return err
	}
	if !known {
		c.dropped("identity of nobody whose number is known")
		return nil
	}
	if err := c.cfg.Identities.IdentityChanged(ctx, o.number, e.Timestamp); err != nil {
		return fmt.Errorf("hand over a changed identity: %w", err)
	}
	return nil
}
