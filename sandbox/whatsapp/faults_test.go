package whatsapp_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

func TestSocketDropsAtEveryMoment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at    whatsapp.DropPoint
		sends int // how often the phone gets the reply, at least
	}{
		"before delivery": {whatsapp.BeforeDelivery, 1},
		"during handling": {whatsapp.DuringHandling, 1},
		"after handling":  {whatsapp.AfterHandling, 1},
		"before sending":  {whatsapp.BeforeSending, 1},
		"before the ack":  {whatsapp.BeforeAck, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			b := w.seeded(t, echo)
			d := w.account.Device()
			u := w.user(t, 1)
			d.DropAt(c.at, 1)
			_, err := u.Text(t.Context(), w.account, "hello")
			require.NoError(t, err)
			require.Equal(t, "echo: hello", next(t, u).Text)
			await[*events.Disconnected](t, b, nil)
			require.Eventually(t, func() bool { return d.Pending() == 0 && u.Raw() >= c.sends }, patience, tick)
			_, err = u.Text(t.Context(), w.account, "still there?")
			require.NoError(t, err)
			require.Equal(t, "echo: still there?", lastOf(t, u, "echo: still there?"))
		})
	}
}

// lastOf skips what a drop has repeated.
func lastOf(t *testing.T, u *whatsapp.User, text string) string {
	t.Helper()
	for {
		if got := next(t, u).Text; got == text {
			return got
		}
	}
}

func TestLostAckKeepsTheSendWaiting(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	u := w.user(t, 1)
	w.server.LoseAcks(1)
	sent := make(chan error, 1)
	go func() { sent <- b.reply(types.NewJID(u.Phone(), types.DefaultUserServer), "hello") }()
	require.Equal(t, "hello", next(t, u).Text)
	select {
	case err := <-sent:
		require.FailNow(t, "the send must wait for its ack", "%v", err)
	default:
	}
	w.account.Device().Drop()
	require.NoError(t, <-sent, "after a reconnect the client sends the same message again")
	require.Eventually(t, func() bool { return u.Raw() == 2 }, patience, tick)
	require.Len(t, u.Received(), 1)
}

func TestAckDelayDelaysOnlyTheAck(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	u := w.user(t, 1)
	const delay = 300 * time.Millisecond
	w.server.AckDelay(delay)
	start := time.Now()
	require.NoError(t, b.reply(types.NewJID(u.Phone(), types.DefaultUserServer), "hello"))
	require.GreaterOrEqual(t, time.Since(start), delay)
	require.Equal(t, "hello", next(t, u).Text)
	w.server.AckDelay(0)
}

func TestNackedSendFails(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	u := w.user(t, 1)
	to := types.NewJID(u.Phone(), types.DefaultUserServer)
	w.account.NackSends(463)
	err := b.reply(to, "hello")
	require.ErrorIs(t, err, whatsmeow.ErrServerReturnedError)
	require.ErrorContains(t, err, "463")
	w.account.NackSends(0)
	require.NoError(t, b.reply(to, "now"))
	require.Equal(t, "now", next(t, u).Text)
	require.Equal(t, 1, u.Raw())
}

func TestHoldKeepsBackDeliveryAndAcks(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, echo)
	d := w.account.Device()
	u := w.user(t, 1)
	d.Hold()
	id, err := u.Text(t.Context(), w.account, "hello")
	require.NoError(t, err)
	sent := make(chan error, 1)
	go func() { sent <- b.reply(types.NewJID(u.Phone(), types.DefaultUserServer), "a word from us") }()
	require.Equal(t, "a word from us", next(t, u).Text)
	require.Zero(t, count(b, messageWith(id)))
	require.Empty(t, sent)
	d.Release()
	require.NoError(t, <-sent)
	require.Equal(t, "echo: hello", next(t, u).Text)
}

func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	t.Run("401", func(t *testing.T) {
		t.Parallel()
		w, b := refused(t, 401)
		e := await[*events.LoggedOut](t, b, nil)
		require.True(t, e.OnConnect)
		require.Nil(t, w.account.Device())
		require.Eventually(t, func() bool {
			all, err := b.container.GetAllDevices(context.Background())
			return err == nil && len(all) == 0
		}, patience, tick)
	})
	t.Run("402", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		container := newStore(t)
		require.NoError(t, w.account.Seed(t.Context(), container))
		w.account.LoginBan(103, 90*time.Minute)
		b := w.client(t, container, nil)
		require.NoError(t, b.client.Connect())
		e := await[*events.TemporaryBan](t, b, nil)
		require.Equal(t, 90*time.Minute, e.Expire)
		require.EqualValues(t, 103, e.Code)
	})
	t.Run("403", func(t *testing.T) {
		t.Parallel()
		_, b := refused(t, 403)
		require.EqualValues(t, 403, await[*events.LoggedOut](t, b, nil).Reason)
	})
	t.Run("405", func(t *testing.T) {
		t.Parallel()
		_, b := refused(t, 405)
		await[*events.ClientOutdated](t, b, nil)
	})
	t.Run("503", func(t *testing.T) {
		t.Parallel()
		w, b := refused(t, 503)
		await[*events.Disconnected](t, b, nil)
		w.account.LoginFailure(0)
		await[*events.Connected](t, b, nil)
	})
}

func refused(t *testing.T, reason int) (*world, *bot) {
	t.Helper()
	w := setup(t)
	container := newStore(t)
	require.NoError(t, w.account.Seed(t.Context(), container))
	w.account.LoginFailure(reason)
	b := w.client(t, container, nil)
	require.NoError(t, b.client.Connect())
	return w, b
}

