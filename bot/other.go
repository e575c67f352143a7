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
	return b.accept(ctx, gateOther, t, Accepted{Kind: kindOther, Job: jobs.New{Kind: JobReply, Serial: "other:" + t.sender()}})
}

// sendReply works a job of kind reply.send: one of the replies that a sender gets once a day.
func (b *Bot) sendReply(ctx context.Context, j jobs.Job) error {
	r, err := b.open(j.Payload)
	if err != nil {
		b.cfg.Counter.Count(kindOther, refusedFailed)
		return jobs.Permanent(err)
	}
	switch r.Reply {
	case replyOther:
		return b.answerOther(ctx, r)
	case replyStranger:
		return b.sendDaily(ctx, kindStranger, r, strangerData{WayOut: b.cfg.WayOut})
	default:
		b.cfg.Counter.Count(kindOther, refusedFailed)
		return jobs.Permanent(errors.New("a reply that this version does not know"))
	}
}

// answerOther looks at the last moment whether it should speak: a human may have answered, or the policy may have
// changed, while the job waited. Login requests and commands are answered in a chat with a human all the same, because
// by pressing the button the user asked for exactly that, and the human cannot give it.
func (b *Bot) answerOther(ctx context.Context, r request) error {
	if b.cfg.Other.Policy != OtherReply {
		return b.refuse(ctx, kindOther, r, countIgnored)
	}
	human, err := b.humanTalks(ctx, r)
	if err != nil {
		return b.later(r, err)
	}
	if human {
		return b.refuse(ctx, kindOther, r, refusedHuman)
	}
	return b.sendDaily(ctx, kindOther, r, otherData{Human: b.cfg.Other.Human, Emergency: b.cfg.Other.Emergency})
}

func (b *Bot) sendDaily(ctx context.Context, kind string, r request, data any) error {
	if b.age(r.ticket) > b.cfg.Times.SilentAfter {
		return b.refuse(ctx, kind, r, refusedTooOld)
	}
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
