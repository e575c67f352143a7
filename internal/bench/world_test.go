package bench_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/store/sqlstore"
)

const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// world is the WhatsApp server of one benchmark.
type world struct {
	*testing.B
	server *whatsapp.Server
	rootID string
	phones int // accounts made so far
}

func newWorld(b *testing.B) *world {
	b.Helper()
	server, err := whatsapp.New(whatsapp.Options{})
	require.NoError(b, err)
	b.Cleanup(func() {
		require.NoError(b, server.Close())
		require.Empty(b, server.Unknown(), "stanzas that the WhatsApp server does not know")
	})
	whatsapp.Trust(server.RootKey())
	root := server.RootKey()
	return &world{B: b, server: server, rootID: hex.EncodeToString(root[:])}
}

// account makes an account of the bot's kind.
func (w *world) account() *whatsapp.Account {
	w.Helper()
	w.phones++
	a, err := w.server.NewAccount(fmt.Sprintf("62811900%05d", w.phones), fmt.Sprintf("1000000000%05d", w.phones))
	require.NoError(w, err)
	return a
}

// people makes n phones whose numbers count up from first.
func (w *world) people(first, n int) []*whatsapp.User {
	w.Helper()
	var all []*whatsapp.User
	for i := range n {
		u, err := w.server.NewUser(fmt.Sprint(first+i), fmt.Sprintf("2%014d", (first+i)%1e13), "Siti")
		require.NoError(w, err)
		all = append(all, u)
	}
	return all
}

// seed links an account to a store of the client library, so that both sides of a comparison start from the same.
func (w *world) seed(a *whatsapp.Account, store *sqlstore.Container) {
	w.Helper()
	require.NoError(w, a.Seed(w.Context(), store))
	require.NoError(w, store.Close())
}

// subject is what is measured: a running program with its account.
type subject struct {
	*process
	account *whatsapp.Account
	url     string // of a bot's web server
	dsn     string // of a bot on PostgreSQL
	fits    func(sent, got string) bool
}

// bot prepares the bot: account, core, configuration and a paired store. start it with serve.
type bot struct {
	w       *world
	account *whatsapp.Account
	engine  string
	dir     string // for everything; data is below it
	dsn     string
	listen  string
	core    *supertokens.Server
	env     []string // what is configured there and not in the file
	runs    int
}

func (w *world) newBot(engine string) *bot {
	w.Helper()
	core, err := supertokens.New(supertokens.Options{})
	require.NoError(w, err)
	w.Cleanup(func() {
		require.NoError(w, core.Close())
		require.Empty(w, core.Unknown(), "requests that the core does not know")
	})
	bo := &bot{w: w, account: w.account(), engine: engine, dir: w.TempDir(), core: core}
	bo.listen, err = freePort()
	require.NoError(w, err)
	require.NoError(w, os.Mkdir(bo.data(), 0o700))
	if engine == postgres {
		bo.dsn = database.Database(w)
		require.NoError(w, os.WriteFile(filepath.Join(bo.dir, "dsn"), []byte(bo.dsn), 0o600))
	}
	w.seed(bo.account, bo.lineStore())
	require.NoError(w, os.WriteFile(bo.config(), []byte(fmt.Sprintf(botConfig,
		bo.listen, engine, bo.data(), map[bool]string{true: filepath.Join(bo.dir, "dsn")}[engine == postgres],
		bo.account.Phone(), core.URL(), "http://"+bo.listen)), 0o600))
	return bo
}

// botConfig leaves everything at its default but what would turn requests of a benchmark away.
const botConfig = `
http: {listen: %q, trusted_proxies: [127.0.0.1]}
storage: {engine: %s, dir: %q, dsn_file: %q}
whatsapp: {number: "+%s"}
auth: {core_uri: %q, api_domain: %[7]q, website_domain: %[7]q}
web:
  limits:
    client: {burst: 1000000, every: 1ms}
    global: {burst: 1000000, every: 1ms}
login:
  stale_after: 10m
  coalesce: 0s
  limits:
    number: {burst: 1000000, every: 1ms}
    number_day: {burst: 1000000, every: 1ms}
    new_numbers: {burst: 1000000, every: 1ms}
    global: {burst: 1000000, every: 1ms}
`

func (bo *bot) data() string   { return filepath.Join(bo.dir, "data") }
func (bo *bot) config() string { return filepath.Join(bo.dir, "config.yaml") }

// lineStore opens the store in which the bot will look for its account.
func (bo *bot) lineStore() *sqlstore.Container {
	bo.w.Helper()
	if bo.engine == postgres {
		db, err := sql.Open("pgx", bo.dsn)
		require.NoError(bo.w, err)
		store := sqlstore.NewWithDB(db, "postgres", nil)
		require.NoError(bo.w, store.Upgrade(bo.w.Context()))
		return store
	}
	file := filepath.Join(bo.data(), "whatsapp.db")
	require.NoError(bo.w, os.WriteFile(file, nil, 0o600)) // the bot refuses a file that others can read
	store, err := openLineStore(bo.w.Context(), file)
	require.NoError(bo.w, err)
	return store
}

// serve starts the bot and returns when it is ready, with the time that this took.
func (bo *bot) serve() (*subject, time.Duration) {
	bo.w.Helper()
	dir, err := programs()
	require.NoError(bo.w, err)
	bo.runs++
	p := start(bo.w.B, filepath.Join(bo.dir, fmt.Sprintf("log%d", bo.runs)), bo.env, filepath.Join(dir, "konsulin-sandbox"),
		"bot", "serve", "--line", bo.w.server.Addr(), "--root-key", bo.w.rootID, "--config", bo.config())
	s := &subject{process: p, account: bo.account, url: "http://" + bo.listen, dsn: bo.dsn, fits: isLink}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	// The bot answers /readyz from memory for a second, so it is not asked before the line can be ready.
	p.await("connected", bo.account.Device().Connected)
	p.await("ready", func() bool {
		resp, err := client.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return s, time.Since(p.began)
}

// newEcho starts the bare echo bot and returns when it is connected.
func (w *world) newEcho() *subject {
	w.Helper()
	dir := w.TempDir()
	file := filepath.Join(dir, "store.db")
	store, err := openLineStore(w.Context(), file)
	require.NoError(w, err)
	a := w.account()
	w.seed(a, store)
	self, err := os.Executable()
	require.NoError(w, err)
	p := start(w.B, filepath.Join(dir, "log"), []string{
		echoAddr + "=" + w.server.Addr(), echoRoot + "=" + w.rootID, echoStore + "=" + file,
	}, self)
	p.await("connected", a.Device().Connected)
	return &subject{process: p, account: a, fits: func(sent, got string) bool { return got == echoPrefix+sent }}
}

// waitFor bounds the wait for one answer.
func waitFor(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}
