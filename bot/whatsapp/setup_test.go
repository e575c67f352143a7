package whatsapp

import (
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

const (
	ourDigits   = "6281100000001"
	theirDigits = "6281298765432"
	theirLID    = "123456789012345"
)

func mustNumber(t *testing.T, digits string) phone.Number {
	t.Helper()
	n, err := phone.FromDigits(digits)
	require.NoError(t, err)
	return n
}

// clock is a time that moves when a test says so.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// human is one call of HumanWrote.
type human struct {
	Chat string
	At   time.Time
}

// inbox is an Intake that remembers, and fails or blocks when told to.
type inbox struct {
	mu        sync.Mutex
	messages  []bot.Message
	strangers []bot.Stranger
	humans    []human
	fail      func(id string) error // asked before anything is kept
	enter     func(ctx context.Context, id string)
}

func (i *inbox) take(ctx context.Context, id string, keep func()) error {
	i.mu.Lock()
	fail, enter := i.fail, i.enter
	i.mu.Unlock()
	if enter != nil {
		enter(ctx, id)
	}
	if fail != nil {
		if err := fail(id); err != nil {
			return err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	keep()
	return nil
}

func (i *inbox) Receive(ctx context.Context, m bot.Message) error {
	return i.take(ctx, m.ID, func() { i.messages = append(i.messages, m) })
}

func (i *inbox) ReceiveStranger(ctx context.Context, s bot.Stranger) error {
	return i.take(ctx, s.ID, func() { i.strangers = append(i.strangers, s) })
}

func (i *inbox) HumanWrote(ctx context.Context, chat string, at time.Time) error {
	return i.take(ctx, "", func() { i.humans = append(i.humans, human{chat, at}) })
}

func (i *inbox) received() []bot.Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]bot.Message(nil), i.messages...)
}

func (i *inbox) when(fail func(id string) error, enter func(ctx context.Context, id string)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail, i.enter = fail, enter
}

// openStore opens a fresh database for whatsmeow.
func openStore(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(t.TempDir(), "line.db")+
		"?_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000&_txlock=immediate")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// newClient makes a client that is never connected, with a store of its own.
func newClient(t *testing.T, change ...func(*Config)) (*Client, *inbox) {
	t.Helper()
	in := &inbox{}
	cfg := Config{DB: openStore(t), Dialect: "sqlite3", Intake: in, StorePoll: 5 * time.Millisecond,
		HTTP: &http.Client{Transport: &closedNet{}}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(t.Context(), cfg)
	require.NoError(t, err)
	return c, in
}

// storeAccount puts a paired account into the store, as a pairing would.
func storeAccount(t *testing.T, c *Client, digits string, device uint16) types.JID {
	t.Helper()
	d := c.store.NewDevice()
	jid := types.JID{User: digits, Device: device, Server: types.DefaultUserServer}
	d.ID, d.LID = &jid, types.JID{User: "9" + digits, Device: device, Server: types.HiddenUserServer}
	d.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
	}
	require.NoError(t, d.Save(t.Context()))
	return jid
}

// lids is a store of hidden addresses.
type lids struct {
	known map[string]string
	err   error
	asked int
}

func (l *lids) GetPNForLID(_ context.Context, lid types.JID) (types.JID, error) {
	l.asked++
	if digits := l.known[lid.User]; digits != "" {
		return types.JID{User: digits, Server: types.DefaultUserServer}, l.err
	}
	return types.JID{}, l.err
}

// fakeSession is a session without a connection.
func fakeSession(l lidStore) *session {
	return &session{
		jid:  types.JID{User: ourDigits, Device: 7, Server: types.DefaultUserServer},
		lid:  types.JID{User: "9" + ourDigits, Device: 7, Server: types.HiddenUserServer},
		lids: l, mail: mailbox{bell: make(chan struct{}, 1)}, reset: make(chan struct{}, 1), gate: gate{idle: make(chan struct{})},
	}
}

func pnJID(digits string) types.JID  { return types.NewJID(digits, types.DefaultUserServer) }
func lidJID(digits string) types.JID { return types.NewJID(digits, types.HiddenUserServer) }

// message is a live, direct text message from a phone-number address, which a test then changes.
func message(change ...func(*events.Message)) *events.Message {
	sender := pnJID(theirDigits)
	e := &events.Message{
		Info: types.MessageInfo{
			MessageSource: types.MessageSource{Chat: sender, Sender: types.JID{User: sender.User, Device: 3, Server: sender.Server}},
			ID:            "3EB0ABCDEF0123456789", Type: "text", PushName: "Somebody",
			Timestamp: time.Date(2026, 3, 1, 8, 59, 58, 0, time.UTC),
		},
		RawMessage: &waE2E.Message{Conversation: proto.String("Request login, authenticate me.")},
	}
	for _, f := range change {
		f(e)
	}
	return e.UnwrapRaw()
}
