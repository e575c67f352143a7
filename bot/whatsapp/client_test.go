package whatsapp

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/konsulin-care/konsulin-bot/bot"
)

// closedNet is a network in which nobody answers; it counts who tries.
type closedNet struct{ dials atomic.Int32 }

var errNobody = errors.New("nobody answers")

func (n *closedNet) RoundTrip(*http.Request) (*http.Response, error) {
	n.dials.Add(1)
	return nil, errNobody
}

// running starts Run and stops it when the test ends.
func running(t *testing.T, c *Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var stopped atomic.Bool
	stop = func() {
		if stopped.CompareAndSwap(false, true) {
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(stop)
	return stop
}

// inState waits for a state.
func inState(t *testing.T, c *Client, want State) Status {
	t.Helper()
	states, cancel := c.Subscribe()
	defer cancel()
	limit := time.After(20 * time.Second)
	for {
		select {
		case s := <-states:
			if s.State == want {
				return s
			}
		case <-limit:
			require.FailNow(t, "state", "want %q, have %+v", want, c.Status())
		}
	}
}

func TestWrongAccountNotReady(t *testing.T) {
	t.Parallel()
	network := &closedNet{}
	c, in := newClient(t, func(cfg *Config) {
		cfg.Number, cfg.HTTP = mustNumber(t, ourDigits), &http.Client{Transport: network}
	})
	require.Equal(t, Unpaired, c.Status().State)
	storeAccount(t, c, theirDigits, 4)
	running(t, c)
	s := inState(t, c, WrongAccount)
	require.False(t, s.Ready())
	require.Contains(t, s.Reason, mustNumber(t, theirDigits).String())
	require.Contains(t, s.Reason, mustNumber(t, ourDigits).String())
	require.NotContains(t, s.Reason, theirDigits)
	account, linked := c.Account()
	require.True(t, linked)
	require.Equal(t, theirDigits, account.Digits())
	require.ErrorIs(t, c.Send(t.Context(), outgoing()), bot.ErrLineDown)

	// Only when the right account turns up, the line is opened.
	before := network.dials.Load()
	require.Zero(t, before)
	storeAccount(t, c, ourDigits, 5)
	require.Eventually(t, func() bool { return network.dials.Load() > 0 }, 10*time.Second, time.Millisecond)
	require.Empty(t, in.received())
	account, _ = c.Account()
	require.Equal(t, ourDigits, account.Digits())
}

func TestWrongAccountIsSeenWithoutRunning(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	cfg := Config{DB: db, Dialect: "sqlite3", Intake: &inbox{}, Number: mustNumber(t, ourDigits)}
	first, err := New(t.Context(), cfg)
	require.NoError(t, err)
	_, linked := first.Account()
	require.False(t, linked)
	storeAccount(t, first, theirDigits, 4)
	second, err := New(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, WrongAccount, second.Status().State)
	storeAccount(t, first, ourDigits, 2)
	third, err := New(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, Connecting, third.Status().State)
}

func TestNewestLinkOfTheAccountIsUsed(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	storeAccount(t, c, ourDigits, 3)
	storeAccount(t, c, ourDigits, 99)
	storeAccount(t, c, ourDigits, 7)
	device, _, err := c.pick(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint16(99), device.GetJID().Device)
}

func TestRunStaysConnectingWhileNobodyListens(t *testing.T) {
	t.Parallel()
	network := &closedNet{}
	c, _ := newClient(t, func(cfg *Config) {
		cfg.HTTP, cfg.ReconnectMin, cfg.ReconnectMax = &http.Client{Transport: network}, time.Millisecond, 2*time.Millisecond
	})
	storeAccount(t, c, ourDigits, 3)
	stop := running(t, c)
	require.Eventually(t, func() bool { return network.dials.Load() > 5 }, 10*time.Second, time.Millisecond)
	s := c.Status()
	require.Equal(t, Connecting, s.State)
	require.Contains(t, s.Reason, "cannot be reached")
	require.ErrorIs(t, c.Run(t.Context()), errRunning)
	stop()
	tried := network.dials.Load()
	require.Equal(t, "The line is stopped.", c.Status().Reason)
	require.Equal(t, tried, network.dials.Load(), "nobody tries any more")
	running(t, c) // and again
	require.Eventually(t, func() bool { return network.dials.Load() > tried }, 10*time.Second, time.Millisecond)
}

func TestRunEndsAtOnceDuringAPause(t *testing.T) {
	t.Parallel()
	network := &closedNet{}
	c, _ := newClient(t, func(cfg *Config) {
		cfg.HTTP, cfg.ReconnectMin, cfg.ReconnectMax = &http.Client{Transport: network}, time.Hour, time.Hour
	})
	storeAccount(t, c, ourDigits, 3)
	stop := running(t, c)
	require.Eventually(t, func() bool { return network.dials.Load() == 2 }, 10*time.Second, time.Millisecond, "the second try comes at once")
	stop() // would take half an hour otherwise
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"no database":     func(c *Config) { c.DB = nil },
		"unknown dialect": func(c *Config) { c.Dialect = "mysql" },
		"no intake":       func(c *Config) { c.Intake = nil },
	} {
		cfg := Config{DB: openStore(t), Dialect: "sqlite3", Intake: &inbox{}}
		change(&cfg)
		_, err := New(t.Context(), cfg)
		require.ErrorContains(t, err, want)
	}
	closed := openStore(t)
	require.NoError(t, closed.Close())
	_, err := New(t.Context(), Config{DB: closed, Dialect: "sqlite3", Intake: &inbox{}})
	require.ErrorContains(t, err, "upgrade the line's store")
}

func TestNewRefusesANewerStore(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	_, err := c.cfg.DB.Exec(`UPDATE whatsmeow_version SET version = 9999, compat = 9999`)
	require.NoError(t, err)
	_, err = New(t.Context(), c.cfg)
	require.ErrorContains(t, err, "upgrade the line's store")
}

func TestDeviceNameIsShownOnThePhone(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, func(cfg *Config) { cfg.DeviceName = "Konsulin front desk" })
	p := c.payload(c.store.NewDevice())()
	var props waCompanionReg.DeviceProps
	require.NoError(t, proto.Unmarshal(p.GetDevicePairingData().GetDeviceProps(), &props))
	require.Equal(t, "Konsulin front desk", props.GetOs())
}

