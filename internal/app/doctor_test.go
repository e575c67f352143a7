package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/doctor"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	fhirserver "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// patient is a bot in good health, with everything around it.
type patient struct {
	cfg    Config
	opt    DoctorOptions
	core   *supertokens.Server
	fhir   *fhirserver.Server
	hook   *omnichannel.Server
	web    http.HandlerFunc // what answers at http.listen and at the public address
	trust  bool             // of the public address's certificate
	serves *storage.Tenure
	store  *storage.Store
}

// healthy makes one. A process has one sign-in at a time, so these tests are not parallel.
func healthy(t *testing.T, core supertokens.Options) *patient {
	t.Helper()
	p := &patient{cfg: served(t), trust: true, web: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ready":true}`)) }}
	var err error
	p.core, err = supertokens.New(core)
	require.NoError(t, err)
	p.fhir, err = fhirserver.New(fhirserver.Options{Bearer: "token"})
	require.NoError(t, err)
	p.hook, err = omnichannel.New(omnichannel.Options{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Empty(t, append(append(p.core.Unknown(), p.fhir.Unknown()...), p.hook.Unknown()...))
		require.Empty(t, p.hook.Contacts(), "doctor makes no contact")
		require.NoError(t, errors.Join(p.core.Close(), p.fhir.Close(), p.hook.Close()))
	})
	p.cfg.Auth.CoreURI, p.cfg.Auth.APIKey = p.core.URL(), Secret(core.APIKey)
	p.cfg.FHIR.BaseURL, p.cfg.FHIR.Auth, p.cfg.FHIR.Secret = p.fhir.URL(), "bearer", "token"
	p.cfg.Contact.BaseURL = p.hook.URL()
	p.cfg.Auth.APIDomain, p.cfg.Auth.WebsiteDomain = "https://login.example.org", "https://login.example.org"
	p.publish(t)
	p.link(t, p.cfg.WhatsApp.Number)
	p.store, err = openStore(t.Context(), p.cfg, time.Now)
	require.NoError(t, err)
	p.serves, err = p.store.OwnLine(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(p.serves.Release(), p.store.Close())) })
	return p
}

// publish lets the public address lead to a server with a certificate, and http.listen to one without.
func (p *patient) publish(t *testing.T) {
	t.Helper()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.web(w, r) })
	inner, outer := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	t.Cleanup(inner.Close)
	t.Cleanup(outer.Close)
	p.cfg.HTTP.Listen = inner.Listener.Addr().String()
	p.opt.HTTP = doctor.NewClient(placeTimeout)
	p.opt.HTTP.Transport = &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "login.example.org:") {
				addr = outer.Listener.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
		DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			cfg := &tls.Config{ServerName: "example.com"} // what the test's certificate is for
			if p.trust {
				cfg.RootCAs = outer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			}
			return (&tls.Dialer{Config: cfg}).DialContext(ctx, network, outer.Listener.Addr().String())
		},
	}
	t.Cleanup(p.opt.HTTP.CloseIdleConnections)
}

// link writes an account into the line's store, as a pairing does.
func (p *patient) link(t *testing.T, number string) {
	t.Helper()
	_, err := Migrate(t.Context(), p.cfg, true, &bytes.Buffer{})
	require.NoError(t, err)
	p.sql(t, "whatsapp.db", `DELETE FROM whatsmeow_device`)
	p.sql(t, "whatsapp.db", `INSERT INTO whatsmeow_device (jid, registration_id, noise_key, identity_key, signed_pre_key, signed_pre_key_id,
		signed_pre_key_sig, adv_key, adv_details, adv_account_sig, adv_account_sig_key, adv_device_sig)
		VALUES (?, 1, zeroblob(32), zeroblob(32), zeroblob(32), 1, zeroblob(64), x'00', x'00', zeroblob(64), zeroblob(32), zeroblob(64))`,
		strings.TrimPrefix(number, "+")+":12@s.whatsapp.net")
}

func (p *patient) sql(t *testing.T, file, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(p.cfg.Storage.Dir, file)+"?_busy_timeout=5000")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, errors.Join(err, db.Close()))
}

// examine runs doctor and answers with what is not well.
func (p *patient) examine(t *testing.T) (unwell []Finding, sum CheckUp) {
	t.Helper()
	var all []Finding
	var log bytes.Buffer
	p.opt.LogTo = &log
	sum, err := Doctor(t.Context(), p.cfg, p.opt, func(f Finding) { all = append(all, f) })
	require.NoError(t, err)
	raw, err := json.Marshal(all)
	require.NoError(t, err)
	for _, secret := range []string{strings.TrimPrefix(p.cfg.WhatsApp.Number, "+"), "hunter2"} {
		require.NotContains(t, string(raw), secret)
		require.NotContains(t, log.String(), secret)
	}
	areas := map[string]bool{}
	for _, f := range all {
		areas[f.Area] = true
		require.NotEmpty(t, f.Says)
		if f.Level == doctor.OK {
			require.Empty(t, f.Do, f.Says)
			continue
		}
		require.NotEmpty(t, f.Do, f.Says)
		unwell = append(unwell, f)
	}
	require.Len(t, areas, 10, "each area has its line whatever is broken: %v", areas)
	return unwell, sum
}

