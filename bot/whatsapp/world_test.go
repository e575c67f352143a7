package whatsapp

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/types"
	"go.uber.org/goleak"

	"github.com/konsulin-care/konsulin-bot/bot"
	sandbox "github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
		code = 1
	}
	os.Exit(code)
}

// world is a stand-in for WhatsApp with the bot's account, and a line on a store of its own.
type world struct {
	server  *sandbox.Server
	account *sandbox.Account
	db      *sql.DB
	in      *inbox
	line    *Client
	log     *logBuffer
	change  []func(*Config)
}

// setup makes a world with a line that is not linked yet.
func setup(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	server, err := sandbox.New(sandbox.Options{})
	require.NoError(t, err)
	sandbox.Trust(server.RootKey())
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.Empty(t, server.Unknown())
	})
	account, err := server.NewAccount(ourDigits, "900000000000001")
	require.NoError(t, err)
	w := &world{server: server, account: account, db: openStore(t), in: &inbox{}, log: &logBuffer{}, change: change}
	w.line = w.newLine(t)
	return w
}

// newLine makes another client on the same store, as a restarted process does.
func (w *world) newLine(t *testing.T, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{
		DB: w.db, Dialect: "sqlite3", HTTP: w.server.HTTPClient(), Intake: w.in, Number: mustNumber(t, ourDigits),
		Log:       zerolog.New(w.log).Level(zerolog.DebugLevel),
		StorePoll: 10 * time.Millisecond, ReconnectMin: 5 * time.Millisecond, ReconnectMax: 50 * time.Millisecond,
		SendTimeout: 6 * time.Second, HandleTimeout: 10 * time.Second,
	}
	for _, f := range append(w.change, change...) {
		f(&cfg)
	}
	c, err := New(t.Context(), cfg)
	require.NoError(t, err)
	return c
}

// connected makes a world whose line is linked and up.
func connected(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := setup(t, change...)
	require.NoError(t, w.account.Seed(t.Context(), w.line.store))
	running(t, w.line)
	inState(t, w.line, Connected)
	return w
}

func (w *world) user(t *testing.T, n int) *sandbox.User {
	t.Helper()
	u, err := w.server.NewUser(fmt.Sprintf("62812%08d", n), fmt.Sprintf("2%014d", n), "Somebody Real")
	require.NoError(t, err)
	return u
}

// text sends the login phrase and returns its id.
func (w *world) text(t *testing.T, u *sandbox.User, how ...sandbox.SendOption) string {
	t.Helper()
	id, err := u.Text(t.Context(), w.account, "Request login, authenticate me.", how...)
	require.NoError(t, err)
	return id
}

// message waits until the intake has the message.
func (w *world) message(t *testing.T, id string) bot.Message {
	t.Helper()
	var found bot.Message
	require.Eventually(t, func() bool {
		for _, m := range w.in.received() {
			if m.ID == id {
				found = m
				return true
			}
		}
		return false
	}, patience, time.Millisecond, "message")
	return found
}

// settled waits until WhatsApp knows that the message was taken.
func (w *world) settled(t *testing.T, id string) sandbox.Settlement {
	t.Helper()
	require.Eventually(t, func() bool { return w.account.Device().Settlement(id).Settled }, patience, time.Millisecond, "settled")
	return w.account.Device().Settlement(id)
}

// acquainted makes the bot and a user know each other: sessions and tokens are exchanged, no query is under way.
func (w *world) acquainted(t *testing.T, u *sandbox.User) bot.Message {
	t.Helper()
	id := w.text(t, u)
	m := w.message(t, id)
	w.settled(t, id)
	require.NoError(t, w.line.Send(t.Context(), bot.Outgoing{ID: "3EB0FFFFFFFFFFFFFFFF", Chat: m.Chat, Text: "hello"}))
	next1(t, u)
	lid := types.NewJID(u.LID(), types.HiddenUserServer)
	require.Eventually(t, func() bool {
		inside := w.line.current().wa.DangerousInternals() //nolint:staticcheck // nothing else shows that the query is over
		return !inside.GetTCTokenSenderTS(lid).IsZero()
	}, patience, time.Millisecond)
	return m
}

func next1(t *testing.T, u *sandbox.User) sandbox.Received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := u.Next(ctx)
	require.NoError(t, err)
	return r
}

// reply is an answer to a message, with a link in it.
func reply(m bot.Message, id string) bot.Outgoing {
	return bot.Outgoing{ID: id, Chat: m.Chat, Text: "https://konsulin.care/auth/verify?x=1#secret-link-code"}
}

// logBuffer collects what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