func TestStreamErrors(t *testing.T) {
	t.Parallel()
	t.Run("401", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.seeded(t, nil)
		d := w.account.Device()
		d.StreamError("401")
		require.False(t, await[*events.LoggedOut](t, b, nil).OnConnect)
		require.True(t, d.Removed())
		require.Nil(t, w.account.Device())
	})
	t.Run("replaced", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.seeded(t, nil)
		w.account.Device().StreamError("replaced")
		await[*events.StreamReplaced](t, b, nil)
		require.NotNil(t, w.account.Device())
	})
	for _, code := range []string{"515", "503"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			b := w.seeded(t, echo)
			u := w.user(t, 1)
			w.account.Device().StreamError(code)
			_, err := u.Text(t.Context(), w.account, "hello")
			require.NoError(t, err)
			require.Equal(t, "echo: hello", next(t, u).Text)
			require.Zero(t, count(b, func(*events.StreamReplaced) bool { return true }))
		})
	}
}

func TestSecondConnectionReplacesTheFirst(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first := w.seeded(t, nil)
	second := w.client(t, first.container, echo)
	second.connect(t)
	await[*events.StreamReplaced](t, first, nil)
	u := w.user(t, 1)
	_, err := u.Text(t.Context(), w.account, "hello")
	require.NoError(t, err)
	require.Equal(t, "echo: hello", next(t, u).Text)
}

func TestTimelockIsAnnounced(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	w.account.Device().Timelock(until)
	e := await(t, b, func(e *events.NotifyAccountReachoutTimelock) bool { return e.IsActive })
	require.True(t, until.Equal(e.TimeEnforcementEnds.Time))
	w.account.Device().Timelock(time.Time{})
	await(t, b, func(e *events.NotifyAccountReachoutTimelock) bool { return !e.IsActive })
}

func TestNewPhoneAndNewOwner(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, echo)
	u := w.user(t, 1)
	hello := func() {
		t.Helper()
		_, err := u.Text(t.Context(), w.account, "hello")
		require.NoError(t, err)
		require.Equal(t, "echo: hello", next(t, u).Text)
	}
	hello()
	u.Reinstall(w.account)
	e := await[*events.IdentityChange](t, b, nil)
	require.Equal(t, u.Phone(), e.JID.User)
	hello()
	u.Reinstall() // the server has not told
	hello()
	await(t, b, func(e *events.IdentityChange) bool { return e.Implicit })
	old := u.LID()
	require.NoError(t, u.ChangeLID("299999999999999"))
	require.NotEqual(t, old, u.LID())
	hello()
	require.ErrorIs(t, u.ChangeLID(botLID), whatsapp.ErrTaken)
}

func TestClientReplenishesItsKeys(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.seeded(t, echo)
	for i := range 130 { // more than it published
		u := w.user(t, i)
		_, err := u.Text(t.Context(), w.account, "hello")
		require.NoError(t, err)
		require.Equal(t, "echo: hello", next(t, u).Text)
	}
}

func TestClientLogsOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	require.NoError(t, b.client.Logout(t.Context()))
	require.Nil(t, w.account.Device())
	u := w.user(t, 1)
	_, err := u.Text(t.Context(), w.account, "hello")
	require.ErrorIs(t, err, whatsapp.ErrNoDevice)
}

func TestUnknownStanzasAreListed(t *testing.T) {
	t.Parallel()
	server, err := whatsapp.New(whatsapp.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	whatsapp.Trust(server.RootKey())
	account, err := server.NewAccount(botPhone, botLID)
	require.NoError(t, err)
	w := &world{server: server, account: account}
	b := w.seeded(t, nil)
	require.Empty(t, server.Unknown())

	_, err = b.client.GetBlocklist(t.Context())
	require.Error(t, err, "it is told at once")
	require.Len(t, server.Unknown(), 1)
	require.Contains(t, server.Unknown()[0], "blocklist")

	nobody := types.NewJID("6289999999999", types.DefaultUserServer)
	require.NoError(t, b.client.SendChatPresence(t.Context(), nobody, types.ChatPresenceComposing, types.ChatPresenceMediaText))
	require.Eventually(t, func() bool { return len(server.Unknown()) == 2 }, patience, tick)

	resp, err := server.HTTPClient().Get("https://example.com/")
	if err == nil {
		_ = resp.Body.Close()
	}
	require.ErrorContains(t, err, "refused")
	require.Len(t, server.Unknown(), 3)
}

func TestUnansweredKeepAlives(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	w.account.IgnorePings(true)
	await[*events.KeepAliveTimeout](t, b, nil)
	w.account.IgnorePings(false)
	await[*events.KeepAliveRestored](t, b, nil)
}

func TestReleaseSendsOnlyWhatWasHeld(t *testing.T) {
	t.Parallel()
	w := setup(t)
	handling, proceed := make(chan struct{}, 1), make(chan struct{})
	b := w.seeded(t, func(*bot, *events.Message) bool {
		handling <- struct{}{}
		<-proceed
		return true
	})
	d := w.account.Device()
	u := w.user(t, 1)
	first, err := u.Text(t.Context(), w.account, "being handled")
	require.NoError(t, err)
	<-handling
	d.HoldDelivery()
	second, err := u.Text(t.Context(), w.account, "held")
	require.NoError(t, err)
	require.Equal(t, 2, d.PendingMessages())
	d.Release()
	close(proceed)
	await(t, b, messageWith(second))
	require.Eventually(t, func() bool { return d.Pending() == 0 }, patience, tick)
	require.Equal(t, 1, count(b, messageWith(first)))
	require.Equal(t, 1, await[*events.OfflineSyncPreview](t, b, func(p *events.OfflineSyncPreview) bool { return p.Messages > 0 }).Messages)
}