// TestDoctorFindsNothingOnAHealthyBot: and it leaves nothing behind.
func TestDoctorFindsNothingOnAHealthyBot(t *testing.T) {
	p := healthy(t, supertokens.Options{APIKey: "hunter2", CodeLifetime: 10 * time.Minute})
	unwell, sum := p.examine(t)
	require.Empty(t, unwell)
	require.Zero(t, sum.Warn+sum.Fail)
	require.Zero(t, p.core.Codes(strings.TrimPrefix(p.cfg.WhatsApp.Number, "+")), "the code that was made is revoked")
	require.Empty(t, p.core.Users())
	require.Zero(t, p.fhir.Calls("create Patient"))
}

// symptom is a broken part and the one line that it makes doctor say.
type symptom struct {
	breaks func(t *testing.T, p *patient)
	core   supertokens.Options
	level  doctor.Level
	area   string
	says   string
	do     string
	also   []string // other areas that cannot be well then
}

func (s symptom) check(t *testing.T) {
	t.Helper()
	if s.core.CodeLifetime == 0 {
		s.core.CodeLifetime = 10 * time.Minute
	}
	p := healthy(t, s.core)
	s.breaks(t, p)
	unwell, _ := p.examine(t)
	hit := 0
	for _, f := range unwell {
		if f.Area != s.area {
			require.Contains(t, s.also, f.Area, "%s: %s", f.Area, f.Says)
			continue
		}
		if strings.Contains(f.Says, s.says) {
			require.Equal(t, s.level, f.Level, f.Says)
			require.Contains(t, f.Do, s.do)
			hit++
		}
	}
	require.Equal(t, 1, hit, "%+v", unwell)
}

func TestDoctorOnABrokenConfigurationFilesAndClock(t *testing.T) {
	for name, s := range map[string]symptom{
		"debug": {area: "configuration", level: doctor.Warn, says: "log.level is debug", do: "info",
			breaks: func(_ *testing.T, p *patient) { p.cfg.Log.Level = "debug" }},
		"plain http": {area: "configuration", level: doctor.Warn, says: "contact.base_url is plain http", do: "https", also: []string{"webhook"},
			breaks: func(_ *testing.T, p *patient) { p.cfg.Contact.BaseURL = "http://192.0.2.1:1" }},
		"a key that others can read": {area: "files", level: doctor.Warn, says: "auth.api_key_file", do: "chmod 600",
			breaks: func(t *testing.T, p *patient) {
				p.cfg.Auth.APIKeyFile = filepath.Join(t.TempDir(), "key")
				require.NoError(t, os.WriteFile(p.cfg.Auth.APIKeyFile, nil, 0o644))
			}},
		"secrets in a configuration that others can read": {area: "files", level: doctor.Warn, says: "the configuration", do: "chmod 600",
			breaks: func(t *testing.T, p *patient) {
				p.opt.ConfigFile = filepath.Join(t.TempDir(), "config.yaml")
				require.NoError(t, os.WriteFile(p.opt.ConfigFile, nil, 0o640))
			}},
		"a slow clock": {area: "clock", level: doctor.Warn, says: "behind that of the SuperTokens core", do: "NTP",
			breaks: func(_ *testing.T, p *patient) { p.setClock(-15 * time.Second) }},
		"a clock from the future": {area: "clock", level: doctor.Fail, says: "ahead of that of the SuperTokens core", do: "NTP",
			breaks: func(_ *testing.T, p *patient) { p.setClock(3 * time.Minute) }},
		"nobody to compare with": {area: "clock", level: doctor.Warn, says: "no other clock", do: "again", also: []string{"core", "fhir"},
			breaks: func(_ *testing.T, p *patient) { p.core.Down(true); p.fhir.Down(true) }},
	} {
		t.Run(name, s.check)
	}
}

// setClock lets this machine be off.
func (p *patient) setClock(off time.Duration) {
	p.opt.Now = func() time.Time { return time.Now().Add(off) }
}

