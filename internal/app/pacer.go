package app

import (
	"context"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/contact"
)

// pacer spaces the calls of the webhook evenly. Its budget is kept in storage, so all processes share it, and a restart
// does not fill it.
type pacer struct {
	budgets bot.Budgets
	every   time.Duration
	now     func() time.Time

	mu    sync.Mutex
	until time.Time // the server asked us to wait; other processes are told by it themselves
}

var _ contact.Pacer = (*pacer)(nil)

// Wait implements [contact.Pacer]. It does not hold a worker for long: whoever would have to wait longer comes back
// later, and that is no failed attempt.
func (p *pacer) Wait(ctx context.Context) error {
	for waited := time.Duration(0); ; {
		if wait := p.paused(); wait > 0 {
			return &notYet{wait: wait}
		}
		empty, err := p.budgets.Spend(ctx, "", p.now(), bot.Budget{Key: "contact.webhook", Burst: 1, Every: p.every})
		if err != nil || empty == "" {
			return err
		}
		if waited > longestPace {
			return &notYet{wait: p.every}
		}
		step := min(p.every/4, longestPace/4)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(step):
			waited += step
		}
	}
}

// longestPace is how long a worker is held for its turn.
const longestPace = 4 * time.Second

// notYet says that it is not yet this call's turn.
type notYet struct{ wait time.Duration }

// Error says so to an operator.
func (e *notYet) Error() string { return "the webhook's budget is used up; waiting for a turn" }

// RetryAfter is when to ask again.
func (e *notYet) RetryAfter() (time.Duration, bool) { return e.wait, true }

// Pause implements [contact.Pacer].
func (p *pacer) Pause(_ context.Context, d time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.now().Add(d); until.After(p.until) {
		p.until = until
	}
	return nil
}

func (p *pacer) paused() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until.Sub(p.now())
}
