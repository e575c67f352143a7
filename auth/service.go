package auth

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/rs/cors"
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
	browser

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
	err = s.openBrowser()
	if err == nil {
		err = s.init()
	}
	if err != nil {
		live.Store(false)
		return nil, fmt.Errorf("auth: %w", err)
	}
	return s, nil
}

// browser is what a Service needs for those who are not signed in yet; empty when they are another program's.
type browser struct {
	guests   *guest.Service
	attempts AttemptStore
	codeKey  []byte // keys the codes for desktops
	offerKey []byte // keys the tags of offers
	counts   *counts
	limit    *limiter
	origins  *cors.Cors

	clientKey []byte // keys the names of clients
}

func (s *Service) openBrowser() error {
	if s.cfg.Elsewhere {
		return nil
	}
	guestKey, err := hkdf.Key(sha256.New, s.cfg.SealKey, nil, "konsulin-bot guest keys", sealKeySize)
	if err != nil {
		return fmt.Errorf("derive the key of guest keys: %w", err)
	}
	if s.codeKey, err = hkdf.Key(sha256.New, s.cfg.SealKey, nil, "konsulin-bot desktop codes", sealKeySize); err != nil {
		return fmt.Errorf("derive the key of codes: %w", err)
	}
	if s.clientKey, err = hkdf.Key(sha256.New, s.cfg.SealKey, nil, "konsulin-bot clients", sealKeySize); err != nil {
		return fmt.Errorf("derive the key of clients: %w", err)
	}
	if s.offerKey, err = hkdf.Key(sha256.New, s.cfg.SealKey, nil, "konsulin-bot offers", sealKeySize); err != nil {
		return fmt.Errorf("derive the key of offers: %w", err)
	}
	s.counts = &counts{ask: s.cfg.GuestRecords, now: s.now, err: func(err error) {
		s.log.Warn().Err(err).Msg("what a guest did cannot be counted")
	}}
	s.guests, err = guest.New(guest.Config{
		Store: s.cfg.Guests, SealKey: guestKey, Issuer: strings.TrimRight(s.cfg.APIDomain, "/") + s.cfg.APIBasePath,
		Lifetime: s.cfg.GuestLifetime, Rotate: s.cfg.GuestKeys, Now: s.now,
	})
	s.attempts, s.limit = s.cfg.Attempts, newLimiter(s.now)
	return err
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
	if !s.cfg.Elsewhere {
		s.origins = s.newCORS()
	}
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
