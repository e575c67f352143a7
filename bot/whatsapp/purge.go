package whatsapp

import (
	"context"
	"fmt"
	"time"
)

// Purge deletes the plaintext of messages that were sent longer than Config.MessageTTL before now, from the store
// that whatsmeow answers "waiting for this message" from. Only rows of the account in use are touched.
func (c *Client) Purge(ctx context.Context, now time.Time) error {
	device, _, err := c.pick(ctx)
	if err != nil || device == nil {
		return err
	}
	_, err = c.cfg.DB.ExecContext(ctx, `DELETE FROM whatsmeow_retry_buffer WHERE our_jid = $1 AND timestamp < $2`,
		device.GetJID().String(), now.Add(-c.cfg.MessageTTL).UnixMilli())
	if err != nil {
		return fmt.Errorf("purge sent messages: %w", mask(err))
	}
	return nil
}

// The times between two visits to the store.
const (
	tendOften  = time.Second
	tendSeldom = 30 * time.Second
)

// tendStore purges at once and then regularly until ctx ends, and looks whether the account in use is still the one
// that is stored: another process may have paired anew.
func (c *Client) tendStore(ctx context.Context) {
	every := min(max(c.cfg.MessageTTL/4, tendOften), tendSeldom)
	for {
		s := c.current()
		if err := c.Purge(ctx, c.cfg.Now()); err != nil && ctx.Err() == nil {
			c.log.Error().Err(err).Msg("line's store")
		} else if device, _, err := c.pick(ctx); err == nil && s != nil && (device == nil || device.GetJID() != s.jid) {
			s.mail.put(accountChanged{})
		}
		if !pause(ctx, every) {
			return
		}
	}
}
