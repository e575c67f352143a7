package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/storage"
	"golang.org/x/sync/errgroup"
)

const (
	shutdownGrace  = 10 * time.Second // for requests and jobs under way
	reconcileEvery = 15 * time.Second
	purgeEvery     = 10 * time.Minute
)

// Run serves until ctx ends, then stops in order: no new requests, jobs finished or handed back, the line closed. It
// returns nil for such an end, and closes the App in any case.
func (a *App) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, a.Close()) }()
	a.log.Info().Str("version", a.opt.Version).Str("engine", a.cfg.Storage.Engine).Str("listen", a.Addr()).Msg("started")
	g, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, func() { a.log.Info().Msg("stopping") })()
	g.Go(func() error { return a.serveHTTP(ctx, "web server", a.web, a.tcp) })
	if a.scrapes != nil {
		a.log.Info().Str("listen", a.scrapes.Addr().String()).Msg("metrics are served")
		g.Go(func() error { return a.serveHTTP(ctx, "metrics server", a.metrics.Server(), a.scrapes) })
	}
	g.Go(func() error { return a.onDuty(ctx) })
	g.Go(func() error { return a.tellManager(ctx) })
	g.Go(func() error { return every(ctx, databaseEvery, databaseEvery, a.feelDatabase) })
	g.Go(func() error { return every(ctx, reconcileEvery, time.Minute, a.reconcile) })
	g.Go(func() error { return every(ctx, purgeEvery, purgeEvery, a.purge) })
	for _, r := range a.after.runners {
		defer a.store.OnNewJobs(r.Wake)()
		defer a.vitals.follow(r)()
		g.Go(func() error { return r.Run(ctx) })
	}
	err = g.Wait()
	a.log.Info().Msg("stopped")
	return err
}

// serveHTTP serves until ctx ends, and lets requests under way finish.
func (a *App) serveHTTP(ctx context.Context, name string, server *http.Server, on net.Listener) error {
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()
	if err := server.Serve(on); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := <-stopped; err != nil {
		a.log.Warn().Err(err).Str("server", name).Msg("requests were cut off at shutdown")
		return server.Close()
	}
	return nil
}

// every does work at once and then at each tick, each time within limit. Work logs its own troubles: they pass, and the
// process goes on.
func every(ctx context.Context, d, limit time.Duration, work func(context.Context)) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		bounded, cancel := context.WithTimeout(ctx, limit)
		work(bounded)
		cancel()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// reconcile settles sign-ins that a crash left open. On SQLite nobody else can be working on one; beside other
// processes only what is older than any of their calls is touched.
func (a *App) reconcile(ctx context.Context) {
	before := a.opt.Now()
	if a.cfg.Storage.Engine != storage.SQLite {
		before = before.Add(-a.auth.Settle())
	}
	n, err := a.auth.Reconcile(ctx, before)
	if n > 0 {
		a.log.Info().Int("count", n).Msg("sign-ins reconciled")
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn().Err(err).Msg("sign-ins could not be reconciled; trying again")
	}
}

// watchLinks looks for links that were confirmed elsewhere. The line's owner does it, so that the core is asked once.
func (a *App) watchLinks(ctx context.Context) {
	if _, err := a.auth.Watch(ctx, a.cfg.Auth.WatchEvery); err != nil && ctx.Err() == nil {
		a.log.Warn().Err(err).Msg("not every open link could be looked at; trying again")
	}
}

func retention(keep KeepConfig) storage.Retention {
	r := storage.DefaultRetention()
	r.Messages, r.Jobs, r.DeadJobs, r.Links, r.Audit = keep.Messages, keep.Jobs, keep.DeadJobs, keep.Links, keep.Audit
	return r
}

func (a *App) purge(ctx context.Context) {
	if _, err := a.store.Purge(ctx, retention(a.cfg.Keep), a.opt.Now()); err != nil && ctx.Err() == nil {
		a.log.Warn().Err(err).Msg("old records could not be removed; trying again")
	}
}
