package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/requestid"
	"github.com/rs/zerolog"
)

// result is one run of a job and what shall become of it.
type result struct {
	job        Job
	settlement Settlement
}

// panicError is a handler's panic as a failed attempt.
type panicError struct {
	text  string
	stack []byte
}

func (e *panicError) Error() string { return e.text }

// work runs one job's handler and passes on what became of it. A job whose handler was cancelled because the runner
// stops is not settled: it is handed back.
func (l *life) work(ctx context.Context, j Job) {
	fields := l.c.Log.With().Str("kind", j.Kind).Int64("job", j.ID).Int("attempt", j.Attempt)
	if j.Request != "" {
		fields = fields.Str(requestid.Field, j.Request)
	}
	log := fields.Logger()
	began := l.c.Now()
	limited, cancel := context.WithTimeout(requestid.With(log.WithContext(ctx), j.Request), l.c.LeaseFor*3/4)
	done := l.handles(j.ID, began)
	err := call(limited, l.c.Handlers[j.Kind], j)
	done()
	cancel()
	if err != nil && errors.Is(context.Cause(ctx), errStopping) {
		log.Info().Msg("job handed back because the runner stops")
		return
	}
	s := l.decide(j, err)
	took := l.c.Now().Sub(began)
	report(log, s, err, took)
	l.c.Ran(Run{Kind: j.Kind, Outcome: s.Outcome, Counts: s.Counts, Took: took})
	select {
	case l.finished <- result{job: j, settlement: s}:
	case <-l.quit: // the runner has stopped waiting; the lease runs out by age
	}
}

// call runs the handler and turns a panic, or an end of its goroutine, into an error. The text of a panic is shown
// only when it is the runtime's own: others may quote the payload.
func call(ctx context.Context, handle Handler, j Job) (err error) {
	returned := make(chan error, 1)
	go func() {
		failed := error(&panicError{text: "the handler ended its goroutine"})
		defer func() {
			if p := recover(); p != nil {
				failed = &panicError{text: fmt.Sprintf("panic in the handler: %T", p), stack: debug.Stack()}
				var own runtime.Error
				if e, ok := p.(error); ok && errors.As(e, &own) {
					failed = &panicError{text: "panic in the handler: " + own.Error(), stack: debug.Stack()}
				}
			}
			returned <- failed
		}()
		failed = handle(ctx, j)
	}()
	return <-returned
}

// decide turns a handler's error into what becomes of the job.
func (l *life) decide(j Job, err error) Settlement {
	now := l.c.Now()
	s := Settlement{ID: j.ID, Owner: l.c.Owner, At: now}
	if err == nil {
		s.Outcome = Done
		return s
	}
	s.Reason = Reason(err)
	if wait, ok := asAfter(err); ok {
		s.Outcome, s.RunAt = Retry, now.Add(wait)
		return s
	}
	if IsPermanent(err) || j.Attempt >= l.c.MaxAttempts {
		s.Outcome = Dead
		return s
	}
	s.Outcome, s.Counts = Retry, true
	s.RunAt = now.Add(l.c.Backoff.pause(j.Attempt, rand.Float64()))
	return s
}

// report logs what became of a run: what an operator must act on loudly, the rest quietly.
func report(log zerolog.Logger, s Settlement, err error, took time.Duration) {
	var panicked *panicError
	if errors.As(err, &panicked) {
		log.Error().Str("reason", s.Reason).Bytes("stack", panicked.stack).Msg("job handler panicked")
	}
	switch {
	case s.Outcome == Dead:
		log.Error().Str("reason", s.Reason).Msg("job laid aside")
	case s.Outcome == Retry && s.Counts:
		log.Warn().Str("reason", s.Reason).Dur("again_in", s.RunAt.Sub(s.At)).Msg("job failed; it runs again")
	case s.Outcome == Retry:
		log.Debug().Str("reason", s.Reason).Dur("again_in", s.RunAt.Sub(s.At)).Msg("job waits")
	default:
		log.Debug().Dur("took", took).Msg("job done")
	}
}

// settle writes down what became of jobs, as many at once as have finished, until quit.
func (l *life) settle(ctx context.Context) {
	for {
		select {
		case first := <-l.finished:
			l.settleAll(ctx, l.gather(first))
		case <-l.quit:
			select {
			case first := <-l.finished:
				l.settleAll(ctx, l.gather(first))
			default:
			}
			return
		}
	}
}

// gather takes what has finished right now.
func (l *life) gather(first result) []result {
	batch := []result{first}
	for {
		select {
		case next := <-l.finished:
			batch = append(batch, next)
		default:
			return batch
		}
	}
}

// settleAll tries until the store has taken the batch, or until the runner has stopped: then the jobs are handed
// back and run again, which their handlers can bear.
func (l *life) settleAll(ctx context.Context, batch []result) {
	settlements := make([]Settlement, 0, len(batch))
	for _, b := range batch {
		settlements = append(settlements, b.settlement)
	}
	for failed := false; ; failed = true {
		l.mark(batch, false)
		write, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.c.StoreWait)
		err := l.c.Store.SettleJobs(write, settlements)
		cancel()
		if err == nil {
			break
		}
		l.mark(batch, true)
		if !failed {
			l.c.Log.Warn().Str("reason", Reason(err)).Msg("finished jobs cannot be settled; trying again")
		}
		select {
		case <-time.After(l.c.Poll):
		case <-l.quit:
			return
		}
	}
	select {
	case l.settled <- batch:
	case <-l.quit:
	}
}
