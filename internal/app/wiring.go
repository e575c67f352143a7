package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/konsulin-care/konsulin-bot/web"
)

func openStore(ctx context.Context, cfg Config, now func() time.Time) (*storage.Store, error) {
	return storage.Open(ctx, storageConfig(cfg, now))
}

func storageConfig(cfg Config, now func() time.Time) storage.Config {
	return storage.Config{Engine: cfg.Storage.Engine, Dir: cfg.Storage.Dir, DSN: cfg.Storage.DSN.Reveal(), Now: now}
}

var _ whatsapp.Identities = (*storage.Store)(nil)

// openLine opens the line's store and client; it does not connect.
func openLine(ctx context.Context, a *App, intake whatsapp.Intake, mayConnect func(context.Context) error) (*whatsapp.Client, error) {
	cfg, err := lineConfig(a)
	if err != nil {
		return nil, err
	}
	cfg.DB, cfg.Dialect = a.store.LineDB()
	cfg.Intake, cfg.Identities, cfg.MayConnect = intake, a.store, mayConnect
	return whatsapp.New(ctx, cfg)
}

func lineConfig(a *App) (whatsapp.Config, error) {
	cfg := a.cfg.WhatsApp
	number, err := phone.Parse(cfg.Number)
	if err != nil {
		return whatsapp.Config{}, fmt.Errorf("whatsapp.number: %w", err)
	}
	return whatsapp.Config{
		Number: number, HTTP: a.opt.Line, Log: a.logOf("whatsapp"), Now: a.opt.Now,
		SendTimeout: cfg.SendTimeout, ReconnectMin: cfg.ReconnectMin, ReconnectMax: cfg.ReconnectMax,
		DeviceName: cfg.DeviceName, PhoneSeen: a.phoneSeen,
	}, nil
}

func authConfig(a *App) auth.Config {
	cfg := a.cfg.Auth
	number, _ := phone.Parse(a.cfg.WhatsApp.Number) // validated before
	return auth.Config{
		CoreURI: cfg.CoreURI, APIKey: cfg.APIKey.Reveal(), Tenant: cfg.Tenant, CoreTimeout: cfg.CoreTimeout,
		AppName: cfg.AppName, APIDomain: cfg.APIDomain, WebsiteDomain: cfg.WebsiteDomain,
		APIBasePath: cfg.APIBasePath, WebsiteBasePath: cfg.WebsiteBasePath, RedirectToPath: cfg.RedirectToPath,
		CookieDomain: cfg.CookieDomain, CookieSameSite: cfg.CookieSameSite, DefaultRole: cfg.DefaultRole,
		Elsewhere: cfg.elsewhere(), Grace: grace(cfg), NoContact: !a.cfg.contacts(), NoClaim: !a.cfg.claims(),
		Links: a.store, SignIns: a.store, Gate: a.store, Identities: a.store, DormantAfter: a.cfg.Login.DormantAfter, SealKey: a.keys.seal, Now: a.opt.Now, Log: a.logOf("auth"),
		Guests: a.store, Attempts: a.store, GuestLifetime: a.cfg.Guest.Lifetime, GuestKeys: a.cfg.Guest.RotateKeys,
		BotNumber: number, Phrase: a.cfg.Login.Phrases[0], ChatURL: a.cfg.WhatsApp.ChatURL,
		Reference: a.cfg.Login.Reference, DesktopCode: a.cfg.Login.DesktopCode,
		Admission: newAdmission(a), TurnedAway: a.metrics.TurnedAway,
		AllowedOrigins: cfg.AllowedOrigins, Client: a.clients.Of, GuestRecords: a.guestRecords(), ClaimWait: a.claimWait(),
		Measure: a.measure(systemCore), Events: a.metrics, LineDown: a.watch.down,
		Await: func(ctx context.Context, userID string) { a.after.awaitPatient(ctx, userID, a.cfg.FHIR.WaitForPatient) },
	}
}

// grace is how long follow-up work waits for another program to have done it first.
func grace(cfg AuthConfig) time.Duration {
	if !cfg.elsewhere() {
		return 0
	}
	return cfg.Grace
}

