package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/rs/zerolog"
)

// Config is what the pages need. Sessions and Patients are required; every other field has a useful zero value.
type Config struct {
	Sessions Sessions
	Patients Patients
	Checks   []Check // what /readyz asks; none: always ready
	// Alive is what /livez asks: an error says that the process is stuck and must be restarted. It must not block, and its
	// text is for everybody. nil: alive as long as it answers.
	Alive func() error

	APIBasePath     string // where SuperTokens' routes live; empty: /auth
	WebsiteBasePath string // where the pages live; empty: /auth

	BotNumber  phone.Number // whom the login page's button writes to; none: the page says it in words
	Phrase     string       // the text that asks for a link; empty: "Request login, authenticate me."
	ChatURL    string       // what a number is put behind to open a chat with it; empty: [DefaultChatURL]
	SupportURL string       // http(s), mailto or tel; where a person helps; empty: the pages promise no such help
	HomeURL    string       // http(s) or a path: "continue" on the signed-in page, "not now" on the login page; may be empty

	// LineDown says why nobody who writes to the bot would be answered now, and how long that lasts (0: not known); an empty
	// reason: they are. The login page then says so and sends nobody into the chat. It must not block. nil: they always are.
	LineDown func() (reason string, wait time.Duration)

	// Patience is the longest that Sessions takes over one request, which may be several calls to a slow core. The
	// pages wait a little longer, and the server of [Server.HTTPServer] longer than that; at least 20 s.
	Patience time.Duration

	Languages []string // those offered, the default first; empty: Indonesian, English
	// HTTPS says that browsers reach us over https: then responses carry Strict-Transport-Security.
	HTTPS bool
	// HealthOnly serves /livez and /readyz and nothing else: pages and SuperTokens' routes are another program's.
	HealthOnly bool
	// TrustedOrigins are the other origins ("https://app.example") whose pages may POST here.
	TrustedOrigins []string

	Now     func() time.Time // nil: time.Now
	Log     zerolog.Logger
	Version string
}

// minPatience is what a Patience amounts to at least.
const minPatience = 20 * time.Second

// DefaultPhrase is the text that asks the bot for a link.
const DefaultPhrase = "Request login, authenticate me."

// Server holds the pages, ready to serve. It is immutable after New but for the cache of /readyz.
type Server struct {
	cfg     Config
	assets  assets
	pages   pages
	texts   texts
	ready   *readiness
	origins *http.CrossOriginProtection

	plainChat string // opens the chat with the phrase; empty when there is no bot number
	plainQR   qr     // of plainChat
}

// New checks the configuration and prepares templates and assets. It starts nothing.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Server{cfg: cfg, origins: http.NewCrossOriginProtection()}
	for _, origin := range cfg.TrustedOrigins {
		if err := s.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("web: trusted origin: %w", err)
		}
	}
	if s.assets, err = loadAssets(cfg.WebsiteBasePath + "/assets/"); err != nil {
		return nil, fmt.Errorf("web: assets: %w", err)
	}
	if s.pages, err = loadPages(); err != nil {
		return nil, fmt.Errorf("web: templates: %w", err)
	}
	if s.texts, err = loadTexts(cfg.Languages); err != nil {
		return nil, fmt.Errorf("web: texts: %w", err)
	}
	s.ready = newReadiness(cfg.Checks, cfg.Now, cfg.Log)
	if s.plainChat = chatURL(cfg.ChatURL, cfg.BotNumber, cfg.Phrase); s.plainChat == "" {
		return s, nil
	}
	if s.plainQR, err = newQR(s.plainChat); err != nil {
		return nil, fmt.Errorf("web: phrase: %w", err)
	}
	return s, nil
}

func (c Config) complete() (Config, error) {
	if c.Sessions == nil || c.Patients == nil {
		return c, errors.New("sessions and patients are required")
	}
	var err error
	if c.APIBasePath, err = basePath(c.APIBasePath); err != nil {
		return c, fmt.Errorf("API base path: %w", err)
	}
	if c.WebsiteBasePath, err = basePath(c.WebsiteBasePath); err != nil {
		return c, fmt.Errorf("website base path: %w", err)
	}
	if err := checkURL(c.SupportURL, "https", "http", "mailto", "tel"); err != nil {
		return c, fmt.Errorf("support URL: %w", err)
	}
	if err := checkURL(c.HomeURL, "https", "http", ""); err != nil {
		return c, fmt.Errorf("home URL: %w", err)
	}
	if c.ChatURL == "" {
		c.ChatURL = DefaultChatURL
	}
	if err := checkURL(c.ChatURL, "https", "http"); err != nil {
		return c, fmt.Errorf("chat URL: %w", err)
	}
	c.ChatURL = strings.TrimRight(c.ChatURL, "/")
	if c.Phrase == "" {
		c.Phrase = DefaultPhrase
	}
	if len(c.Languages) == 0 {
		c.Languages = []string{"id", "en"}
	}
	c.Patience = max(c.Patience, minPatience)
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of the Now field itself
	}
	return c, nil
}

// basePath brings a base path into the form "/a/b"; the root is the empty string. The characters that it refuses
// would mean something else in a route, a header or a template.
func basePath(p string) (string, error) {
	if p == "" {
		return "/auth", nil
	}
	if strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_.~") != "" ||
		p[0] != '/' || strings.Contains(p, "//") || strings.Contains(p, "/.") {
		return "", fmt.Errorf("%q must look like /auth or /api/v1/auth", p)
	}
	return strings.TrimSuffix(p, "/"), nil
}

func checkURL(s string, schemes ...string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("%q is no URL: %w", s, err)
	}
	for _, scheme := range schemes {
		switch {
		case u.Scheme != scheme:
		case scheme == "" && u.Host == "" && strings.HasPrefix(s, "/"):
			return nil
		case (scheme == "http" || scheme == "https") && u.Host != "":
			return nil
		case (scheme == "mailto" || scheme == "tel") && u.Opaque != "":
			return nil
		}
	}
	return fmt.Errorf("%q must be a whole address, such as https://example.org/help", s)
}
