package website

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/rs/zerolog"
)

// Records is the FHIR server as the application's own back end reaches it.
type Records interface {
	Put(resource []byte) (ref string, err error)
	All(resourceType string) [][]byte
}

// Config is what the website needs. Records is required.
type Config struct {
	Records Records
	// Changed is called after somebody has written something; nil: nobody wants to know.
	Changed func()
	Now     func() time.Time // nil: the system's clock
	Log     zerolog.Logger
}

// Site is the website as an http.Handler. Behind says where the bot is; until then its paths answer 502.
type Site struct {
	cfg    Config
	html   []byte
	assets map[string]asset
	mux    http.Handler
	client *http.Client
	bot    *url.URL
}

// New prepares the website. It starts nothing.
func New(cfg Config) (*Site, error) {
	if cfg.Records == nil {
		return nil, errors.New("website: records are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Site{cfg: cfg, client: &http.Client{Timeout: askTime, Transport: &http.Transport{}}}
	assets, names, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("website: %w", err)
	}
	s.assets = assets
	if s.html, err = render(names); err != nil {
		return nil, fmt.Errorf("website: %w", err)
	}
	s.mux = s.routes()
	return s, nil
}

// Behind names the address (host:port) at which the bot listens. It is called before the site is served.
func (s *Site) Behind(bot string) { s.bot = &url.URL{Scheme: "http", Host: bot} }

// Close lets go of connections to the bot.
func (s *Site) Close() { s.client.CloseIdleConnections() }

// ServeHTTP serves the page, what it asks for, and the bot.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// proxy passes everything on as it is. Host stays what the browser said, and the bot is told who that browser was.
func (s *Site) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = s.bot.Scheme, s.bot.Host
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		Transport: s.client.Transport,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				s.cfg.Log.Warn().Err(err).Msg("the bot cannot be reached")
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}

// whose asks the bot who is signed in in the browser of this request; empty: nobody.
func (s *Site) whose(ctx context.Context, r *http.Request) (userID string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.bot.JoinPath("/auth/session").String(), http.NoBody)
	if err != nil {
		return "", err
	}
	req.Header.Set("Cookie", r.Header.Get("Cookie"))
	req.Header.Set("rid", "session")
	req.Header.Set("st-auth-mode", "cookie")
	resp, err := s.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask for the session: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return "", nil
	case http.StatusOK:
	default:
		return "", fmt.Errorf("ask for the session: HTTP %d", resp.StatusCode)
	}
	var session struct{ UserID string }
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, maxBody)).Decode(&session); err != nil {
		return "", fmt.Errorf("ask for the session: %w", err)
	}
	return session.UserID, nil
}

func render(assets map[string]string) ([]byte, error) {
	t, err := template.ParseFS(files, "templates/page.html")
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, struct{ Asset map[string]string }{assets}); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return b.Bytes(), nil
}
