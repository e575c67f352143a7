package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Config is what the page needs. Phone and BotURL are required.
type Config struct {
	Phone  Phone
	Faults Faults // nil: no such buttons

	BotName   string // empty: Konsulin
	BotNumber string // as shown in the chat's head
	BotURL    string // where the bot serves its pages; only links to there can be clicked
	Phrase    string // the suggestion; empty: "Request login, authenticate me."

	Keep int           // how many events are remembered for a page that is opened later; 0: 500
	Beat time.Duration // how often an idle stream says that it is alive; 0: 15 s
	Now  func() time.Time
	Log  zerolog.Logger
}

// Page is the demo's page as an http.Handler. Its owner runs Run beside it.
type Page struct {
	cfg     Config
	links   *url.URL
	html    []byte
	assets  map[string]asset
	mux     http.Handler
	history *history

	running sync.Mutex    // held by Run
	over    chan struct{} // closed when Run returns: every stream ends then
}

// New prepares the page. It starts nothing.
func New(cfg Config) (*Page, error) {
	if cfg.Phone == nil || len(cfg.Phone.Users()) == 0 {
		return nil, errors.New("phone page: a phone with at least one user is required")
	}
	links, err := url.Parse(cfg.BotURL)
	if err != nil || (links.Scheme != "http" && links.Scheme != "https") || links.Host == "" {
		return nil, fmt.Errorf("phone page: the bot's URL %q must look like http://127.0.0.1:8080", cfg.BotURL)
	}
	p := &Page{cfg: cfg.complete(), links: links, over: make(chan struct{})}
	p.history = newHistory(p.cfg.Keep)
	assets, names, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("phone page: %w", err)
	}
	p.assets = assets
	if p.html, err = p.render(names); err != nil {
		return nil, fmt.Errorf("phone page: %w", err)
	}
	p.mux = p.routes()
	return p, nil
}

func (c Config) complete() Config {
	if c.BotName == "" {
		c.BotName = "Konsulin"
	}
	if c.Phrase == "" {
		c.Phrase = "Request login, authenticate me."
	}
	if c.Keep <= 0 {
		c.Keep = 500
	}
	if c.Beat <= 0 {
		c.Beat = 15 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Run passes events from the phone to every open page until ctx ends or the phone has no more. It is called once; when
// it returns all streams end, so that the HTTP server can stop.
func (p *Page) Run(ctx context.Context) error {
	if !p.running.TryLock() {
		return errors.New("phone page: Run is called once")
	}
	defer close(p.over)
	for e := range p.cfg.Phone.Events(ctx) {
		if data, ok := p.wire(e); ok {
			p.history.add(e, data)
		} else {
			p.cfg.Log.Warn().Str("kind", string(e.Kind)).Msg("an event of unknown kind is not shown")
		}
	}
	return nil
}

// ServeHTTP serves the page, its assets, its stream and its two actions.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
		"require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	p.mux.ServeHTTP(w, r)
}

// render makes the page once: what differs from visit to visit comes through the stream.
func (p *Page) render(assets map[string]string) ([]byte, error) {
	t, err := template.ParseFS(files, "templates/page.html")
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	data := struct {
		BotName, BotNumber, Phrase, Initial string
		Users                               []User
		Faults                              []Fault
		Asset                               map[string]string
	}{
		BotName: p.cfg.BotName, BotNumber: p.cfg.BotNumber, Phrase: p.cfg.Phrase,
		Initial: strings.ToUpper(string([]rune(p.cfg.BotName)[:1])), Users: p.cfg.Phone.Users(), Asset: assets,
	}
	if p.cfg.Faults != nil {
		data.Faults = p.cfg.Faults.Faults()
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return b.Bytes(), nil
}
