package bench_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/mattn/go-sqlite3" // the client's store
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// This test binary is the echo bot too: in a process of its own, with these in its environment.
const (
	echoAddr  = "KONSULIN_BENCH_ECHO_ADDR"  // of the stand-in server
	echoRoot  = "KONSULIN_BENCH_ECHO_ROOT"  // its root key
	echoStore = "KONSULIN_BENCH_ECHO_STORE" // the store's file
)

const echoPrefix = "echo: "

// openLineStore opens a store of the client library with the settings that the bot's storage gives the line.
func openLineStore(ctx context.Context, file string) (*sqlstore.Container, error) {
	db := sql.OpenDB(connector("file:" + file + "?_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL" +
		"&_busy_timeout=5000&_txlock=immediate&_secure_delete=FAST&_stmt_cache_size=64"))
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	c := sqlstore.NewWithDB(db, "sqlite3", nil)
	return c, c.Upgrade(ctx)
}

// connector opens connections with the settings that the bot gives its own.
type connector string

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(string(c)) }

func (connector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		_, err := c.Exec("PRAGMA temp_store = MEMORY", nil)
		return err
	}}
}

// echo answers every text inside the handler, with the client options of bot/whatsapp, until its standard input ends.
func echo(addr, root, file string) error {
	key, err := hex.DecodeString(root)
	if err != nil || len(key) != 32 {
		return fmt.Errorf("root key: %w", err)
	}
	whatsapp.Trust([32]byte(key))
	ctx := context.Background()
	store, err := openLineStore(ctx, file)
	if err != nil {
		return err
	}
	device, err := store.GetFirstDevice(ctx)
	if err != nil {
		return err
	}
	client := whatsmeow.NewClient(device, nil)
	client.SetWebsocketHTTPClient(whatsapp.HTTPClient(addr))
	client.SynchronousAck, client.EnableDecryptedEventBuffer, client.UseRetryMessageStore = true, true, true
	client.AddEventHandlerWithSuccessStatus(func(raw any) bool {
		m, ok := raw.(*events.Message)
		if !ok || m.Info.IsFromMe || m.Message.GetConversation() == "" {
			return true
		}
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		_, err := client.SendMessage(ctx, m.Info.Chat.ToNonAD(),
			&waE2E.Message{Conversation: proto.String(echoPrefix + m.Message.GetConversation())})
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
		}
		return err == nil
	})
	if err := client.Connect(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	client.Disconnect()
	return err
}
