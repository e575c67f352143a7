package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

// The budget of commands of one admin.
const (
	commandBurst = 10
	commandEvery = 6 * time.Second
)

// runCommand works a command. A command that comes late is not run, whatever it does, because the admin may have
// thought better of it. Over the admin's own budget nothing is run and nothing is said.
func (b *Bot) runCommand(ctx context.Context, j jobs.Job) error {
	r, err := b.open(j.Payload)
	if err != nil || r.number.IsZero() {
		b.cfg.Counter.Count(kindCommand, refusedFailed)
		return jobs.Permanent(errors.Join(err, errors.New("not a command that this version can run")))
	}
	if b.age(r.ticket) > b.cfg.Times.SilentAfter {
		return b.refuse(ctx, kindCommand, r, refusedTooOld)
	}
	if b.levels[r.number] == Anyone && b.commands.byName[r.Command].level > Anyone {
		// No admin any more: to such a number there are no commands, and nothing tells of them.
		return b.refuse(ctx, kindCommand, r, refusedDenied)
	}
	id := b.replyID(r.ticket, purposeAnswer)
	empty, err := b.cfg.Budgets.Spend(ctx, id, b.cfg.Now(),
		Budget{Key: "command:" + r.Digits, Burst: commandBurst, Every: commandEvery}, budget(keyGlobal, b.cfg.Limits.Global))
	switch {
	case err != nil:
		return b.later(r, fmt.Errorf("spend the budget of commands: %w", err))
	case empty == keyGlobal:
		return b.later(r, errCrowded)
	case empty != "":
		return b.refuse(ctx, kindCommand, r, refusedLimited)
	}
	return b.answerCommand(ctx, r, id)
}

func (b *Bot) answerCommand(ctx context.Context, r request, id string) error {
	text, reason, err := b.commandText(ctx, r)
	switch {
	case jobs.IsPermanent(err):
		return b.fail(ctx, kindCommand, r, err)
	case err != nil:
		return b.later(r, err)
	}
	if err := b.send(ctx, Outgoing{ID: id, Chat: r.Chat, Text: text}); err != nil {
		return b.retry(ctx, kindCommand, r, err)
	}
	if reason != "" {
		return b.refuse(ctx, kindCommand, r, reason)
	}
	b.done(kindCommand, r, countReplied)
	return nil
}

// commandText runs the command, or says why not; reason is then what is recorded. The level is looked up now, not when
// the message came: who is no admin any more runs nothing.
func (b *Bot) commandText(ctx context.Context, r request) (text, reason string, err error) {
	a := asker{number: r.number, level: b.levels[r.number], lang: r.lang, words: r.Words}
	row, known := b.commands.byName[r.Command]
	reply := replyUnknown
	switch {
	case b.isStale(r.ticket):
		reply, reason = replyLate, refusedStale
	case known && may(a.level, row):
		text, err = row.run(ctx, b, a)
		return text, "", err
	case known:
		reply, reason = replyDenied, refusedDenied
	}
	text, err = b.replies.render(r.lang, reply, nil)
	return text, reason, err
}
