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

// standBy is how often a process that does not own the line asks for it.
const standBy = 3 * time.Second

// duty is what the owner of the line does: receive, answer, send. It is made when the line becomes ours and ends when
// it is lost.
type duty struct {
	line   *whatsapp.Client
	runner *jobs.Runner
}

// lateLine lets bot and line know each other: the bot is made first and sends only when the line runs.
type lateLine struct{ client *whatsapp.Client }

// Send implements [bot.Line].
func (l *lateLine) Send(ctx context.Context, m bot.Outgoing) error { return l.client.Send(ctx, m) }

var _ bot.Line = (*lateLine)(nil)

func (a *App) newDuty(ctx context.Context, t *storage.Tenure) (*duty, error) {
	late := &lateLine{}
	b, err := replyRoom(a, t.Inbox(), late)
	if err != nil {
		return nil, err
	}
	d := &duty{}
	if d.line, err = openLine(ctx, a, b); err != nil {
		return nil, err
	}
	late.client = d.line
	d.runner = newRunner(a, t.Jobs(), b.Handlers())
	return d, nil
}

// run works until ctx ends. Jobs stop first, while the line can still send what they are about to.
func (d *duty) run(ctx context.Context, a *App) error {
	a.watch.follow(d.line)
	a.store.OnNewJobs(d.runner.Wake)
	defer a.store.OnNewJobs(nil)
	defer a.watch.follow(nil)

	lineCtx, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	jobsCtx, stopJobs := context.WithCancel(ctx)
	defer stopJobs()
	var lineErr, jobsErr error
	var line, work sync.WaitGroup
	line.Go(func() {
		lineErr = d.line.Run(lineCtx)
		stopJobs()
	})
	work.Go(func() {
		jobsErr = d.runner.Run(jobsCtx)
		hangUp()
	})
	work.Wait()
	line.Wait()
	return errors.Join(ended(lineErr), ended(jobsErr))
}

// ended leaves out what only says that we were told to stop.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// onDuty owns the line whenever it can, until ctx ends.
func (a *App) onDuty(ctx context.Context) error {
	for {
		t, err := a.takeLine(ctx)
		if err != nil {
			return err
		}
		if t == nil {
			return nil
		}
		err = a.serveLine(ctx, t)
		if a.tenure == nil { // SQLite keeps the directory until Close
			err = errors.Join(err, t.Release())
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		a.log.Warn().Msg("the line was lost to another process; standing by")
	}
}

// takeLine waits until the line is ours; nil without an error when ctx ended first.
func (a *App) takeLine(ctx context.Context) (*storage.Tenure, error) {
	if a.tenure != nil {
		return a.tenure, nil
	}
	told := false
	for {
		t, err := a.store.OwnLine(ctx)
		var held *storage.HeldError
		switch {
		case err == nil:
			return t, nil
		case errors.As(err, &held):
			a.watch.stoodBy(held)
			if !told {
				a.log.Info().Str("holder", held.Host).Int("pid", held.PID).Msg("another process owns the line; standing by")
				told = true
			}
		case ctx.Err() != nil:
			return nil, nil //nolint:nilerr // told to stop while asking
		case errors.Is(err, storage.ErrUnavailable):
			a.log.Warn().Err(err).Msg("cannot ask for the line")
		default:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(standBy):
		}
	}
}

// serveLine does the owner's work until ctx ends or the line is lost.
func (a *App) serveLine(ctx context.Context, t *storage.Tenure) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-t.Lost():
			cancel()
		case <-ctx.Done():
		}
	})
	d, err := a.newDuty(ctx, t)
	if err != nil {
		return fmt.Errorf("take the line: %w", err)
	}
	return d.run(ctx, a)
}
