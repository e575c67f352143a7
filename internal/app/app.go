package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/clientip"
	"github.com/konsulin-care/konsulin-bot/internal/metrics"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/rs/zerolog"
)

// Options are what a configuration file cannot say. All may be zero.
type Options struct {
	Line    *http.Client     // how to reach WhatsApp; nil: the real network
	LogTo   io.Writer        // nil: standard error
	Now     func() time.Time // nil: the system's clock
	Version string
	// NewSealKey accepts that the sealing key is not the one that the database knows: the old one is lost.
	NewSealKey bool
}

// App is one running bot: every room, connected.
type App struct {
	cfg   Config
	opt   Options
	log   zerolog.Logger
	keys  keys
	store *storage.Store
	auth  *auth.Service
	after *followUps
	web   *http.Server

	clients *clientip.Resolver // whom requests come from
	tcp     net.Listener
	watch   *lineWatch
	desk    *admin.Service

	vitals  *vitals
	metrics *metrics.Metrics
	ready   atomic.Pointer[web.Server] // who answers /readyz; nil until New is done
	scrapes net.Listener               // where the metrics are; nil: nowhere

	started time.Time
	process string // tells this process from others, and from its former lives

	tenure *storage.Tenure // SQLite: the data directory is ours from New on
}

// New opens everything that cfg names and connects the rooms; nothing is answered before [App.Run]. The web server's
// port is taken here, so [App.Addr] is known. On SQLite the data directory is taken too: a second process is refused
// with an error that names the first. On error nothing stays open. A process can hold one App at a time, because the
// SuperTokens SDK is a singleton.
func New(ctx context.Context, cfg Config, opt Options) (_ *App, err error) {
	if opt.Now == nil {
		opt.Now = time.Now //nolint:forbidigo // where the clock comes from
	}
	if opt.LogTo == nil {
		opt.LogTo = os.Stderr
	}
	a := &App{cfg: cfg, opt: opt, watch: newLineWatch(opt.Now), started: opt.Now(), process: rand.Text()}
	if a.log, err = newLogger(cfg.Log, opt.LogTo); err != nil {
		return nil, err
	}
	if a.clients, err = clientip.New(cfg.HTTP.TrustedProxies); err != nil {
		return nil, fmt.Errorf("http.trusted_proxies: %w", err)
	}
	a.metrics, a.vitals = newMetrics(a), newVitals(opt.Now, a.watch)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.store, err = openStore(ctx, cfg, opt.Now); err != nil {
		return nil, err
	}
	if cfg.Storage.Engine == storage.SQLite {
		if a.tenure, err = a.store.OwnLine(ctx); err != nil {
			return nil, err
		}
	}
	if a.keys, err = loadKeys(cfg); err != nil {
		return nil, err
	}
	if err := a.store.PinKey(ctx, a.keys.fingerprint, opt.NewSealKey); err != nil {
		return nil, err
	}
	if _, err := replyRoom(a, nil, nil); err != nil { // so that broken replies are told at once, also on a stand-by
		return nil, err
	}
	if a.auth, err = auth.New(ctx, authConfig(a)); err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	if a.after, err = newFollowUps(a, a.auth); err != nil {
		return nil, err
	}
	a.desk = newDesk(a)
	pages, err := web.New(webConfig(a))
	if err != nil {
		return nil, err
	}
	a.web = pages.HTTPServer(cfg.HTTP.Listen)
	a.ready.Store(pages)
	if a.tcp, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.HTTP.Listen); err != nil {
		return nil, fmt.Errorf("http.listen: %w", err)
	}
	if cfg.Metrics.Listen == "" {
		return a, nil
	}
	if a.scrapes, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Metrics.Listen); err != nil {
		return nil, fmt.Errorf("metrics.listen: %w", err)
	}
	return a, nil
}

// Addr is where the web server listens.
func (a *App) Addr() string { return a.tcp.Addr().String() }

// Status is the state of the line as this process sees it.
func (a *App) Status() whatsapp.Status { return a.watch.status() }

// Close releases what New opened. Run does it too; calling it again is harmless.
func (a *App) Close() error {
	var errs []error
	if a.tcp != nil {
		_ = a.tcp.Close() // closed already when the server ran
	}
	if a.scrapes != nil {
		_ = a.scrapes.Close()
	}
	if a.after != nil {
		a.after.close()
	}
	if a.auth != nil {
		errs = append(errs, a.auth.Close())
		a.auth = nil
	}
	if a.tenure != nil {
		errs = append(errs, a.tenure.Release())
		a.tenure = nil
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
		a.store = nil
	}
	return errors.Join(errs...)
}
