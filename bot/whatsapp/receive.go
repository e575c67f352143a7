package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/bot"
)

// errPanic is what a panic while a message was taken becomes.
var errPanic = errors.New("panic while taking a message")

// take handles one message and reports whether WhatsApp may forget it. whatsmeow calls it one message at a time, but
// after a dropped connection the same message may come again while its first run is not over; Intake drops the
// second one. A panic must not reach whatsmeow, which would count it as success.
func (c *Client) take(ctx context.Context, s *session, e *events.Message) bool {
	if !s.gate.enter() {
		return false // shutting down: it comes again after the next start
	}
	defer s.gate.leave()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.HandleTimeout)
	defer cancel()
	if err := c.hand(ctx, s, e); err != nil {
		c.log.Error().Err(err).Msg("message not taken; it comes again after a reconnect")
		s.demandReset()
		return false
	}
	return true
}

// hand gives a message to Intake if it is one that the bot reads. Nil means that the message is done with.
func (c *Client) hand(ctx context.Context, s *session, e *events.Message) (err error) {
	defer func() {
		if r := recover(); r != nil { // its value may quote the message, the stack does not
			c.log.Error().Type("panic", r).Bytes("stack", debug.Stack()).Msg("panic")
			err = errPanic
		}
	}()
	if e.Info.IsFromMe {
		return c.handOwn(ctx, s, e)
	}
	if reason := refusal(text(), e); reason != "" {
		c.dropped(reason)
		return nil
	}
	o, known, err := findOwner(ctx, s.lids, e.Info.Sender, e.Info.SenderAlt)
	if !known && (unreadable(e.Info.Sender) || unreadable(e.Info.SenderAlt)) {
		c.log.Warn().Uint64("so_far", c.unread.Add(1)).Msg("an address of WhatsApp's should hold a phone number, but cannot be one")
	}
	switch {
	case err != nil:
		return err
	case known:
		return wrap("hand over a message", c.cfg.Intake.Receive(ctx, bot.Message{
			ID: e.Info.ID, From: o.number, Chat: chatAddress(e.Info.Chat), Text: textOf(e.Message),
			SentAt: e.Info.Timestamp, Hidden: hiddenOf(e.Info.Sender, e.Info.SenderAlt), PushName: e.Info.PushName,
		}))
	case e.Info.Sender.Server == types.HiddenUserServer:
		return wrap("hand over a stranger's message", c.cfg.Intake.ReceiveStranger(ctx, bot.Stranger{
			ID: e.Info.ID, Chat: chatAddress(e.Info.Chat), Text: textOf(e.Message), SentAt: e.Info.Timestamp,
		}))
	default:
		c.dropped("address that is no phone number") // such as WhatsApp's own announcements
		return nil
	}
}

// handOwn tells Intake that the account's owner wrote to somebody from the phone or another linked device.
func (c *Client) handOwn(ctx context.Context, s *session, e *events.Message) error {
	reason := refusal(live(), e)
	switch {
	case reason != "":
	case e.Info.Sender.Device == s.jid.Device:
		reason = "echo of what this device sent"
	case e.Info.Chat.User == s.jid.User || e.Info.Chat.User == s.lid.User || e.Info.Chat.User == e.Info.Sender.User:
		reason = "note to self"
	}
	if reason != "" {
		c.dropped("own " + reason)
		return nil
	}
	chat := chatAddress(e.Info.Chat)
	o, known, err := findOwner(ctx, s.lids, e.Info.Chat, e.Info.RecipientAlt)
	if err != nil {
		return err
	}
	if known {
		chat = o.number.Digits()
	}
	return wrap("note that a person answered", c.cfg.Intake.HumanWrote(ctx, chat, e.Info.Timestamp))
}

func (c *Client) dropped(reason string) {
	c.log.Debug().Str("reason", reason).Msg("message dropped")
}

func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}
