package bot

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/requestid"
)

// errCrowded is why a job waits for a shared budget.
var errCrowded = errors.New("the budget that everybody shares is empty")

// notice is a message that is not a link.
type notice struct {
	purpose string // of its id
	reply   string // key of its text
	data    any    // for the text
	once    Budget // how often its receiver may get it
}

// telling is what became of a notice.
type telling int

const (
	sent    telling = iota
	silent          // not sent: the receiver had this notice lately
	crowded         // not sent: a shared budget is empty
)

// tell sends a notice within the receiver's own budget for it and the shared ones. Told again for the same message, it
// sends the same bubble.
func (b *Bot) tell(ctx context.Context, r request, n notice) (telling, error) {
	text, err := b.replies.render(r.lang, n.reply, n.data)
	if err != nil {
		return silent, err
	}
	id := b.replyID(r.ticket, n.purpose)
	l := b.cfg.Limits
	empty, err := b.cfg.Budgets.Spend(ctx, id, b.cfg.Now(), n.once, budget(keyNotices, l.Notices), budget(keyGlobal, l.Global))
	switch {
	case err != nil:
		return silent, fmt.Errorf("spend the budget of notices: %w", err)
	case empty == n.once.Key:
		return silent, nil
	case empty != "":
		return crowded, nil
	}
	return sent, b.send(ctx, Outgoing{ID: id, Chat: r.Chat, Text: text})
}

func (b *Bot) send(ctx context.Context, m Outgoing) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Times.Send)
	defer cancel()
	if err := b.cfg.Line.Send(ctx, m); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// refuse records the one reason why a message got no answer, and so finishes its job.
func (b *Bot) refuse(ctx context.Context, kind string, r request, reason string) error {
	if err := b.cfg.Inbox.Refused(ctx, r.sender(), r.ID, reason); err != nil {
		return b.later(r, fmt.Errorf("record why there is no answer: %w", err))
	}
	b.done(kind, r, reason)
	return nil
}

// done counts and logs how a message ended.
func (b *Bot) done(kind string, r request, outcome string) {
	b.cfg.Counter.Count(kind, outcome)
	e := b.log.Info()
	if outcome != countLink && outcome != countReplied {
		e = b.log.Debug()
	}
	e.Str(requestid.Field, b.replyID(r.ticket, purposeAnswer)).Str("kind", kind).Str("number", r.number.String()).Str("outcome", outcome).
		Dur("after", b.age(r.ticket)).Msg("message answered")
}

// fail ends a message that can never be answered as it should: the user is told, if possible, and the job is laid aside
// for a person to look at.
func (b *Bot) fail(ctx context.Context, kind string, r request, cause error) error {
	return b.layAside(ctx, kind, r, notice{
		purpose: purposeFailed, reply: replyFailed, once: Budget{Key: "failed:" + r.sender(), Burst: 1, Every: failedWindow},
	}, refusedFailed, cause)
}

func (b *Bot) layAside(ctx context.Context, kind string, r request, n notice, reason string, cause error) error {
	if _, err := b.tell(ctx, r, n); err != nil && !jobs.IsPermanent(err) {
		return b.later(r, err)
	}
	if err := b.refuse(ctx, kind, r, reason); err != nil {
		return err
	}
	return jobs.Permanent(cause)
}

// retry makes of an error of tell or send what the runner should do about it.
func (b *Bot) retry(ctx context.Context, kind string, r request, cause error) error {
	if jobs.IsPermanent(cause) {
		if err := b.refuse(ctx, kind, r, refusedUnsendable); err != nil {
			return err
		}
		return jobs.Permanent(cause)
	}
	if errors.Is(cause, ErrLineDown) {
		b.cfg.Counter.Count(kind, countLineDown)
	}
	return b.later(r, cause)
}

// Pauses between two tries of one job.
const (
	pauseMin   = time.Second
	pauseFresh = 5 * time.Second // while somebody holds the phone and waits, for this request or for one behind it
	pauseMax   = 10 * time.Minute
	pauseShare = 4 // a job waits a fourth of its age: often while it is young, seldom when it is old
)

// later puts a job off without counting the attempt: time ends every message, attempts must not. Only a message that is
// past all words and still cannot be settled fails in the runner's own way, where a person sees it.
func (b *Bot) later(r request, cause error) error {
	pause, ok := b.pause(r)
	if !ok {
		return cause
	}
	return jobs.After(pause, cause)
}

// pause is how long a job waits before its next try; ok is false when time should have ended it.
func (b *Bot) pause(r request) (pause time.Duration, ok bool) {
	age := b.age(r.ticket)
	if age > b.cfg.Times.SilentAfter+pauseMax {
		return 0, false
	}
	pause = min(max(age/pauseShare, pauseMin), pauseMax)
	if age < b.cfg.Times.StaleAfter || r.blocks {
		pause = min(pause, pauseFresh)
	}
	return spread(pause, r.ID), true
}

// spread makes a pause up to a fourth longer, each message by its own share, so that a crowd does not come back at once.
func spread(pause time.Duration, id string) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return pause + pause/4*time.Duration(h.Sum32()%1000)/1000
}
