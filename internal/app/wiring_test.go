package app

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/alive"
	"github.com/konsulin-care/konsulin-bot/internal/metrics"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// odd is a configuration in which no key has its default.
func odd() Config {
	every := func(burst int) RateConfig { return RateConfig{Burst: burst, Every: time.Duration(burst) * time.Second} }
	cfg := Default()
	cfg.WhatsApp = WhatsAppConfig{
		Number: "+6281234567890", ChatURL: "https://chat.example", DeviceName: "Odd", SendTimeout: 11 * time.Second, ReconnectMin: 12 * time.Second, ReconnectMax: 13 * time.Second,
	}
	cfg.FHIR = FHIRConfig{
		BaseURL: "https://odd.example/fhir", Auth: "basic", User: "odd-user", Secret: "odd-secret", APIKeyHeader: "X-Odd",
		Timeout: 14 * time.Second, Cooldown: 15 * time.Millisecond, Telecom: "e164", WaitForPatient: time.Second, Workers: 3,
	}
	cfg.Contact = ContactConfig{
		BaseURL: "https://odd.example/api", Auth: "jwt", Secret: "odd-pem", Subject: "odd-subject", Timeout: 16 * time.Second,
		PerMinute: 10, DefaultName: "odd name",
	}
	cfg.Auth = AuthConfig{
		CoreURI: "https://core.example", APIKey: "odd-key", CoreTimeout: 7 * time.Second, Tenant: "odd", AppName: "Odd app",
		APIDomain: "https://odd.example", WebsiteDomain: "https://odd.example", APIBasePath: "/odd/api", WebsiteBasePath: "/odd/web",
		RedirectToPath: "/odd", CookieDomain: "odd.example", CookieSameSite: "strict", DefaultRole: "Odd role",
		Consume: "elsewhere", Grace: 16 * time.Second, AllowedOrigins: []string{"https://app.odd.example"},
	}
	cfg.Contact.By = "gateway"
	cfg.Login = LoginConfig{
		Phrases: []string{"odd phrase"}, StaleAfter: 61 * time.Second, SilentAfter: 62 * time.Second, Coalesce: 63 * time.Second, DormantAfter: 64 * time.Hour,
		Reference: true, DesktopCode: true,
		Limits: LimitsConfig{Number: every(71), NumberDay: every(72), NewNumbers: every(73), Global: every(74)},
	}
	cfg.Guest = GuestConfig{Lifetime: 64 * time.Hour, RotateKeys: 65 * time.Hour, Claim: "gateway"}
	cfg.Replies = RepliesConfig{
		Dir: "/odd", Language: "xx", ByCountry: map[string]string{"49": "yy"}, Hidden: "zz", WayOut: "https://odd.example/out",
		OtherText: "reply", HumanContact: "odd human", EmergencyLine: "odd line", HumanQuiet: 81 * time.Second,
	}
	cfg.Web = WebConfig{SupportURL: "mailto:odd@example.org", HomeURL: "https://odd.example/home", Limits: WebLimits{Client: every(75), Global: every(76)}}
	cfg.Admins.Support = []string{"+6281234567891"}
	cfg.Jobs = JobsConfig{Workers: 91, MaxAttempts: 92, RetryMin: 93 * time.Second, RetryMax: 94 * time.Second}
	cfg.Keep = KeepConfig{Messages: 1, Jobs: 2, DeadJobs: 3, Links: 4, Audit: 5}
	return cfg
}

