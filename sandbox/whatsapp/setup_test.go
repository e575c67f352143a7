package whatsapp_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // the client's store
	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

const (
	botPhone = "6281100000001"
	botLID   = "100000000000001"
	patience = 30 * time.Second
	tick     = 5 * time.Millisecond
)

// world is a server with the bot's account.
type world struct {
	server  *whatsapp.Server
	account *whatsapp.Account
}

func setup(t *testing.T, options ...func(*whatsapp.Options)) *world {
	t.Helper()
	var o whatsapp.Options
	for _, option := range options {
		option(&o)
	}
	server, err := whatsapp.New(o)
	require.NoError(t, err)
	whatsapp.Trust(server.RootKey())
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.Empty(t, server.Unknown())
	})
	account, err := server.NewAccount(botPhone, botLID)
	require.NoError(t, err)
	return &world{server: server, account: account}
}

// user makes a user whose number and hidden id end in n.
func (w *world) user(t *testing.T, n int) *whatsapp.User {
	t.Helper()
	u, err := w.server.NewUser(fmt.Sprintf("62812%08d", n), fmt.Sprintf("2%014d", n), fmt.Sprintf("User %d", n))
	require.NoError(t, err)
	return u
}

// bot is an unmodified client with its store.
type bot struct {
	w         *world
	container *sqlstore.Container
	client    *whatsmeow.Client

	mu     sync.Mutex
	events []any
	news   chan struct{}
	handle func(b *bot, m *events.Message) bool // for messages; nil accepts all
}

func newStore(t *testing.T) *sqlstore.Container {
	t.Helper()
	file := filepath.Join(t.TempDir(), "store.db")
	container, err := sqlstore.New(t.Context(), "sqlite3", storeURI(file), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, container.Close()) })
	return container
}

// client makes a client on a store and does not connect it.
func (w *world) client(t *testing.T, container *sqlstore.Container, handle func(*bot, *events.Message) bool) *bot {
	t.Helper()
	device, err := container.GetFirstDevice(t.Context())
	require.NoError(t, err)
	b := &bot{w: w, container: container, client: whatsmeow.NewClient(device, nil), news: make(chan struct{}), handle: handle}
	b.client.SetWebsocketHTTPClient(w.server.HTTPClient())
	b.client.SetPreLoginHTTPClient(w.server.HTTPClient())
	b.client.SetMediaHTTPClient(w.server.HTTPClient())
	b.client.SynchronousAck = true
	b.client.EnableDecryptedEventBuffer = true
	b.client.UseRetryMessageStore = true
	b.client.AddEventHandlerWithSuccessStatus(b.event)
	t.Cleanup(b.client.Disconnect)
	return b
}

// seeded makes a connected client with a seeded store.
func (w *world) seeded(t *testing.T, handle func(*bot, *events.Message) bool) *bot {
	t.Helper()
	container := newStore(t)
	require.NoError(t, w.account.Seed(t.Context(), container))
	b := w.client(t, container, handle)
	b.connect(t)
	return b
}

func (b *bot) connect(t *testing.T) {
	t.Helper()
	require.NoError(t, b.client.Connect())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := b.w.account.WaitDevice(ctx)
	require.NoError(t, err)
	require.NoError(t, d.WaitConnected(ctx))
}

func (b *bot) event(raw any) bool {
	ok := true
	if m, isMessage := raw.(*events.Message); isMessage && b.handle != nil {
		ok = b.handle(b, m)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, raw)
	close(b.news)
	b.news = make(chan struct{})
	return ok
}

// await waits for an event that fits, among those of the past too.
func await[E any](t *testing.T, b *bot, fits func(E) bool) E {
	t.Helper()
	deadline := time.After(patience)
	seen := 0
	for {
		b.mu.Lock()
		all, news := b.events, b.news
		b.mu.Unlock()
		for ; seen < len(all); seen++ {
			if e, ok := all[seen].(E); ok && (fits == nil || fits(e)) {
				return e
			}
		}
		select {
		case <-news:
		case <-deadline:
			var e E
			require.FailNowf(t, "no such event", "%T", e)
		}
	}
}

func messageWith(id string) func(*events.Message) bool {
	return func(m *events.Message) bool { return m.Info.ID == id }
}

// count is how many events fit until now.
func count[E any](b *bot, fits func(E) bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, raw := range b.events {
		if e, ok := raw.(E); ok && fits(e) {
			n++
		}
	}
	return n
}

func (b *bot) reply(to types.JID, text string, extra ...whatsmeow.SendRequestExtra) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := b.client.SendMessage(ctx, to.ToNonAD(), &waE2E.Message{Conversation: proto.String(text)}, extra...)
	return err
}

// echo answers every text of somebody else.
func echo(b *bot, m *events.Message) bool {
	text := m.Message.GetConversation()
	if text == "" || m.Info.IsFromMe || m.Info.IsGroup {
		return true
	}
	return b.reply(m.Info.Chat, "echo: "+text) == nil
}

func next(t *testing.T, u *whatsapp.User) whatsapp.Received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := u.Next(ctx)
	require.NoError(t, err)
	return r
}