func fhirConfig(a *App, roles fhir.Roles) fhir.Config {
	cfg := a.cfg.FHIR
	out := fhir.Config{
		BaseURL: cfg.BaseURL, Timeout: cfg.Timeout, Cooldown: cfg.Cooldown, Telecom: fhir.Spelling(cfg.Telecom),
		Cases: a.store, Roles: roles, Audit: a.store, HTTP: a.client(systemFHIR), Now: a.opt.Now, Log: a.logOf("fhir"),
	}
	switch secret := cfg.Secret.Reveal(); cfg.Auth {
	case "bearer":
		out.Bearer = secret
	case "basic":
		out.User, out.Password = cfg.User, secret
	case "api_key":
		out.APIKeyHeader, out.APIKey = cfg.APIKeyHeader, secret
	}
	return out
}

func contactConfig(a *App, patients *fhir.Service) contact.Config {
	cfg := a.cfg.Contact
	proof := contact.Auth{Kind: contact.Kind(cfg.Auth), Subject: cfg.Subject}
	switch secret := cfg.Secret.Reveal(); proof.Kind {
	case contact.JWT:
		proof.KeyPEM = []byte(secret)
	case contact.APIKey:
		proof.APIKey = secret
	case contact.StandardWebhooks:
		proof.Secret = secret
	}
	return contact.Config{
		BaseURL: cfg.BaseURL, Auth: proof, Timeout: cfg.Timeout, DefaultName: cfg.DefaultName,
		Profiles: profiles{patients}, Names: a.store, Records: a.store,
		Pacer: &pacer{budgets: a.store, every: time.Minute / time.Duration(cfg.PerMinute), now: a.opt.Now},
		HTTP:  a.client(systemWebhook), Now: a.opt.Now, Log: a.logOf("contact"),
	}
}

// replyRoom makes the bot. A nil inbox and line make one that is only good for checking the configuration.
func replyRoom(a *App, inbox bot.Inbox, line bot.Line) (*bot.Bot, error) {
	if inbox == nil {
		inbox, line = a.store, noLine{}
	}
	cfg, err := botConfig(a)
	if err != nil {
		return nil, err
	}
	cfg.Inbox, cfg.Line = inbox, line
	b, err := bot.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("bot: %w", err)
	}
	return b, nil
}

func botConfig(a *App) (bot.Config, error) {
	admins, err := admins(a.cfg.Admins)
	if err != nil {
		return bot.Config{}, err
	}
	desk := a.desk
	if desk == nil { // before everything is open, to look at the configuration
		desk = newDesk(a)
	}
	login, replies := a.cfg.Login, a.cfg.Replies
	times := bot.DefaultTimes()
	times.StaleAfter, times.SilentAfter = login.StaleAfter, login.SilentAfter
	times.Coalesce, times.HumanQuiet = login.Coalesce, replies.HumanQuiet
	// The rooms' own deadlines come first, and together they stay below what a job may take (90 s).
	times.Send = a.cfg.WhatsApp.SendTimeout + 5*time.Second
	times.Core = 3*a.cfg.Auth.CoreTimeout + 5*time.Second
	rate := func(r RateConfig) bot.Rate { return bot.Rate{Burst: r.Burst, Every: r.Every} }
	return bot.Config{
		Links: links{a.auth}, TieNewest: links{a.auth}.tieNewest, Budgets: a.store, Chats: a.store, Bars: a.store, Desk: bot.DeskOf(desk), Counter: a.metrics, LinkSent: a.metrics.LinkSent,
		Phrases: login.Phrases, Reference: login.Reference,
		Limits: bot.Limits{
			Number: rate(login.Limits.Number), NumberDay: rate(login.Limits.NumberDay),
			NewNumbers: rate(login.Limits.NewNumbers), Global: rate(login.Limits.Global),
		},
		Times:    times,
		Language: bot.Language{Default: replies.Language, ByCountry: replies.ByCountry, Hidden: replies.Hidden, Dir: replies.Dir},
		Other:    bot.Other{Policy: replies.OtherText, Human: replies.HumanContact, Emergency: replies.EmergencyLine},
		WayOut:   replies.WayOut, Admins: admins, IDKey: a.keys.replies, Now: a.opt.Now, Log: a.logOf("bot"),
	}, nil
}

