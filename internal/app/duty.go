package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/storage"
)

const (
	standBy      = 3 * time.Second  // how often a process that does not own the line asks for it
	storeTimeout = 30 * time.Second // longest wait for the database where nobody else sets a limit
)

// duty is what the owner of the line does: receive, answer, send. It is made when the line becomes ours and ends when
// it is lost.
type duty struct {
	line   *whatsapp.Client
	runner *jobs.Runner
}

// lateLine lets bot and line know each other: the bot is made first and sends only when the line runs.
type lateLine struct {
	client *whatsapp.Client
	a      *App
}

// Send implements [bot.Line]. What the line refuses to send now is no call to WhatsApp and is not measured.
func (l *lateLine) Send(ctx context.Context, m bot.Outgoing) error {
	began := l.a.opt.Now()
	err := l.client.Send(ctx, m)
	if !errors.Is(err, bot.ErrLineDown) {
		l.a.metrics.Call(systemWhatsApp, err, l.a.opt.Now().Sub(began))
	}
	return err
}

var _ bot.Line = (*lateLine)(nil)

func (a *App) newDuty(ctx context.Context, t *storage.Tenure) (*duty, error) {
	late := &lateLine{a: a}
	b, err := replyRoom(a, t.Inbox(), late)
	if err != nil {
		return nil, err
	}
	d := &duty{}
	if d.line, err = openLine(ctx, a, b, t.Check); err != nil {
		return nil, err
	}
	late.client = d.line
	d.runner = jobs.NewRunner(jobsConfig(a, t.Jobs(), b.Handlers()))
	return d, nil
}

// run works until ctx ends or the line is lost. When told to stop, jobs end first, while the line can still send what
// they are about to. When the line is lost, it is hung up first: it belongs to another process.
func (d *duty) run(ctx context.Context, a *App, lost <-chan struct{}) error {
	a.watch.follow(d.line)
	defer a.store.OnNewJobs(d.runner.Wake)()
	defer a.vitals.follow(d.runner)()
	defer a.watch.follow(nil)

	lineCtx, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	jobsCtx, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJobs()
	var lineErr, jobsErr error
	var work, helpers sync.WaitGroup
	over := make(chan struct{})
	work.Go(func() {
		defer stopJobs()
		lineErr = d.line.Run(lineCtx)
	})
	work.Go(func() {
		defer hangUp()
		jobsErr = d.runner.Run(jobsCtx)
	})
	helpers.Go(func() {
		select {
		case <-ctx.Done():
			stopJobs()
		case <-lost:
			hangUp()
		case <-over:
		}
	})
	helpers.Go(func() { d.wakeWhenConnected(over) })
	work.Wait()
	close(over)
	helpers.Wait()
	return errors.Join(lineErr, jobsErr)
}

// wakeWhenConnected has jobs tried again at once that waited for the line.
func (d *duty) wakeWhenConnected(over <-chan struct{}) {
	states, end := d.line.Subscribe()
	defer end()
	for {
		select {
		case <-over:
			return
		case s, ok := <-states:
			if !ok {
				return
			}
			if s.State == whatsapp.Connected {
				d.runner.Wake()
			}
		}
	}
}

// passes tells troubles that end by themselves: the line went to another process, the database is away, somebody
// stopped waiting.
func passes(err error) bool {
	return errors.Is(err, storage.ErrLineLost) || errors.Is(err, storage.ErrUnavailable) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// onDuty owns the line whenever it can, until ctx ends. Only troubles that need a person end it.
func (a *App) onDuty(ctx context.Context) error {
	for {
		a.watch.asks()
		t, err := a.takeLine(ctx)
		if err != nil || t == nil {
			return err
		}
		err = a.serveLine(ctx, t)
		if a.tenure == nil { // SQLite keeps the directory until Close
			if releaseErr := t.Release(); releaseErr != nil {
				a.log.Warn().Err(releaseErr).Msg("the line could not be given back; its lease will run out")
			}
		}
		if err != nil && !passes(err) {
			return err
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop; what passes is no reason to complain
		}
		a.log.Warn().Err(err).Msg("the line is not ours any more; asking for it again")
		pause(ctx, standBy)
	}
}

// takeLine waits until the line is ours; nil without an error when ctx ended first.
func (a *App) takeLine(ctx context.Context) (*storage.Tenure, error) {
	if a.tenure != nil {
		return a.tenure, nil
	}
	told, away := false, false // each is logged once
	for ctx.Err() == nil {
		a.watch.asks()
		asking, cancel := context.WithTimeout(ctx, storeTimeout)
		t, err := a.store.OwnLine(asking)
		cancel()
		var held *storage.HeldError
		switch {
		case err == nil:
			return t, nil
		case errors.As(err, &held):
			a.watch.stoodBy(held)
			if !told {
				a.log.Info().Str("holder", held.Host).Int("pid", held.PID).Msg("another process owns the line; standing by")
			}
			told, away = true, false
		case passes(err):
			if !away {
				a.log.Warn().Err(err).Msg("cannot ask for the line; trying again")
				away = true
			}
		default:
			return nil, err
		}
		pause(ctx, standBy)
	}
	return nil, nil
}

// pause waits, but not beyond the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// serveLine does the owner's work until ctx ends or the line is lost.
func (a *App) serveLine(ctx context.Context, t *storage.Tenure) error {
	opening, cancel := context.WithTimeout(ctx, storeTimeout)
	d, err := a.newDuty(opening, t)
	cancel()
	if err != nil {
		return fmt.Errorf("take the line: %w", err)
	}
	watching, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { _ = every(watching, alertEvery, alertEvery, a.watchTroubles(newWatch(a))) })
	if a.cfg.Auth.elsewhere() {
		watcher.Go(func() { _ = every(watching, a.cfg.Auth.WatchEvery, time.Minute, a.watchLinks) })
	}
	err = d.run(ctx, a, t.Lost())
	stop()
	watcher.Wait()
	return err
}
