package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

// dailyWindow is how often one sender gets the replies of this file and of stranger.go.
const dailyWindow = 24 * time.Hour

// takeOther takes text that is neither a login request nor a command. People write to this number because they are not
// well; what a bot may say to them is one short message that names people who can help, and nothing when a person is
// already talking with them. Under the policy ignore their words cost nothing and leave no trace.
func (b *Bot) takeOther(ctx context.Context, t ticket) error {
	if b.cfg.Other.Policy != OtherReply {
		b.cfg.Counter.Count(kindOther, countIgnored)
		return nil
	}
	t.Reply = replyOther
	return b.accept(ctx, kindOther, gateOther, t, jobs.New{Kind: JobReply, Serial: "other:" + t.sender()})
}

// sendReply works a job of kind reply.send: one of the replies that a sender gets once a day.
func (b *Bot) sendReply(ctx context.Context, j jobs.Job) error {
	r, err := b.open(j.Payload)
	if err != nil {
		b.cfg.Counter.Count(kindOther, refusedFailed)
		return jobs.Permanent(err)
	}
	kind, data := kindOther, any(nil)
	switch r.Reply {
	case replyOther:
		data = otherData{Human: plain(b.cfg.Other.Human), Emergency: plain(b.cfg.Other.Emergency)}
	case replyStranger:
		kind, data = kindStranger, strangerData{WayOut: b.cfg.WayOut}
	default:
		return jobs.Permanent(errors.New("a reply that this version does not know"))
	}
	if b.age(r.ticket) > b.cfg.Times.SilentAfter {
		return b.refuse(ctx, kind, r, refusedTooOld)
	}
	if r.Reply == replyOther {
		if b.cfg.Other.Policy != OtherReply { // switched off while the job waited
			return b.refuse(ctx, kind, r, countIgnored)
		}
		// Looked up at the last moment: a human may have answered while the job waited. Login requests and commands
		// are answered in such a chat all the same, because by pressing the button the user asked for exactly that,
		// and the human cannot give it.
		human, err := b.humanTalks(ctx, r)
		if err != nil {
			return b.later(r, err)
		}
		if human {
			return b.refuse(ctx, kind, r, refusedHuman)
		}
	}
	return b.sendDaily(ctx, kind, r, data)
}

func (b *Bot) sendDaily(ctx context.Context, kind string, r request, data any) error {
	result, err := b.tell(ctx, r, notice{
		purpose: r.Reply, reply: r.Reply, data: data,
		once: Budget{Key: r.Reply + ":" + r.sender(), Burst: 1, Every: dailyWindow},
	})
	switch {
	case err != nil:
		return b.retry(ctx, kind, r, err)
	case result == crowded:
		return b.later(r, errCrowded)
	case result == silent:
		return b.refuse(ctx, kind, r, refusedDaily)
	}
	b.done(kind, r, countReplied)
	return nil
}

// humanTalks reports whether a human wrote in the chat lately.
func (b *Bot) humanTalks(ctx context.Context, r request) (bool, error) {
	last, err := b.cfg.Chats.LastHuman(ctx, r.sender())
	if err != nil {
		return false, fmt.Errorf("look for a human in the chat: %w", err)
	}
	return !last.IsZero() && b.cfg.Now().Sub(last) < b.cfg.Times.HumanQuiet, nil
}