func admins(cfg AdminsConfig) ([]bot.Admin, error) {
	var all []bot.Admin
	for _, group := range []struct {
		level   bot.Level
		numbers []string
	}{{bot.Viewer, cfg.Viewer}, {bot.Support, cfg.Support}, {bot.Owner, cfg.Owner}} {
		for _, s := range group.numbers {
			n, err := phone.Parse(s)
			if err != nil {
				return nil, fmt.Errorf("admins: %w", err)
			}
			all = append(all, bot.Admin{Number: n, Level: group.level})
		}
	}
	return all, nil
}

func jobsConfig(a *App, store jobs.Store, handlers map[string]jobs.Handler) jobs.Config {
	cfg := a.cfg.Jobs
	return jobs.Config{
		// Whoever owns the line takes over at once what its last owner was working on; the tenure keeps that one from
		// leasing more.
		Store: store, Owner: "line", Handlers: handlers, Workers: cfg.Workers, MaxAttempts: cfg.MaxAttempts,
		Backoff: jobs.Backoff{First: cfg.RetryMin, Max: cfg.RetryMax}, Ran: a.countRun, Now: a.opt.Now, Log: a.logOf("jobs"),
	}
}

func webConfig(a *App) web.Config {
	number, _ := phone.Parse(a.cfg.WhatsApp.Number) // validated before
	return web.Config{
		Sessions: a.auth, Patients: a.store, Checks: a.checks(),
		APIBasePath: a.cfg.Auth.APIBasePath, WebsiteBasePath: a.cfg.Auth.WebsiteBasePath,
		BotNumber: number, Phrase: a.cfg.Login.Phrases[0], ChatURL: a.cfg.WhatsApp.ChatURL,
		SupportURL: a.cfg.Web.SupportURL, HomeURL: a.cfg.Web.HomeURL,
		Patience: 5*a.cfg.Auth.CoreTimeout + 5*time.Second, // a confirmation may take that many calls
		// A proxy may change the Host that our own pages are compared with.
		TrustedOrigins: append([]string{a.cfg.Auth.WebsiteDomain}, a.cfg.Auth.AllowedOrigins...),
		HTTPS:          strings.HasPrefix(a.cfg.Auth.APIDomain, "https://"),
		HealthOnly:     a.cfg.Auth.elsewhere(),
		LineDown:       a.watch.down,
		Alive:          a.vitals.watch.Check,
		Now:            a.opt.Now, Log: a.logOf("web"), Version: a.opt.Version,
	}
}

// checks are what must work before this process is ready.
func (a *App) checks() []web.Check {
	return []web.Check{
		{Name: "line", Probe: a.watch.ready},
		{Name: "storage", Probe: public("the database does not answer", a.store.Ping)},
		{Name: "core", Probe: public("the SuperTokens core does not answer", a.auth.Ping)},
	}
}

// public lets /readyz say no more than a sentence; the whole error goes to the log.
func public(sentence string, probe func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := probe(ctx); err != nil {
			return web.Reason(sentence, err)
		}
		return nil
	}
}

// links shows auth to bot in bot's words.
type links struct{ auth *auth.Service }

var _ bot.Links = links{}

// CreateLink implements [bot.Links].
func (l links) CreateLink(ctx context.Context, r bot.LinkRequest) (bot.Link, error) {
	made, err := l.auth.CreateLink(ctx, auth.LinkRequest{
		Number: r.Number, ReplyID: r.ReplyID, Requested: r.Requested, Reference: r.Reference,
	})
	switch {
	case errors.Is(err, auth.ErrLinkSpent):
		err = fmt.Errorf("%w: %w", bot.ErrLinkSpent, err)
	case errors.Is(err, auth.ErrOtherSpelling):
		err = fmt.Errorf("%w: %w", bot.ErrAccountUnclear, err)
	}
	return bot.Link{URL: made.URL, Expires: made.Expires, Code: made.Code}, err
}

func (l links) tieNewest(ctx context.Context, n phone.Number, reference string) error {
	return l.auth.TieNewest(ctx, n, reference)
}

// noLine sends nothing.
type noLine struct{}

// Send implements [bot.Line].
func (noLine) Send(context.Context, bot.Outgoing) error { return bot.ErrLineDown }
