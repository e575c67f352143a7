package bot

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

// The budget of commands of one admin, and that of audit rows about commands that are over it or too old.
const (
	commandBurst = 10
	commandEvery = 6 * time.Second
	refusedBurst = 10
	refusedEvery = time.Minute
)

// commandPatience is for how long a command that something did not answer to is tried again before its asker is told.
const commandPatience = 15 * time.Second

// runCommand works a command. A command that comes late is not run, whatever it does, because the admin may have
// thought better of it; one that has begun is. Over the admin's own budget nothing is run and nothing is said.
func (b *Bot) runCommand(ctx context.Context, j jobs.Job) error {
	r, err := b.open(j.Payload)
	if err != nil || r.number.IsZero() {
		b.cfg.Counter.Count(kindCommand, refusedFailed)
		return jobs.Permanent(errors.Join(err, errors.New("not a command that this version can run")))
	}
	if b.age(r.ticket) > b.cfg.Times.SilentAfter {
		begun, err := b.isBegun(ctx, r)
		switch {
		case err != nil:
			return b.later(r, fmt.Errorf("look for what was begun: %w", err))
		case !begun:
			return b.refuseCommand(ctx, r, refusedTooOld)
		}
	}
	if b.levels[r.number] == Anyone && b.commands.byName[r.Command].level > Anyone {
		// No admin any more: to such a number there are no commands, and nothing tells of them.
		return b.refuseCommand(ctx, r, refusedDenied)
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
		return b.refuseCommand(ctx, r, refusedLimited)
	}
	return b.answerCommand(ctx, r, id)
}

// refuseCommand ends a command that is not even answered, and writes that down. A flood of them stops being written, so
// that nobody can fill the audit.
func (b *Bot) refuseCommand(ctx context.Context, r request, reason string) error {
	if r.Command == "" {
		return b.refuse(ctx, kindCommand, r, reason)
	}
	id := b.replyID(r.ticket, purposeAnswer)
	full, err := b.cfg.Budgets.Spend(ctx, id, b.cfg.Now(), Budget{Key: "audited:" + r.Digits, Burst: refusedBurst, Every: refusedEvery})
	if err != nil {
		return b.later(r, fmt.Errorf("spend the budget of the audit: %w", err))
	}
	if full == "" {
		e := admin.Entry{By: admin.Who{Number: r.number}, Command: r.Command, Outcome: outcomeRefused + reason, ReplyID: id}
		if err := b.cfg.Desk.Talk.Record(ctx, e); err != nil {
			return b.later(r, fmt.Errorf("audit a command: %w", err))
		}
	}
	return b.refuse(ctx, kindCommand, r, reason)
}

// answerCommand runs the command, writes it down, and answers, in this order: what was done is in the audit although its
// answer may be lost.
func (b *Bot) answerCommand(ctx context.Context, r request, id string) error {
	a := asker{number: r.number, level: b.levels[r.number], lang: r.lang, words: r.Words, replyID: id, at: r.sentAt()}
	e := admin.Entry{By: a.who(), Command: r.Command, ReplyID: id}
	said, reason, err := b.commandAnswer(ctx, r, a, &e)
	failed := jobs.IsPermanent(err)
	switch {
	case err != nil && !failed:
		return b.later(r, err)
	case failed:
		said.outcome = outcomeFailed
	}
	if e.Outcome, e.About = said.outcome, said.about; e.Outcome == "" {
		e.Outcome = outcomeDone
	}
	if e.Command != "" {
		if err := b.cfg.Desk.Talk.Record(ctx, e); err != nil {
			return b.later(r, fmt.Errorf("audit a command: %w", err))
		}
	}
	if failed {
		return b.fail(ctx, kindCommand, r, err)
	}
	if err := b.send(ctx, Outgoing{ID: id, Chat: r.Chat, Text: said.text}); err != nil {
		return b.retry(ctx, kindCommand, r, err)
	}
	if reason != "" {
		return b.refuse(ctx, kindCommand, r, reason)
	}
	b.done(kindCommand, r, countReplied)
	return nil
}

// commandAnswer runs the command, or says why not; reason is then what is recorded. The level is looked up now, not when
// the message came: who is no admin any more runs nothing. A yes is written down as the command that it allows.
func (b *Bot) commandAnswer(ctx context.Context, r request, a asker, e *admin.Entry) (said answer, reason string, err error) {
	row, known := b.commands.byName[r.Command]
	begun := false
	if b.isStale(r.ticket) {
		if begun, err = b.isBegun(ctx, r); err != nil {
			return said, "", err
		}
	}
	switch {
	case b.isStale(r.ticket) && !begun:
		said, err = b.say(a, replyLate, nil)
		said.outcome, reason = outcomeLate, refusedStale
	case known && row.name == commandYes:
		said, err = b.runYes(ctx, a, e)
	case known && may(a.level, row):
		said, err = b.runRow(ctx, row, a)
	case known:
		said, err = b.say(a, replyDenied, nil)
		said.outcome, reason = outcomeDenied, refusedDenied
	default:
		said, err = b.say(a, replyUnknown, nil)
	}
	if err != nil && !jobs.IsPermanent(err) && b.age(r.ticket) >= commandPatience {
		b.log.Warn().Str("reason", jobs.Reason(err)).Str("command", e.Command).Msg("a command could not be done")
		said, err = b.say(a, replyNotNow, nil)
		said.outcome = outcomeFailed
	}
	return said, reason, err
}

// isBegun reports whether a command is a yes that was taken before: what a crash interrupted is brought to its end, however
// late.
func (b *Bot) isBegun(ctx context.Context, r request) (bool, error) {
	if r.Command != commandYes {
		return false, nil
	}
	return b.cfg.Desk.Talk.Begun(ctx, r.number, b.replyID(r.ticket, purposeAnswer))
}

// runRow runs a command, or asks first whether it is meant.
func (b *Bot) runRow(ctx context.Context, row commandRow, a asker) (said answer, err error) {
	if row.ask != nil {
		said, err = b.question(ctx, row, a)
	} else {
		said, err = row.run(ctx, b, a)
	}
	if errors.Is(err, errUsage) {
		said, err = b.usage(row, a)
	}
	return said, err
}

// say is an answer made of one reply.
func (b *Bot) say(a asker, reply string, data any) (answer, error) {
	text, err := b.replies.render(a.lang, reply, data)
	return answer{text: text}, err
}

func (b *Bot) usage(row commandRow, a asker) (answer, error) {
	help, err := b.replies.render(a.lang, row.help, nil)
	if err != nil {
		return answer{}, err
	}
	said, err := b.say(a, replyUsage, usageData{Usage: b.usageLine(row, a.lang), Help: help})
	said.outcome = outcomeUsage
	return said, err
}

var argument = regexp.MustCompile(`[a-z]+`)

// usageLine is how a command is written, such as "/block <number> [time] [reason]".
func (b *Bot) usageLine(row commandRow, lang string) string {
	if row.args == "" {
		return "/" + row.name
	}
	return "/" + row.name + " " + argument.ReplaceAllStringFunc(row.args, func(w string) string {
		if _, fixed := fixedWords()[w]; fixed {
			return w // typed as it stands here
		}
		return b.word(lang, w)
	})
}

// fixedWords are arguments that have to be typed as they are, in every language.
func fixedWords() map[string]struct{} {
	return map[string]struct{}{"day": {}, "week": {}, "dead": {}, "waiting": {}, "all": {}, "refuse": {}}
}