// TestEveryKeyReachesItsRoom: what an operator sets is what the rooms are told.
func TestEveryKeyReachesItsRoom(t *testing.T) {
	t.Parallel()
	cfg := odd()
	a := &App{cfg: cfg, opt: Options{Version: "1.2.3"}, keys: keys{seal: []byte("seal"), replies: []byte("replies")}, watch: newLineWatch(time.Now),
		metrics: metrics.New(metrics.Config{}), vitals: &vitals{watch: alive.NewWatch(time.Now)}}

	line, err := lineConfig(a)
	require.NoError(t, err)
	require.Equal(t, cfg.WhatsApp.Number, line.Number.E164())
	require.Equal(t, cfg.WhatsApp.DeviceName, line.DeviceName)
	require.Equal(t, []time.Duration{11 * time.Second, 12 * time.Second, 13 * time.Second},
		[]time.Duration{line.SendTimeout, line.ReconnectMin, line.ReconnectMax})

	want := cfg.Auth
	got := authConfig(a)
	require.NotNil(t, got.Await)
	require.NotNil(t, got.Measure)
	require.NotNil(t, got.Client)
	require.NotNil(t, got.GuestRecords)
	require.NotNil(t, got.TurnedAway)
	require.NotNil(t, got.LineDown)
	door, is := got.Admission.(admission)
	require.True(t, is)
	require.Equal(t, cfg.Web.Limits, WebLimits{Client: door.client, Global: door.all})
	require.Positive(t, got.ClaimWait)
	number, err := phone.Parse(cfg.WhatsApp.Number)
	require.NoError(t, err)
	got.Await, got.Measure, got.Client, got.GuestRecords, got.ClaimWait = nil, nil, nil, nil, 0
	got.Admission, got.TurnedAway, got.LineDown = nil, nil, nil
	require.Equal(t, auth.Config{
		CoreURI: want.CoreURI, APIKey: "odd-key", Tenant: want.Tenant, CoreTimeout: want.CoreTimeout, AppName: want.AppName,
		APIDomain: want.APIDomain, WebsiteDomain: want.WebsiteDomain, APIBasePath: want.APIBasePath, WebsiteBasePath: want.WebsiteBasePath,
		RedirectToPath: want.RedirectToPath, CookieDomain: want.CookieDomain, CookieSameSite: want.CookieSameSite,
		DefaultRole: want.DefaultRole, Elsewhere: true, Grace: 16 * time.Second, NoContact: true, NoClaim: true, SealKey: []byte("seal"), Links: a.store, SignIns: a.store, Gate: a.store, Identities: a.store, DormantAfter: cfg.Login.DormantAfter,
		Events: a.metrics, Log: a.logOf("auth"), Guests: a.store, Attempts: a.store, GuestLifetime: 64 * time.Hour, GuestKeys: 65 * time.Hour,
		BotNumber: number, Phrase: "odd phrase", ChatURL: "https://chat.example", Reference: true, DesktopCode: true,
		AllowedOrigins: []string{"https://app.odd.example"},
	}, got)

	b, err := botConfig(a)
	require.NoError(t, err)
	require.Same(t, a.metrics, b.Counter)
	require.NotNil(t, b.LinkSent)
	require.Equal(t, cfg.Login.Phrases, b.Phrases)
	require.True(t, b.Reference)
	rate := func(n int) bot.Rate { return bot.Rate{Burst: n, Every: time.Duration(n) * time.Second} }
	require.Equal(t, bot.Limits{Number: rate(71), NumberDay: rate(72), NewNumbers: rate(73), Global: rate(74)}, b.Limits)
	require.Equal(t, []time.Duration{61 * time.Second, 62 * time.Second, 63 * time.Second, 81 * time.Second},
		[]time.Duration{b.Times.StaleAfter, b.Times.SilentAfter, b.Times.Coalesce, b.Times.HumanQuiet})
	require.Greater(t, b.Times.Send, cfg.WhatsApp.SendTimeout)
	require.Greater(t, b.Times.Core, 2*cfg.Auth.CoreTimeout, "a link takes two calls or three")
	require.Equal(t, bot.Language{Default: "xx", ByCountry: cfg.Replies.ByCountry, Hidden: "zz", Dir: "/odd"}, b.Language)
	require.Equal(t, bot.Other{Policy: "reply", Human: "odd human", Emergency: "odd line"}, b.Other)
	require.Equal(t, cfg.Replies.WayOut, b.WayOut)
	require.Equal(t, []byte("replies"), b.IDKey)
	require.Len(t, b.Admins, 1)
	require.Equal(t, bot.Support, b.Admins[0].Level)

	f := fhirConfig(a, nil)
	require.Equal(t, []any{"https://odd.example/fhir", 14 * time.Second, 15 * time.Millisecond, fhir.E164, "odd-user", "odd-secret"},
		[]any{f.BaseURL, f.Timeout, f.Cooldown, f.Telecom, f.User, f.Password})
	c := contactConfig(a, nil)
	require.Equal(t, []any{"https://odd.example/api", 16 * time.Second, "odd name", contact.JWT, "odd-subject", "odd-pem"},
		[]any{c.BaseURL, c.Timeout, c.DefaultName, c.Auth.Kind, c.Auth.Subject, string(c.Auth.KeyPEM)})
	require.Equal(t, 6*time.Second, c.Pacer.(*pacer).every)

	require.NotNil(t, f.HTTP)
	require.NotNil(t, c.HTTP)

	j := jobsConfig(a, nil, nil)
	require.NotNil(t, j.Ran)
	require.Equal(t, []any{91, 92, 93 * time.Second, 94 * time.Second}, []any{j.Workers, j.MaxAttempts, j.Backoff.First, j.Backoff.Max})

	w := webConfig(a)
	require.Equal(t, []any{"/odd/api", "/odd/web", "odd phrase", "mailto:odd@example.org", true, "1.2.3", "+6281234567890", "https://chat.example", "https://odd.example/home"},
		[]any{w.APIBasePath, w.WebsiteBasePath, w.Phrase, w.SupportURL, w.HTTPS, w.Version, w.BotNumber.E164(), w.ChatURL, w.HomeURL})
	require.Equal(t, []string{"https://odd.example", "https://app.odd.example"}, w.TrustedOrigins)
	require.Greater(t, w.Patience, 5*cfg.Auth.CoreTimeout)

	r := retention(cfg.Keep)
	require.Equal(t, []time.Duration{1, 2, 3, 4, 5}, []time.Duration{r.Messages, r.Jobs, r.DeadJobs, r.Links, r.Audit})
}

// TestRunPurges: what is over is removed while the process runs.
func TestRunPurges(t *testing.T) {
	cfg := bare(t)
	a, err := New(t.Context(), cfg, Options{LogTo: &bytes.Buffer{}})
	require.NoError(t, err)
	old := time.Now().Add(-cfg.Keep.Audit - time.Hour)
	require.NoError(t, a.store.Audit(t.Context(), storage.AuditRow{At: old, Event: "old"}))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	store := a.store
	go func() { done <- a.Run(ctx) }()
	require.Eventually(t, func() bool {
		rows, err := store.ListAudit(t.Context(), storage.AuditQuery{Event: "old"})
		return err == nil && len(rows) == 0
	}, 30*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-done)
}
