package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/doctor"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/rs/zerolog"
)

// Finding is one line of a check-up.
type Finding = doctor.Finding

// CheckUp is the summary of a check-up.
type CheckUp = doctor.Summary

// DoctorOptions are what a configuration cannot say. All may be zero.
type DoctorOptions struct {
	ConfigFile string           // where the configuration came from; empty: from nowhere
	HTTP       *http.Client     // for addresses that belong to no room; nil: one of its own
	Now        func() time.Time // nil: the system's clock
	LogTo      io.Writer
}

// placeTimeout is how long an address may take to answer a look.
const placeTimeout = 5 * time.Second

// Doctor looks into everything that logins need and reports each finding as it comes. It changes nothing that is ours,
// connects to WhatsApp never, and at the core it makes one code for the bot's own number, which it revokes at once.
func Doctor(ctx context.Context, cfg Config, opt DoctorOptions, report func(Finding)) (CheckUp, error) {
	if opt.Now == nil {
		opt.Now = time.Now //nolint:forbidigo // where the clock comes from
	}
	if opt.LogTo == nil {
		opt.LogTo = os.Stderr
	}
	quiet := cfg.Log
	if quiet.Level != "debug" {
		quiet.Level = "error" // findings say the rest
	}
	log, err := newLogger(quiet, opt.LogTo)
	if err != nil {
		return CheckUp{}, err
	}
	c := &checkUp{cfg: cfg, opt: opt, log: log, http: opt.HTTP}
	if c.http == nil {
		c.http = doctor.NewClient(placeTimeout)
	}
	return doctor.Run(ctx, []doctor.Look{
		{Area: "configuration", Into: c.configuration},
		{Area: "files", Into: c.files},
		{Area: "clock", Into: c.clock},
		{Area: "database", Into: c.database, Limit: time.Minute},
		{Area: "line", Into: c.line},
		{Area: "service", Into: c.service},
		{Area: "core", Into: c.core, Limit: time.Minute},
		{Area: "fhir", Into: c.fhir},
		{Area: "webhook", Into: c.webhook},
		{Area: "public", Into: c.public},
	}, report), nil
}

// checkUp is one run of Doctor.
type checkUp struct {
	cfg  Config
	opt  DoctorOptions
	log  zerolog.Logger
	http *http.Client

	state storage.State // of the database, once it was looked at
}

// about is an App with nothing in it but what the wiring of the rooms reads.
func (c *checkUp) about() *App {
	return &App{cfg: c.cfg, opt: Options{Now: c.opt.Now}, log: c.log, watch: newLineWatch(c.opt.Now)}
}

func (c *checkUp) configuration(context.Context) []Finding {
	found := []Finding{doctor.Well("can be used")}
	if c.cfg.Log.Level == "debug" {
		found = append(found, doctor.Odd("set log.level to info when nobody looks for a fault", "log.level is debug"))
	}
	for _, to := range []doctor.Place{
		{Name: "auth.core_uri", URL: c.cfg.Auth.CoreURI}, {Name: "fhir.base_url", URL: c.cfg.FHIR.BaseURL},
		{Name: "contact.base_url", URL: c.cfg.Contact.BaseURL},
	} {
		if to.URL != "" && !doctor.Encrypted(to.URL) {
			found = append(found, doctor.Odd("use https, unless the network between is yours alone",
				"%s is plain http: secrets and numbers travel in the clear", to.Name))
		}
	}
	return found
}

func (c *checkUp) files(context.Context) []Finding {
	names := []string{"auth.api_key_file", "storage.dsn_file", "fhir.secret_file", "contact.secret_file", "auth.seal_key_file", "the configuration"}
	files := map[string]string{
		names[0]: c.cfg.Auth.APIKeyFile, names[1]: c.cfg.Storage.DSNFile, names[2]: c.cfg.FHIR.SecretFile,
		names[3]: c.cfg.Contact.SecretFile, names[4]: c.cfg.Auth.SealKeyFile,
	}
	inline := c.cfg.Auth.APIKey != "" && c.cfg.Auth.APIKeyFile == "" || c.cfg.Storage.DSN != "" && c.cfg.Storage.DSNFile == "" ||
		c.cfg.FHIR.Secret != "" && c.cfg.FHIR.SecretFile == "" || c.cfg.Contact.Secret != "" && c.cfg.Contact.SecretFile == ""
	if inline { // or in the environment; then the file is looked at for nothing
		files[names[5]] = c.opt.ConfigFile
	}
	return doctor.Private(files, names...)
}

func (c *checkUp) clock(ctx context.Context) []Finding {
	core, _, _ := strings.Cut(c.cfg.Auth.CoreURI, ";")
	others := []doctor.Place{{Name: "the SuperTokens core", URL: strings.TrimRight(core, "/") + "/.well-known/jwks.json"}}
	if base := c.cfg.FHIR.BaseURL; base != "" {
		others = append(others, doctor.Place{Name: "the FHIR server", URL: strings.TrimRight(base, "/") + "/metadata"})
	}
	return doctor.Clock(ctx, c.http, c.opt.Now, others)
}

