package whatsapp

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// phoneNoted is how often it is told that the phone was seen.
const phoneNoted = time.Hour

// notePhone tells that the account's phone is alive: it wrote, or confirmed what this device sent. A phone that stays away
// for two weeks unlinks this device.
func (c *Client) notePhone(ctx context.Context, evt any) {
	var from types.MessageSource
	switch e := evt.(type) {
	case *events.Message:
		from = e.Info.MessageSource
	case *events.Receipt:
		from = e.MessageSource
	default:
		return
	}
	if c.cfg.PhoneSeen == nil || !from.IsFromMe || from.Sender.Device != 0 {
		return
	}
	now := c.cfg.Now()
	if last := c.phoneSeen.Load(); now.UnixMilli()-last < phoneNoted.Milliseconds() || !c.phoneSeen.CompareAndSwap(last, now.UnixMilli()) {
		return
	}
	c.cfg.PhoneSeen(ctx, now)
}
