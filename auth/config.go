package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
	"github.com/rs/zerolog"
)

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
	Gate    Gate // nil: nobody is barred
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

	// What browsers begin here. Not needed when another program consumes the codes.
	Guests         GuestStore
	Attempts       AttemptStore
	GuestLifetime  time.Duration // how long a guest lives who does not come back
	GuestKeys      time.Duration // how long one key signs guests' tokens
	BotNumber      phone.Number  // whom a login's message goes to
	Phrase         string        // what it says
	ChatURL        string        // what opens a chat: the number's digits and ?text=… are put behind it
	Reference      bool          // the message names the login that it is for
	DesktopCode    bool          // the answer in the chat also carries a code for the browser where the login began; needs Reference
	AllowedOrigins []string      // that may call the API with credentials, beside WebsiteDomain
	// Client is whom a request comes from, to bound what one client may begin. nil: the peer.
	Client func(*http.Request) netip.Addr
	// Admission bounds how many guests and attempts are made. nil: only the per-client limit in memory does.
	Admission Admission
	// TurnedAway counts a request that was refused before a confirmation was tried, by two of small fixed sets; see
	// TurnedRoutes. It must not block. nil: nobody counts.
	TurnedAway func(route, reason string)
	// GuestRecords counts what a guest has done, by kind of record. nil: not known.
	GuestRecords func(ctx context.Context, guestID string) (map[string]int, error)
	// LineDown says why nobody who writes to the bot would be answered now, and how long that lasts (0: not known); an empty
	// reason: they are. While it says so no login begins through the API; links that people have go on working. It must not
	// block. nil: they always are.
	LineDown  func() (reason string, wait time.Duration)
	ClaimWait time.Duration // how long an answer waits for the claim of a guest's records

	Wake func() // called after jobs were added; nil: nobody needs waking
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
	return errors.Join(c.checkCookies(), c.checkBrowser())
}

// checkBrowser checks what only those need who serve browsers.
func (c *Config) checkBrowser() error {
	switch {
	case c.Elsewhere:
		return nil
	case c.Guests == nil || c.Attempts == nil:
		return errors.New("a store for guests and one for attempts are needed")
	case c.GuestLifetime <= 0 || c.GuestKeys <= 0:
		return errors.New("the lifetimes of guests and of their keys must be positive")
	case c.BotNumber.IsZero() || c.Phrase == "" || c.ChatURL == "":
		return errors.New("the bot's number, the phrase and what opens a chat are needed")
	case c.DesktopCode && !c.Reference:
		return errors.New("the code for a desktop needs the reference")
	}
	return nil
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
