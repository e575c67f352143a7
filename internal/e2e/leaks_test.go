package e2e_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// TestNothingLeaks drives whole logins at debug level, with everything that can go wrong on the way, and searches
// every byte of the log and of the bot's database for what must not be there.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			core := newProxy(t)
			s := newGuarded(t, "bearer-token-of-fhir", "api-key-of-the-webhook")
			w := newWorld(t, engine, core.before, s.join, func(cfg *app.Config) {
				cfg.FHIR.Auth, cfg.FHIR.Secret = "bearer", "bearer-token-of-fhir"
				cfg.Contact.Auth, cfg.Contact.Secret = "api_key", "api-key-of-the-webhook"
				cfg.Replies.OtherText, cfg.Replies.HumanContact, cfg.Replies.EmergencyLine = "reply", "hello@konsulin.example", "119"
			})
			b := w.pairAndStart()
			u, stranger := w.user(), w.user()
			secret := map[string]string{ // what must be nowhere
				"FHIR token": "bearer-token-of-fhir", "webhook key": "api-key-of-the-webhook",
			}
			// What must not be in the log. The database has numbers, and an intent keeps preAuthSessionId, which opens
			// nothing without the code, to ask the core what became of it.
			private := map[string]string{
				"number": u.Phone(), "hidden id": u.LID(), "stranger": stranger.Phone(), "stranger's id": stranger.LID(),
				"account": w.number,
			}

			_, err := u.Text(t.Context(), w.account, "confidential words")
			require.NoError(t, err)
			secret["message text"] = "confidential words"
			w.next(u)
			_, err = stranger.Text(t.Context(), w.account, phrase, whatsapp.Via(whatsapp.Bare))
			require.NoError(t, err)
			w.next(stranger)
			core.down(true)
			_, err = u.Text(t.Context(), w.account, phrase)
			require.NoError(t, err)
			w.next(u)
			core.down(false)
			first := mustLink(t, w.next(u))
			open := w.requestLink(u) // supersedes the first
			for name, l := range map[string]link{"first": first, "open": open} {
				secret[name+" code"], private[name+" id"] = l.Code, l.PreAuthSessionID
			}
			br := newBrowser(t, b.URL())
			br.confirm(t, first)
			w.searchDatabase(secret) // while a sealed link lives in it
			s.fhir.FailNext(1, http.StatusInternalServerError, "")
			s.omni.Answer(1, http.StatusBadRequest, `{"message":"+`+u.Phone()+` is not wanted"}`, "")
			br.signIn(t, open)
			require.Eventually(t, func() bool { return strings.Contains(b.Log(), "job laid aside") }, time.Minute, 20*time.Millisecond)
			at, err := url.Parse(b.URL())
			require.NoError(t, err)
			for _, when := range []string{"first ", "refreshed "} {
				for _, c := range br.http.Jar.Cookies(at) {
					secret[when+c.Name] = c.Value
				}
				br.refresh(t)
			}
			br.session(t)
			br.do(t, http.MethodPost, consumePath, "not what is expected")
			br.signOut(t)
			core.then("/recipe/signinup/code/consume", b.kill)
			last := w.requestLink(u)
			secret["last code"], private["last id"] = last.Code, last.PreAuthSessionID
			_, err = br.tryConfirm(context.WithoutCancel(t.Context()), last)
			require.Error(t, err)
			w.searchDatabase(secret)
			core.then("/recipe/signinup/code/consume", nil)
			b.start()
			w.awaitReady(b)
			b.Stop()

			log := b.Log()
			require.Contains(t, log, `"level":"debug"`, "the search means nothing at a quieter level")
			for name, s := range secret {
				require.NotContains(t, log, s, name)
			}
			for name, s := range private {
				require.NotContains(t, log, s, name)
				require.NotContains(t, log, s[4:], name+", without its first digits")
			}
			require.NotContains(t, log, "Siti", "the push name")
		})
	}
}

// searchDatabase looks through the bot's own database: the files as they are, or every row of every table.
func (w *world) searchDatabase(secret map[string]string) {
	w.t.Helper()
	var all strings.Builder
	if w.cfg.Storage.Engine == storage.SQLite {
		files, err := filepath.Glob(filepath.Join(w.cfg.Storage.Dir, "konsulin.db*"))
		require.NoError(w.t, err)
		require.NotEmpty(w.t, files)
		for _, f := range files {
			raw, err := os.ReadFile(f)
			require.NoError(w.t, err)
			all.Write(raw)
		}
	} else {
		w.dumpPostgres(&all)
	}
	require.Contains(w.t, all.String(), "login.answer", "the search must see the jobs")
	for name, s := range secret {
		require.NotContains(w.t, all.String(), s, "in the database: "+name)
		require.NotContains(w.t, all.String(), hex.EncodeToString([]byte(s)), "as bytes in the database: "+name)
	}
}

// dumpPostgres writes every row of our own tables; whatsmeow's stand beside them in the same database.
func (w *world) dumpPostgres(to *strings.Builder) {
	w.t.Helper()
	db, err := sql.Open("pgx", w.cfg.Storage.DSN.Reveal())
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	rows, err := db.QueryContext(w.t.Context(), `SELECT table_name FROM information_schema.tables
		WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_name NOT LIKE 'whatsmeow%'`)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, rows.Close()) }()
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(w.t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(w.t, rows.Err())
	for _, table := range tables {
		var dump sql.NullString
		require.NoError(w.t, db.QueryRowContext(w.t.Context(), fmt.Sprintf(`SELECT json_agg(x)::text FROM %s x`, table)).Scan(&dump))
		var v any
		if dump.Valid {
			require.NoError(w.t, json.Unmarshal([]byte(dump.String), &v))
		}
		to.WriteString(dump.String)
	}
}
