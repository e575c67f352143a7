package e2e_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

const phrase = "Request login, authenticate me."

// engines that every important promise is kept on.
var engines = []string{storage.SQLite, storage.Postgres}

// world is everything around one bot: its account, a core, its data, its configuration.
type world struct {
	t       *testing.T
	account *whatsapp.Account
	cfg     app.Config
	number  string
}

// theServer is the one WhatsApp server of this test process: the client library trusts one root key per process.
var theServer = sync.OnceValue(func() *whatsapp.Server {
	s, err := whatsapp.New(whatsapp.Options{})
	if err != nil {
		panic(err)
	}
	whatsapp.Trust(s.RootKey())
	return s
})

// digits makes a random number that starts with prefix; tests that share a long-lived core must not share numbers.
func digits(prefix string, length int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(length-len(prefix))), nil)
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s%0*d", prefix, length-len(prefix), n)
}

func newNumber() string { return digits("62812", 13) }
func newLID() string    { return digits("1", 15) }

// newWorld makes a world with an account that is not paired yet. change may adjust the configuration.
func newWorld(t *testing.T, engine string, change ...func(*app.Config)) *world {
	t.Helper()
	w := &world{t: t, number: newNumber()}
	var err error
	w.account, err = theServer().NewAccount(w.number, newLID())
	require.NoError(t, err)

	cfg := app.Default()
	cfg.Log.Level = "debug"
	cfg.HTTP.Listen = freePort(t)
	cfg.WhatsApp.Number = "+" + w.number
	cfg.WhatsApp.ReconnectMin = 20 * time.Millisecond
	cfg.WhatsApp.ReconnectMax = 500 * time.Millisecond
	cfg.Auth.APIDomain = "http://" + cfg.HTTP.Listen
	cfg.Auth.WebsiteDomain = "http://" + cfg.HTTP.Listen
	cfg.Jobs.RetryMin = 50 * time.Millisecond
	cfg.Jobs.RetryMax = time.Second
	cfg.Login.Coalesce = 0 // each test that wants it says so
	cfg.Storage.Engine = engine
	cfg.Storage.Dir = filepath.Join(t.TempDir(), "data")
	if engine == storage.Postgres {
		cfg.Storage.DSN = app.Secret(database.Database(t))
	}
	if other := theOtherCore(); other != nil {
		cfg.Auth.CoreURI, cfg.Auth.APIKey = other.URL, app.Secret(os.Getenv("SUPERTOKENS_API_KEY"))
	} else {
		core, err := supertokens.New(supertokens.Options{})
		require.NoError(t, err)
		t.Cleanup(func() {
			require.Empty(t, core.Unknown(), "the core was asked things that it does not know")
			require.NoError(t, core.Close())
		})
		cfg.Auth.CoreURI = core.URL()
	}
	for _, f := range change {
		f(&cfg)
	}
	w.cfg = cfg
	return w
}

// pairQR links the account from an empty store by scanning a QR code, in this process.
func (w *world) pairQR() {
	w.t.Helper()
	err := app.Pair(w.t.Context(), w.cfg, app.PairOptions{
		Line: theServer().HTTPClient(), Out: w.t.Output(), LogTo: w.t.Output(),
		QR: func(code string) { require.NoError(w.t, w.account.ScanQR(code)) },
	})
	require.NoError(w.t, err)
}

