package whatsapp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/whatsmeow/store/sqlstore"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Config is what a [Client] needs. DB, Dialect and Intake are required; zero durations mean the defaults below.
type Config struct {
	// DB is the handle of whatsmeow's store, opened and closed by its owner. On SQLite: foreign keys on, WAL, a busy
	// timeout and immediate transactions.
	DB *sql.DB
	// Dialect is "sqlite3" or "postgres".
	Dialect string
	// Number is the account that may be used. With any other account stored the line stays down. Zero: any account.
	Number phone.Number
	// HTTP opens the websocket. Nil: the real network, with the proxy of the environment.
	HTTP *http.Client
	// Intake takes what arrives.
	Intake Intake
	// Identities is told of numbers that may have a new owner. Nil: nobody is.
	Identities Identities
	// PhoneSeen is told, at most once an hour, that the account's phone was heard of. It must not block long. Nil: nobody.
	PhoneSeen func(ctx context.Context, at time.Time)
	Log       zerolog.Logger
	// MayConnect is asked before each connection that Run opens, so that a process which has lost the line to another
	// one does not take the connection from it. While it answers with an error the line stays Connecting, shows the
	// error's text, which must name nobody, and asks again later. Nil: it always may.
	MayConnect func(ctx context.Context) error
	// Now is the clock that states are dated with and limits measured by. Nil: the system's.
	Now func() time.Time

	SendTimeout   time.Duration // for one message, all tries together
	HandleTimeout time.Duration // for one call of Intake
	ReconnectMin  time.Duration // first pause before a reconnect
	ReconnectMax  time.Duration // the pauses grow up to this
	ReplacedMin   time.Duration // first pause after another process has taken the connection over
	ReplacedMax   time.Duration // those pauses grow up to this
	StorePoll     time.Duration // how often the store is asked for an account while there is none to use
	// MessageTTL is how long the plaintext of a sent message may stay in whatsmeow's retry store. Links live there,
	// so it should be the life of a link.
	MessageTTL time.Duration
	// DeviceName is shown on the phone's list of linked devices.
	DeviceName string
}

// The defaults of Config.
const (
	defaultSendTimeout   = 15 * time.Second
	defaultHandleTimeout = 20 * time.Second
	defaultReconnectMin  = time.Second
	defaultReconnectMax  = time.Minute
	defaultReplacedMin   = time.Minute
	defaultReplacedMax   = 15 * time.Minute
	defaultStorePoll     = 5 * time.Second
	defaultMessageTTL    = 15 * time.Minute
	defaultDeviceName    = "Konsulin"
)

// Client is the WhatsApp line. Its methods may be called from any goroutine.
type Client struct {
	cfg   Config
	log   zerolog.Logger
	store *sqlstore.Container
	board *board
	turn  chan struct{} // one message is sent at a time, because whatsmeow sends under one lock

	running   atomic.Bool   // Run is active
	beat      atomic.Int64  // see Beat
	phoneSeen atomic.Int64  // when it was told last that the phone was seen, in Unix milliseconds
	unread    atomic.Uint64 // messages from phone-number addresses that cannot be read

	mu      sync.Mutex
	session *session     // of the account in use, nil while there is none
	account phone.Number // of the stored account that was seen last
}

var _ bot.Line = (*Client)(nil)

// New opens and upgrades whatsmeow's store and looks for an account in it. It does not connect.
func New(ctx context.Context, cfg Config) (*Client, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("whatsapp line: %w", err)
	}
	c := &Client{
		cfg:   cfg,
		log:   cfg.Log,
		board: newBoard(cfg.Now),
		turn:  make(chan struct{}, 1),
	}
	c.store = sqlstore.NewWithDB(cfg.DB, cfg.Dialect, quiet(c.log))
	if err := c.store.Upgrade(unlogged(ctx)); err != nil {
		return nil, fmt.Errorf("upgrade the line's store: %w", err)
	}
	_, status, err := c.pick(ctx)
	if err != nil {
		return nil, err
	}
	c.board.set(status)
	return c, nil
}

// complete fills in the defaults and refuses what cannot work.
func (cfg Config) complete() (Config, error) {
	switch {
	case cfg.DB == nil:
		return cfg, errors.New("no database")
	case cfg.Dialect != "sqlite3" && cfg.Dialect != "postgres":
		return cfg, fmt.Errorf("unknown dialect %q (sqlite3 or postgres)", cfg.Dialect)
	case cfg.Intake == nil:
		return cfg, errors.New("no intake")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the default of the field that all others read
	}
	if cfg.DeviceName == "" {
		cfg.DeviceName = defaultDeviceName
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&cfg.SendTimeout, defaultSendTimeout},
		{&cfg.HandleTimeout, defaultHandleTimeout},
		{&cfg.ReconnectMin, defaultReconnectMin},
		{&cfg.ReconnectMax, defaultReconnectMax},
		{&cfg.ReplacedMin, defaultReplacedMin},
		{&cfg.ReplacedMax, defaultReplacedMax},
		{&cfg.StorePoll, defaultStorePoll},
		{&cfg.MessageTTL, defaultMessageTTL},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	cfg.ReconnectMax = max(cfg.ReconnectMax, cfg.ReconnectMin)
	cfg.ReplacedMax = max(cfg.ReplacedMax, cfg.ReplacedMin)
	return cfg, nil
}

// Status is the line's state now.
func (c *Client) Status() Status { return c.board.status() }

// Subscribe gives a channel that always holds the newest status that its reader has not seen, starting with the
// present one. A slow reader misses states in between and never delays the line. The function ends the
// subscription and closes the channel.
func (c *Client) Subscribe() (<-chan Status, func()) { return c.board.subscribe() }

// Account is the number of the stored account, false while there is none. It may differ from Config.Number; then
// the state is WrongAccount.
func (c *Client) Account() (phone.Number, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account, !c.account.IsZero()
}

func (c *Client) current() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

func (c *Client) use(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
}