func (c *checkUp) database(ctx context.Context) []Finding {
	var err error
	c.state, err = storage.Inspect(ctx, storageConfig(c.cfg, c.opt.Now))
	s := c.state
	switch {
	case errors.Is(err, storage.ErrUnavailable):
		return []Finding{doctor.Broken("start it, or correct storage.dsn", "%s", err)}
	case err != nil:
		return []Finding{doctor.Broken("do what the finding says, then run doctor again", "%s", err)}
	case s.Damage != "":
		return []Finding{doctor.Broken("stop serve, then: konsulin-bot restore --replace <backup>", "damaged: %s", s.Damage)}
	case s.TooNew() != nil:
		return []Finding{doctor.Broken("start the newer binary, or restore the backup made before it ran",
			"it belongs to a newer version (schema %d, this binary knows up to %d)", s.Schema, s.Known)}
	case !s.Exists:
		return []Finding{doctor.Odd("konsulin-bot pair", "there is none yet; the first pair or serve makes it")}
	case s.Schema < s.Known:
		return []Finding{doctor.Odd("make a backup with the old binary, then: konsulin-bot migrate",
			"schema %d, this binary wants %d", s.Schema, s.Known)}
	}
	found := []Finding{doctor.Well("%s, schema %d", c.cfg.Storage.Engine, s.Schema)}
	found = append(found, c.key()...)
	if s.Dead > 0 {
		found = append(found, doctor.Odd("konsulin-bot jobs list --state dead", "jobs that were laid aside: %d", s.Dead))
	}
	if s.Cases > 0 {
		found = append(found, doctor.Odd("konsulin-bot jobs cases", "Patients that wait for a person's decision: %d", s.Cases))
	}
	return found
}

// key compares the sealing key with the one that the database knows.
func (c *checkUp) key() []Finding {
	if c.state.KeyMark == "" {
		return nil
	}
	const do = "bring the right key back; if it is lost for good, start once with serve --new-seal-key"
	path := c.cfg.Auth.SealKeyFile
	if path == "" {
		path = filepath.Join(c.cfg.Storage.Dir, sealKey)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return []Finding{doctor.Broken(do, "the sealing key cannot be read: %s", path)}
	}
	if mark, err := fingerprint(raw); err != nil || mark != c.state.KeyMark {
		return []Finding{doctor.Broken(do, "%s is not the sealing key of this database", path)}
	}
	return nil
}

func (c *checkUp) line(ctx context.Context) []Finding {
	want, err := phone.Parse(c.cfg.WhatsApp.Number)
	if err != nil {
		return []Finding{doctor.Broken("correct whatsapp.number", "whatsapp.number is no number")}
	}
	linked, err := c.linked(ctx)
	switch {
	case err != nil:
		return []Finding{doctor.Broken("mend the database first", "the line's store cannot be read: %s", err)}
	case len(linked) == 0:
		return []Finding{doctor.Broken("konsulin-bot pair", "no WhatsApp account is linked")}
	}
	for _, n := range linked {
		if n == want {
			return []Finding{doctor.Well("linked with %s", n)}
		}
	}
	return []Finding{doctor.Broken("correct whatsapp.number, or: konsulin-bot pair --replace",
		"the linked account is %s, but whatsapp.number is %s", linked[0], want)}
}

// linked lists the linked accounts, without making anything that is not there.
func (c *checkUp) linked(ctx context.Context) ([]phone.Number, error) {
	var found []phone.Number
	err := storage.LookAtLine(storageConfig(c.cfg, c.opt.Now), func(db storage.Querier, dialect string) (err error) {
		found, err = whatsapp.Linked(ctx, db, dialect)
		return err
	})
	return found, err
}

func (c *checkUp) service(ctx context.Context) []Finding {
	if c.state.Holder == nil {
		return []Finding{doctor.Odd("konsulin-bot serve", "no serve owns the line")}
	}
	h := c.state.Holder
	ours, _ := os.Hostname()
	if h.Host != ours {
		return []Finding{doctor.Well("a serve on %s owns the line since %s", h.Host, h.Since.UTC().Format(time.RFC3339))}
	}
	if _, err := Health(ctx, c.cfg, true); err != nil {
		return []Finding{doctor.Odd("look at its log, and at the other findings", "process %d runs and is not ready: %s", h.PID, err)}
	}
	return []Finding{doctor.Well("process %d runs and is ready, since %s", h.PID, h.Since.UTC().Format(time.RFC3339))}
}

// reason keeps an error short enough for a line.
func reason(err error) string { return strings.ReplaceAll(fmt.Sprint(err), "\n", "; ") }