// configFile writes the configuration as an operator would.
func (w *world) configFile() string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "config.yaml")
	var b strings.Builder
	cfg := w.cfg
	cfg.Storage.DSN, cfg.Storage.DSNFile = "", w.secretFile("dsn", w.cfg.Storage.DSN)
	cfg.Auth.APIKey, cfg.Auth.APIKeyFile = "", w.secretFile("api-key", w.cfg.Auth.APIKey)
	cfg.FHIR.Secret, cfg.FHIR.SecretFile = "", w.secretFile("fhir", w.cfg.FHIR.Secret)
	cfg.Contact.Secret, cfg.Contact.SecretFile = "", w.secretFile("contact", w.cfg.Contact.Secret)
	cfg.Alerts.Secret, cfg.Alerts.SecretFile = "", w.secretFile("alerts", w.cfg.Alerts.Secret)
	require.NoError(w.t, app.Print(&b, cfg))
	require.NoError(w.t, os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

func (w *world) secretFile(name string, secret app.Secret) string {
	if secret == "" {
		return ""
	}
	path := filepath.Join(w.t.TempDir(), name)
	require.NoError(w.t, os.WriteFile(path, []byte(secret.Reveal()), 0o600))
	return path
}

// user makes a phone.
func (w *world) user() *whatsapp.User {
	w.t.Helper()
	u, err := theServer().NewUser(newNumber(), newLID(), "Siti")
	require.NoError(w.t, err)
	return u
}

// requestLink sends the phrase and returns the link that comes back.
func (w *world) requestLink(u *whatsapp.User, how ...whatsapp.SendOption) link {
	w.t.Helper()
	_, err := u.Text(w.t.Context(), w.account, phrase, how...)
	require.NoError(w.t, err)
	return mustLink(w.t, w.next(u))
}

// next is the next message that the user's phone shows.
func (w *world) next(u *whatsapp.User) string {
	w.t.Helper()
	// A line that moves to another process takes a lease's time to do so, on a busy machine longer.
	ctx, cancel := context.WithTimeout(w.t.Context(), 90*time.Second)
	defer cancel()
	got, err := u.Next(ctx)
	require.NoError(w.t, err)
	return got.Text
}

// store opens the bot's database beside it.
func (w *world) store() *storage.Store {
	w.t.Helper()
	s, err := storage.Open(w.t.Context(), storage.Config{
		Engine: w.cfg.Storage.Engine, Dir: w.cfg.Storage.Dir, DSN: w.cfg.Storage.DSN.Reveal(),
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close()) })
	return s
}

// database opens the bot's database directly, for what no room tells.
func (w *world) database(mode string) *sql.DB {
	w.t.Helper()
	driver, dsn := "sqlite3", "file:"+filepath.Join(w.cfg.Storage.Dir, "konsulin.db")+"?mode="+mode+"&_busy_timeout=5000"
	if w.cfg.Storage.Engine == storage.Postgres {
		driver, dsn = "pgx", w.cfg.Storage.DSN.Reveal()
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(w.t, err)
	return db
}

// change does what time or another program would do to the bot's database.
func (w *world) change(statement string) {
	w.t.Helper()
	db := w.database("rw")
	defer func() { require.NoError(w.t, db.Close()) }()
	_, err := db.ExecContext(w.t.Context(), statement)
	require.NoError(w.t, err)
}

// count asks the bot's database for a number.
func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	db := w.database("ro")
	defer func() { require.NoError(w.t, db.Close()) }()
	var n int
	require.NoError(w.t, db.QueryRowContext(w.t.Context(), query, args...).Scan(&n))
	return n
}

func (w *world) rootKey() string {
	key := theServer().RootKey()
	return hex.EncodeToString(key[:])
}

// lockDatabase holds the write lock of one of the bot's SQLite files, as a backup or an operator's shell might.
func (w *world) lockDatabase(file string) (release func()) {
	w.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(w.cfg.Storage.Dir, file)+"?_busy_timeout=5000&_txlock=immediate")
	require.NoError(w.t, err)
	tx, err := db.BeginTx(w.t.Context(), nil)
	require.NoError(w.t, err)
	return func() {
		require.NoError(w.t, tx.Rollback())
		require.NoError(w.t, db.Close())
	}
}

// mint makes a code at the core behind the bot's back, as another service on the same core would.
func (w *world) mint(number string) link {
	w.t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"phoneNumber":%q}`, number))
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.cfg.Auth.CoreURI+"/public/recipe/signinup/code", body)
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("cdi-version", "3.1")
	req.Header.Set("rid", "passwordless")
	if key := w.cfg.Auth.APIKey; key != "" {
		req.Header.Set("api-key", key.Reveal())
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	var made struct{ Status, PreAuthSessionID, LinkCode string }
	require.NoError(w.t, json.NewDecoder(resp.Body).Decode(&made))
	require.Equal(w.t, "OK", made.Status)
	return link{PreAuthSessionID: made.PreAuthSessionID, Code: made.LinkCode}
}