func TestDoctorOnABrokenDatabaseLineAndService(t *testing.T) {
	number := func(t *testing.T) phone.Number {
		t.Helper()
		n, err := phone.Parse("+6281234500000")
		require.NoError(t, err)
		return n
	}
	for name, s := range map[string]symptom{
		"a directory that others can reach": {area: "database", level: doctor.Fail, says: "chmod 700", do: "finding", also: []string{"line", "service"},
			breaks: func(t *testing.T, p *patient) { require.NoError(t, os.Chmod(p.cfg.Storage.Dir, 0o755)) }},
		"none": {area: "database", level: doctor.Warn, says: "there is none yet", do: "konsulin-bot pair", also: []string{"line", "service"},
			breaks: func(t *testing.T, p *patient) { p.cfg.Storage.Dir = filepath.Join(t.TempDir(), "absent") }},
		"no server": {area: "database", level: doctor.Fail, says: "away", do: "storage.dsn", also: []string{"line", "service"},
			breaks: func(_ *testing.T, p *patient) {
				p.cfg.Storage.Engine, p.cfg.Storage.DSN = storage.Postgres, "postgres://u:hunter2@127.0.0.1:1/db"
			}},
		"a newer one": {area: "database", level: doctor.Fail, says: "newer version (schema 99", do: "newer binary",
			breaks: func(t *testing.T, p *patient) { setSchema(t, filepath.Join(p.cfg.Storage.Dir, "konsulin.db"), 99) }},
		"an older one": {area: "database", level: doctor.Warn, says: "this binary wants", do: "konsulin-bot migrate",
			breaks: func(t *testing.T, p *patient) {
				p.sql(t, "konsulin.db", `DELETE FROM konsulin_schema WHERE version_id > 1`)
			}},
		"a damaged one": {area: "database", level: doctor.Fail, says: "damaged", do: "restore", also: []string{"line", "service"},
			breaks: func(t *testing.T, p *patient) {
				require.NoError(t, errors.Join(p.serves.Release(), p.store.Close()))
				path := filepath.Join(p.cfg.Storage.Dir, "konsulin.db")
				raw, err := os.ReadFile(path)
				require.NoError(t, err)
				for i := 4096; i < len(raw); i += 4096 {
					copy(raw[i:], strings.Repeat("damage", 20))
				}
				require.NoError(t, os.WriteFile(path, raw, 0o600))
			}},
		"half restored": {area: "database", level: doctor.Fail, says: "a restore is under way", do: "finding", also: []string{"line", "service"},
			breaks: func(t *testing.T, p *patient) {
				require.NoError(t, os.WriteFile(filepath.Join(p.cfg.Storage.Dir, "restoring.half"), nil, 0o600))
			}},
		"a lost key": {area: "database", level: doctor.Fail, says: "cannot be read", do: "--new-seal-key",
			breaks: func(t *testing.T, p *patient) {
				require.NoError(t, os.Remove(filepath.Join(p.cfg.Storage.Dir, sealKey)))
			}},
		"another key": {area: "database", level: doctor.Fail, says: "not the sealing key", do: "--new-seal-key",
			breaks: func(t *testing.T, p *patient) {
				require.NoError(t, os.WriteFile(filepath.Join(p.cfg.Storage.Dir, sealKey), bytes.Repeat([]byte("x"), 32), 0o600))
			}},
		"dead jobs": {area: "database", level: doctor.Warn, says: "laid aside: 1", do: "jobs list --state dead",
			breaks: func(t *testing.T, p *patient) {
				_, err := p.store.AddJobs(t.Context(), jobs.New{Kind: "fhir.sync", Key: "1"})
				require.NoError(t, err)
				p.sql(t, "konsulin.db", `UPDATE jobs SET state = 'dead', finished_at = 1`)
			}},
		"open cases": {area: "database", level: doctor.Warn, says: "decision: 1", do: "jobs cases",
			breaks: func(t *testing.T, p *patient) {
				_, err := p.store.OpenCase(t.Context(), fhir.Case{UserID: "u", Number: number(t), Resource: "Patient", Why: fhir.Foreign})
				require.NoError(t, err)
			}},
		"no account": {area: "line", level: doctor.Fail, says: "no WhatsApp account", do: "konsulin-bot pair",
			breaks: func(t *testing.T, p *patient) { p.sql(t, "whatsapp.db", `DELETE FROM whatsmeow_device`) }},
		"another account": {area: "line", level: doctor.Fail, says: "but whatsapp.number is", do: "pair --replace",
			breaks: func(t *testing.T, p *patient) { p.link(t, "+6281234500000") }},
		"no service": {area: "service", level: doctor.Warn, says: "no serve owns", do: "konsulin-bot serve",
			breaks: func(t *testing.T, p *patient) { require.NoError(t, p.serves.Release()) }},
		"not ready": {area: "service", level: doctor.Warn, says: "line: logged out", do: "log", also: []string{"public"},
			breaks: func(_ *testing.T, p *patient) {
				p.web = func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = w.Write([]byte(`{"ready":false,"checks":[{"name":"line","ok":false,"reason":"logged out"}]}`))
				}
			}},
	} {
		t.Run(name, s.check)
	}
}

func TestLinkedTellsTheLatestFirstAndMakesNothing(t *testing.T) {
	p := healthy(t, supertokens.Options{})
	db, dialect := p.store.LineDB()
	found, err := whatsapp.Linked(t.Context(), db, dialect)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, p.cfg.WhatsApp.Number, found[0].E164())
}