func TestNamesOfPeopleAreNotStored(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	storeAccount(t, c, ourDigits, 3)
	device, _, err := c.pick(t.Context())
	require.NoError(t, err)
	wa := c.newLink(t.Context(), device).wa
	_, _, err = wa.Store.Contacts.PutPushName(t.Context(), pnJID(theirDigits), "Somebody")
	require.NoError(t, err)
	require.NoError(t, wa.Store.MsgSecrets.PutMessageSecret(t.Context(), pnJID(theirDigits), pnJID(theirDigits), "X", []byte{1}))
	for _, table := range []string{"whatsmeow_contacts", "whatsmeow_message_secrets"} {
		var n int
		require.NoError(t, c.cfg.DB.QueryRow(`SELECT count(*) FROM `+table).Scan(&n))
		require.Zero(t, n, table)
	}
}

func TestPurgeDeletesWhatWasSentLongAgoByThisDevice(t *testing.T) {
	t.Parallel()
	cl := newClock()
	c, _ := newClient(t, func(cfg *Config) { cfg.Now, cfg.MessageTTL = cl.Now, 10*time.Minute })
	require.NoError(t, c.Purge(t.Context(), cl.Now()), "nothing to purge without an account")
	other := storeAccount(t, c, ourDigits, 2)
	ours := storeAccount(t, c, ourDigits, 3)
	put := func(our types.JID, id string, age time.Duration) {
		_, err := c.cfg.DB.Exec(`INSERT INTO whatsmeow_retry_buffer (our_jid, chat_jid, message_id, format, plaintext, timestamp)
			VALUES ($1, 'x@lid', $2, 'wa', 'secret', $3)`, our.String(), id, cl.Now().Add(-age).UnixMilli())
		require.NoError(t, err)
	}
	put(ours, "old", 10*time.Minute+time.Millisecond)
	put(ours, "young", 10*time.Minute)
	put(other, "another device's", time.Hour)
	require.NoError(t, c.Purge(t.Context(), cl.Now()))
	require.ElementsMatch(t, []string{"young", "another device's"}, sentIDs(t, c))

	cl.advance(time.Minute)
	running(t, c)
	require.Eventually(t, func() bool { return len(sentIDs(t, c)) == 1 }, 10*time.Second, time.Millisecond, "Run purges at once")
}

func sentIDs(t *testing.T, c *Client) (ids []string) {
	t.Helper()
	rows, err := c.cfg.DB.Query(`SELECT message_id FROM whatsmeow_retry_buffer`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	return ids
}
