package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"

	"github.com/konsulin-care/konsulin-bot/bot"
)

func outgoing() bot.Outgoing {
	return bot.Outgoing{ID: "3EB0AAAAAAAAAAAAAAAA", Chat: theirDigits + "@s.whatsapp.net", Text: "https://konsulin.care/x#secret-link-code"}
}

func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

func TestNothingIsSentUnlessConnected(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	for _, s := range []State{Unpaired, WrongAccount, Connecting, LoggedOut, Replaced, Outdated, Banned} {
		c.board.set(Status{State: s, Reason: "Because of " + string(s) + "."})
		err := c.Send(t.Context(), outgoing())
		require.ErrorIs(t, err, bot.ErrLineDown, s)
		require.ErrorContains(t, err, "Because of "+string(s), "the error names the state")
		require.False(t, permanent(err), s)
	}
	c.board.set(Status{State: Connected})
	c.board.locked(time.Time{}, "limited")
	require.ErrorIs(t, c.Send(t.Context(), outgoing()), bot.ErrLineDown)
	c.board.unlocked()
	require.ErrorIs(t, c.Send(t.Context(), outgoing()), bot.ErrLineDown, "there is no session")
	require.Empty(t, c.turn)
}

func TestUnsendableMessagesAreRefusedForGood(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	c.board.set(Status{State: Connected})
	for name, change := range map[string]func(*bot.Outgoing){
		"group":      func(m *bot.Outgoing) { m.Chat = "1203630@g.us" },
		"status":     func(m *bot.Outgoing) { m.Chat = "status@broadcast" },
		"no chat":    func(m *bot.Outgoing) { m.Chat = "" },
		"device":     func(m *bot.Outgoing) { m.Chat = theirDigits + ":3@s.whatsapp.net" },
		"digits":     func(m *bot.Outgoing) { m.Chat = theirDigits },
		"no id":      func(m *bot.Outgoing) { m.ID = "" },
		"id of two":  func(m *bot.Outgoing) { m.ID = "A B" },
		"blank text": func(m *bot.Outgoing) { m.Text = " \n" },
	} {
		m := outgoing()
		change(&m)
		err := c.Send(t.Context(), m)
		require.Error(t, err, name)
		require.True(t, permanent(err), name)
		requireNothingPersonal(t, err.Error())
	}
}

func TestSendWaitsForItsTurnNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	c.board.set(Status{State: Connected})
	c.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := c.Send(ctx, outgoing())
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, permanent(err))
}

func TestPanicWhileSendingIsAnErrorThatMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	c, _ := newClient(t, func(cfg *Config) { cfg.Log = zerolog.New(log) })
	c.board.set(Status{State: Connected})
	s := fakeSession(&lids{})
	s.wa = &whatsmeow.Client{Store: &store.Device{ID: &s.jid}} // nothing else in it is made, so the library panics
	c.use(s)
	for range 2 {
		err := c.Send(t.Context(), outgoing())
		require.ErrorIs(t, err, errSendPanic)
		require.False(t, permanent(err))
		require.NotErrorIs(t, err, bot.ErrLineDown)
	}
	require.Contains(t, log.String(), "runtime.errorString")
	require.Contains(t, log.String(), "SendMessage", "the stack tells where")
	require.NotContains(t, log.String(), theirDigits)
	require.NotContains(t, log.String(), "secret-link-code")
	s.gate.close()
	<-s.gate.idle        // nobody is left inside
	c.turn <- struct{}{} // and the next one has its turn
}

func TestSendErrorsSayWhatMayBeDone(t *testing.T) {
	t.Parallel()
	server := func(code int) error { return fmt.Errorf("%w %d", whatsmeow.ErrServerReturnedError, code) }
	for _, row := range []struct {
		name      string
		err       error
		lineDown  bool
		permanent bool
	}{
		{"connection lost", &whatsmeow.DisconnectedError{Action: "message send"}, true, false},
		{"not connected", fmt.Errorf("failed to send message node: %w", whatsmeow.ErrNotConnected), true, false},
		{"logged out", whatsmeow.ErrNotLoggedIn, true, false},
		{"limited", server(463), true, false},
		{"no such account", fmt.Errorf("no LID found for %s from server", pnJID(theirDigits)), false, true},
		{"bad recipient", fmt.Errorf("%w g.us", whatsmeow.ErrUnknownServer), false, true},
		{"bad request", server(400), false, true},
		{"not found", server(404), false, true},
		{"forbidden, which passes", server(403), false, false},
		{"too fast", server(429), false, false},
		{"invalid stanza, which passes", server(479), false, false},
		{"server trouble", server(503), false, false},
		{"no ack", whatsmeow.ErrMessageTimedOut, false, false},
		{"unknown", errors.New("failed to get user info for " + theirDigits), false, false},
	} {
		c, _ := newClient(t)
		c.board.set(Status{State: Connected})
		s := fakeSession(&lids{})
		err := c.failure(s, row.err)
		require.Equal(t, row.lineDown, errors.Is(err, bot.ErrLineDown), row.name)
		require.Equal(t, row.permanent, permanent(err), row.name)
		requireNothingPersonal(t, fmt.Sprintf("%v %+v", err, err))
		require.Equal(t, row.name == "limited", c.Status().State == Timelocked, row.name)
	}
}

func TestServerCodeIsReadFromTheLibrarysText(t *testing.T) {
	t.Parallel()
	code, ok := serverCode(fmt.Errorf("send: %w", fmt.Errorf("%w %d", whatsmeow.ErrServerReturnedError, 463)))
	require.True(t, ok)
	require.Equal(t, 463, code)
	for _, err := range []error{nil, errors.New("server returned error 463"), whatsmeow.ErrServerReturnedError,
		fmt.Errorf("%w x", whatsmeow.ErrServerReturnedError), fmt.Errorf("%w %s", whatsmeow.ErrServerReturnedError, theirDigits)} {
		_, ok := serverCode(err)
		require.False(t, ok)
	}
}
