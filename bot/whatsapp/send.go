package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/konsulin-care/konsulin-bot/bot"
)

// ackTries is how often a message is sent again, with the same id, before Send gives up. whatsmeow sends one message
// at a time and waits for its acknowledgement, so a lost one holds up everybody; with several tries inside
// Config.SendTimeout it costs a part of that only.
const ackTries = 3

// What WhatsApp's server may answer to a message.
const (
	codeBadRequest = 400
	codeNotFound   = 404
	codeReachOut   = 463 // limits on reaching out
)

// sendError is why a message was not sent.
type sendError struct {
	err       error
	permanent bool
}

func (e *sendError) Error() string { return "send: " + e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

// Permanent reports whether this message can never be sent.
func (e *sendError) Permanent() bool { return e.permanent }

var (
	errChat    = errors.New("the chat is not the address of a person")
	errNoID    = errors.New("the message has no usable id")
	errNoText  = errors.New("the message has no text")
	errRefused = errors.New("WhatsApp refuses this message")

	// errSendPanic is what a panic while a message was sent becomes. It may be tried again: time ends every message.
	errSendPanic = errors.New("panic while sending a message")
)

// Send sends one text and waits for WhatsApp's server to take it. It blocks no longer than ctx and, counted from its
// turn, Config.SendTimeout. Errors that wrap [bot.ErrLineDown] name the state of the line; after any error that is
// not permanent the message may be sent again with the same id, and its reader sees it once.
func (c *Client) Send(ctx context.Context, m bot.Outgoing) error {
	to, ok := parseChat(m.Chat)
	if m.Chat == "" && !m.To.IsZero() {
		to, ok = types.NewJID(m.To.Digits(), types.DefaultUserServer), true
	}
	switch {
	case !ok:
		return &sendError{err: errChat, permanent: true}
	case !usableID(m.ID):
		return &sendError{err: errNoID, permanent: true}
	case strings.TrimSpace(m.Text) == "":
		return &sendError{err: errNoText, permanent: true}
	}
	if err := c.down(); err != nil {
		return err
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return &sendError{err: ctx.Err()}
	}
	free := func() { <-c.turn }
	s := c.current()
	if err := c.down(); err != nil || s == nil || !s.gate.enter() {
		free()
		if err == nil {
			err = lineDown(Connecting, "the line is stopping")
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.SendTimeout)
	defer cancel()
	result := make(chan error, 1)
	go func() { // whatsmeow may wait for a lock longer than ctx lives; the gate waits for this goroutine
		defer free()
		defer s.gate.leave()
		result <- c.deliver(ctx, s, to, m)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return &sendError{err: fmt.Errorf("no acknowledgement in time: %w", ctx.Err())}
	}
}

// down is the error for a line that must not send now, nil when it may.
func (c *Client) down() error {
	if s := c.board.status(); !s.State.maySend() {
		return lineDown(s.State, s.Reason)
	}
	return nil
}

func lineDown(state State, reason string) error {
	return &sendError{err: fmt.Errorf("%w: %s: %s", bot.ErrLineDown, state, reason)}
}

// deliver sends m until it is acknowledged, refused, or ctx ends. It runs in a goroutine of its own, where a panic of
// the library would end the process, and again after each restart with the same message.
func (c *Client) deliver(ctx context.Context, s *session, to types.JID, m bot.Outgoing) (err error) {
	defer func() {
		if r := recover(); r != nil { // its value may quote the message, the stack does not
			c.log.Error().Type("panic", r).Bytes("stack", debug.Stack()).Msg("panic")
			err = &sendError{err: errSendPanic}
		}
	}()
	ctx = unlogged(ctx)
	for try := 1; ; try++ {
		_, err := s.wa.SendMessage(ctx, to, &waE2E.Message{Conversation: proto.String(m.Text)},
			whatsmeow.SendRequestExtra{ID: m.ID, Timeout: c.cfg.SendTimeout / ackTries})
		switch {
		case err == nil:
			c.board.delivered()
			return nil
		case errors.Is(err, whatsmeow.ErrMessageTimedOut) && try < ackTries && c.down() == nil:
			continue
		case errors.Is(err, whatsmeow.ErrMessageTimedOut), errors.Is(err, context.DeadlineExceeded):
			s.demandReset() // a connection that swallows messages is as good as dead
		}
		return c.failure(s, err)
	}
}

// failure turns an error of the library, whose text may name the recipient, into one of ours.
func (c *Client) failure(s *session, err error) error {
	var lost *whatsmeow.DisconnectedError
	switch {
	case errors.As(err, &lost), errors.Is(err, whatsmeow.ErrNotConnected), errors.Is(err, whatsmeow.ErrNotLoggedIn):
		return lineDown(Connecting, "the connection was lost meanwhile")
	case errors.Is(err, whatsmeow.ErrUnknownServer), errors.Is(err, whatsmeow.ErrRecipientADJID):
		return &sendError{err: errChat, permanent: true}
	case notOnWhatsApp(err):
		return &sendError{err: fmt.Errorf("%w: the number has no WhatsApp account", errRefused), permanent: true}
	}
	switch code, ok := serverCode(err); {
	case !ok:
	case code == codeReachOut:
		const reason = "WhatsApp refused a message because it limits whom this account may write to. The bot tries again after a while; open WhatsApp on the phone to see more."
		c.board.refused(reason)
		s.mail.ring()
		return lineDown(Timelocked, reason)
	case code == codeBadRequest, code == codeNotFound:
		return &sendError{err: fmt.Errorf("%w for good (code %d)", errRefused, code), permanent: true}
	default:
		return &sendError{err: fmt.Errorf("%w for now (code %d)", errRefused, code)}
	}
	return &sendError{err: mask(err)}
}

// serverCode reads the code out of whatsmeow's error, which carries it in its text only.
func serverCode(err error) (int, bool) {
	if !errors.Is(err, whatsmeow.ErrServerReturnedError) {
		return 0, false
	}
	_, tail, _ := strings.Cut(err.Error(), whatsmeow.ErrServerReturnedError.Error())
	code, convErr := strconv.Atoi(strings.TrimSpace(tail))
	return code, convErr == nil && code > 0 && code < 1000
}

// notOnWhatsApp recognises, by its text for want of anything else, the error for a number without an account.
func notOnWhatsApp(err error) bool {
	return strings.HasPrefix(err.Error(), "no LID found for ") && strings.HasSuffix(err.Error(), " from server")
}
