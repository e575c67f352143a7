package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
	"github.com/rs/zerolog"
	"github.com/supertokens/supertokens-golang/recipe/multitenancy"
	"github.com/supertokens/supertokens-golang/recipe/multitenancy/multitenancymodels"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
	"github.com/supertokens/supertokens-golang/recipe/session"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/recipe/usermetadata"
	"github.com/supertokens/supertokens-golang/recipe/userroles"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// live is true while a Service lives. The SDK keeps everything in package variables and ignores a second Init without
// a word, so two Services in one process would both speak with the first one's core.
var live atomic.Bool

// Config is what a Service is made of.
type Config struct {
	CoreURI string // of the SuperTokens core; several, separated by semicolons, are tried in turn
	APIKey  string // of the core; empty: it asks for none
	Tenant  string // "public" unless the core has tenants

	AppName         string
	APIDomain       string // origin under which browsers reach this process
	WebsiteDomain   string // origin of the pages; links begin with it
	APIBasePath     string // SuperTokens' routes are below it
	WebsiteBasePath string // the page of a link is {WebsiteBasePath}/verify
	RedirectToPath  string // where a browser goes after sign-in; optional, see internal/returnpath

	CookieDomain   string // empty: the host that sets them
	CookieSameSite string // lax, strict or none; empty: lax, or none when APIDomain and WebsiteDomain are different sites
	CookieSecure   *bool  // nil: as APIDomain is https or not

	Links   LinkStore
	SignIns SignInStore
	// Identities knows whether somebody else may have a number by now; nil: nobody ever has. DormantAfter is the pause
	// between two sign-ins after which that may be so; 0: none is too long.
	Identities   IdentityStore
	DormantAfter time.Duration
	SealKey      []byte // 32 bytes, see LoadSealKey

	CoreTimeout time.Duration // of one HTTP request to the core
	DefaultRole string        // of a user who has none when signing in

	Elsewhere bool          // another program on the core consumes the codes; see Watch
	Grace     time.Duration // how long follow-up jobs wait after a sign-in
	NoContact bool          // the contact is another program's
	NoClaim   bool          // so are the guest's records

	Guest func(*http.Request) string // the guest id of the browser, empty for none; nil: nobody has one
	Wake  func()                     // called after jobs were added; nil: nobody needs waking
	// Await is called when a sign-in is recorded and its session made, before the browser is answered: it may wait a
	// moment for what the front end looks at first. nil: nothing to wait for.
	Await func(ctx context.Context, userID string)
	// Measure wraps the way to the core, to measure the calls; it must hand on requests and answers as they are. nil: not
	// measured.
	Measure func(http.RoundTripper) http.RoundTripper
	Events  Events           // nil: nobody counts
	Now     func() time.Time // nil: the system's clock
	Log     zerolog.Logger
}

// Service is the sign-in. Make it with [New], give it back with Close.
type Service struct {
	cfg     Config
	links   LinkStore
	signIns SignInStore
	seal    sealer
	core    *core
	now     func() time.Time
	log     zerolog.Logger
	base    string // apiBasePath as the SDK compares it

	mu        sync.Mutex
	busy      map[string]struct{}  // intents that a request or a sweep of this process works on
	watching  map[string]watched   // see Watch, by reply id
	undecided map[string]time.Time // intents whose code the core may be working on although we gave up waiting, and since when

	closing  sync.Once
	keysUsed atomic.Bool // the SDK holds the core's keys, and a goroutine for them
	verify   sync.Mutex  // see sessionFunctions
}

// New makes the Service. It does not need the core to be there. One process has at most one live Service.
func New(_ context.Context, cfg Config) (*Service, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	seal, err := newSealer(cfg.SealKey)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	if !live.CompareAndSwap(false, true) {
		return nil, errors.New("auth: this process has a Service already; close it before making another one " +
			"(the SuperTokens SDK keeps its state in package variables)")
	}
	s := &Service{
		cfg: cfg, links: cfg.Links, signIns: cfg.SignIns, seal: seal, core: newCore(cfg.CoreURI, cfg.CoreTimeout, cfg.Measure),
		now: cfg.Now, log: cfg.Log, busy: map[string]struct{}{}, watching: map[string]watched{}, undecided: map[string]time.Time{},
	}
	if s.now == nil {
		s.now = time.Now //nolint:forbidigo // the default of the Now field
	}
	if err := s.init(); err != nil {
		live.Store(false)
		return nil, fmt.Errorf("auth: %w", err)
	}
	return s, nil
}

func (c *Config) check() error {
	switch {
	case c.CoreURI == "" || c.AppName == "" || c.Tenant == "" || c.DefaultRole == "":
		return errors.New("core URI, tenant, app name and default role are needed")
	case c.Links == nil || c.SignIns == nil:
		return errors.New("a store for links and one for sign-ins are needed")
	case c.CoreTimeout <= 0:
		return errors.New("the core timeout must be positive")
	}
	for name, origin := range map[string]string{"API domain": c.APIDomain, "website domain": c.WebsiteDomain} {
		u, err := url.Parse(origin)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return fmt.Errorf("the %s must be an origin such as https://example.org", name)
		}
	}
	for _, uri := range strings.Split(c.CoreURI, ";") {
		if u, err := url.Parse(uri); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return errors.New("the core URI must be an address such as http://127.0.0.1:3567")
		}
	}
	if c.RedirectToPath != "" && !returnpath.Safe(c.RedirectToPath) {
		return errors.New("the redirect-to path must be a path on the website: one leading slash, no backslash, no host")
	}
	return c.checkCookies()
}

