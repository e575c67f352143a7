package bot

import (
	"context"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

// ReceiveStranger takes one message whose sender hides the number. It logs nobody in and runs no command, whatever the
// address looks like: a hidden address is made of digits that can equal an administrator's number. A login phrase is
// answered with the way out, once a day; anything else is other text, as from everybody.
func (b *Bot) ReceiveStranger(ctx context.Context, s Stranger) error {
	t := ticket{Chat: s.Chat, ID: s.ID, SentAt: s.SentAt.UnixMilli()}
	if _, login := b.loginIn(s.Text); !login {
		return b.takeOther(ctx, t)
	}
	t.Reply = replyStranger
	return b.accept(ctx, gateLeast, t, Accepted{Kind: kindStranger, Job: jobs.New{Kind: JobReply, Serial: "stranger:" + t.Chat}})
}