func (c *Config) checkCookies() error {
	switch c.CookieSameSite {
	case "", "lax", "strict":
		return nil
	case "none":
	default:
		return errors.New(`the cookies' same-site must be "lax", "strict" or "none"`)
	}
	api, err := url.Parse(c.APIDomain)
	if err != nil {
		return err
	}
	_, notIP := netip.ParseAddr(api.Hostname())
	secure := api.Scheme == "https"
	if c.CookieSecure != nil {
		secure = *c.CookieSecure
	}
	if !secure && notIP != nil && api.Hostname() != "localhost" {
		return errors.New(`browsers refuse cookies with same-site "none" that are not secure: use an https API domain`)
	}
	return nil
}

// init sets the SDK up.
func (s *Service) init() error {
	base, err := supertokens.NewNormalisedURLPath(s.cfg.APIBasePath)
	if err != nil {
		return fmt.Errorf("API base path: %w", err)
	}
	s.base = base.GetAsStringDangerous()
	// Its debug messages, which an environment variable can switch on, repeat numbers and what the core answers.
	supertokens.Logger = log.New(io.Discard, "", 0)
	noTelemetry := false
	err = supertokens.Init(supertokens.TypeInput{
		Supertokens: &supertokens.ConnectionInfo{
			ConnectionURI: s.cfg.CoreURI, APIKey: s.cfg.APIKey, DisableCoreCallCache: true,
		},
		AppInfo: supertokens.AppInfo{
			AppName: s.cfg.AppName, APIDomain: s.cfg.APIDomain, WebsiteDomain: s.cfg.WebsiteDomain,
			APIBasePath: &s.cfg.APIBasePath, WebsiteBasePath: &s.cfg.WebsiteBasePath,
		},
		RecipeList: []supertokens.Recipe{
			passwordless.Init(s.passwordlessConfig()), session.Init(s.sessionConfig()),
			userroles.Init(nil), multitenancy.Init(nil), usermetadata.Init(nil),
		},
		Telemetry:             &noTelemetry,
		OnSuperTokensAPIError: s.apiError,
	})
	if err != nil {
		return fmt.Errorf("SuperTokens SDK: %w", err)
	}
	supertokens.SetHTTPClient(s.core.client)
	return nil
}

func (s *Service) passwordlessConfig() plessmodels.TypeInput {
	return plessmodels.TypeInput{
		FlowType: "MAGIC_LINK",
		ContactMethodPhone: plessmodels.ContactMethodPhoneConfig{
			Enabled: true, ValidatePhoneNumber: validDigits,
		},
		SmsDelivery: noDelivery(),
		Override:    &plessmodels.OverrideStruct{APIs: s.passwordlessAPIs},
	}
}

func (s *Service) sessionConfig() *sessmodels.TypeInput {
	in := &sessmodels.TypeInput{
		CookieSecure:  s.cfg.CookieSecure,
		Override:      &sessmodels.OverrideStruct{Functions: s.sessionFunctions},
		ErrorHandlers: &sessmodels.ErrorHandlers{OnTokenTheftDetected: s.tokenTheft},
	}
	if s.cfg.CookieDomain != "" {
		in.CookieDomain = &s.cfg.CookieDomain
	}
	if s.cfg.CookieSameSite != "" {
		in.CookieSameSite = &s.cfg.CookieSameSite
	}
	return in
}

// Close waits for what is on its way to the core, which the core timeout bounds, and frees the process for another
// Service. Nothing may be asked of this one any more. Closing twice is closing once.
func (s *Service) Close() error {
	s.closing.Do(s.close)
	return nil
}

func (s *Service) close() {
	s.core.stop()
	if s.keysUsed.Load() {
		// The SDK drops the keys without ending the goroutine that keeps them fresh.
		_ = recovered(func() error {
			keys, err := session.GetCombinedJWKS()
			if err == nil {
				keys.EndBackground()
			}
			return err
		})
	}
	supertokens.ResetForTest() // named for tests, and the only way to give the SDK's package variables back
	supertokens.QuerierAPIKey = nil
	live.Store(false)
}

// Ping says whether the core can be reached and does what is asked of it, and if not, what is wrong.
func (s *Service) Ping(ctx context.Context) error {
	const op = "ask for the tenant" // the cheapest call that needs the API key
	tenant, err := call(ctx, s.core, op, func(uc supertokens.UserContext) (*multitenancymodels.Tenant, error) {
		return multitenancy.GetTenant(s.cfg.Tenant, uc)
	})
	switch {
	case err != nil:
		return err
	case tenant == nil:
		return &CoreError{Op: op, Host: s.core.host, Reason: "it has no tenant " + s.cfg.Tenant + " (auth.tenant)"}
	case !tenant.Passwordless.Enabled:
		return &CoreError{Op: op, Host: s.core.host, Reason: "passwordless login is switched off for tenant " + s.cfg.Tenant}
	}
	return nil
}

// Settle is how long after its start an intent may still be in the hands of a live process or of the core. Reconcile
// wants a time at least so long ago, unless no other process can be at work.
func (s *Service) Settle() time.Duration { return 2*s.core.patience() + s.cfg.CoreTimeout }
