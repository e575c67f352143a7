package bot

import (
	"context"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/rs/zerolog"
)

// The kinds of jobs that a Bot adds and works. They need the line, so they run only in the process that owns it.
const (
	JobLogin   = "login.answer"
	JobReply   = "reply.send"
	JobCommand = "command.run"
)

// Bot decides what messages mean and answers them. Its methods may be called concurrently.
type Bot struct {
	cfg      Config
	phrases  phrases
	replies  *replies
	commands commandTable
	levels   map[phone.Number]Level
	gate     *gate
	told     *seen // notices that need not be tried again; forgetting one sends the same bubble again
	log      zerolog.Logger
}

// New checks the configuration and loads the replies; a reply that is broken, missing or unknown is refused here, with
// its file and key.
func New(cfg Config) (*Bot, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	b := &Bot{cfg: cfg, commands: newCommandTable(commandRows()), gate: newGate(), told: &seen{}, log: cfg.Log}
	if b.phrases, err = newPhrases(cfg.Phrases); err != nil {
		return nil, err
	}
	if b.levels, err = adminLevels(cfg.Admins); err != nil {
		return nil, err
	}
	if b.replies, err = loadReplies(cfg.Language, b.commands.helpKeys()); err != nil {
		return nil, err
	}
	return b, nil
}

// Receive takes one message whose sender's number is certain. It costs one transaction, or nothing at all for text that
// is not ours. nil means that the message is committed or not ours; with an error it must come again.
func (b *Bot) Receive(ctx context.Context, m Message) error {
	if m.From.IsZero() {
		b.cfg.Counter.Count(kindLogin, refusedMisdirected)
		b.log.Error().Msg("message without a number given as one with a number; dropped")
		return nil
	}
	t := ticket{Digits: m.From.Digits(), Chat: m.Chat, ID: m.ID, SentAt: m.SentAt.UnixMilli()}
	reference, login := b.loginIn(m.Text)
	switch {
	case login:
		t.Reference = reference
		return b.takeLogin(ctx, t, m)
	case b.isCommand(m.From, m.Text):
		return b.takeCommand(ctx, t, m.Text)
	default:
		return b.takeOther(ctx, t)
	}
}

// loginIn says whether the whole message is one of the phrases, perhaps with a reference behind it.
func (b *Bot) loginIn(text string) (reference string, ok bool) {
	if b.phrases.match(text) {
		return "", true
	}
	if !b.cfg.Reference {
		return "", false
	}
	rest, reference := withReference(text)
	if reference == "" || !b.phrases.match(rest) {
		return "", false
	}
	return reference, true
}

// HumanWrote remembers that the account's owner answered a chat. It is remembered under every policy, so that the bot
// keeps out of a conversation also when the policy changes in the middle of it.
func (b *Bot) HumanWrote(ctx context.Context, chat string, at time.Time) error {
	if err := b.cfg.Chats.HumanWrote(ctx, chat, at); err != nil {
		return fmt.Errorf("remember that a human wrote: %w", err)
	}
	return nil
}

// Handlers are the workers of the jobs that Receive adds, by kind.
func (b *Bot) Handlers() map[string]jobs.Handler {
	return map[string]jobs.Handler{JobLogin: b.answerLogin, JobReply: b.sendReply, JobCommand: b.runCommand, admin.JobTellAdmin: b.tellAdmin}
}

// takeLogin accepts a login request. Requests of one number are worked one at a time and in order, but those that are
// late on arrival, as after an outage, stand in a queue of their own: they may have to wait for the budget of notices,
// and a fresh tap must not wait behind them.
func (b *Bot) takeLogin(ctx context.Context, t ticket, m Message) error {
	serial := "login:" + t.Digits
	if b.isStale(t) {
		t.Late = true
		serial = "late:" + t.Digits
	}
	limit := gateLimit(b.cfg.Limits.Number)
	return b.accept(ctx, limit, t, Accepted{Kind: kindLogin, Hidden: m.Hidden, Name: m.PushName, Job: jobs.New{Kind: JobLogin, Serial: serial}})
}

// accept commits a message with its job, unless the sender floods us. It completes a with what t says.
func (b *Bot) accept(ctx context.Context, limit int, t ticket, a Accepted) error {
	kind := a.Kind
	key := gateKeyOf(kind, t.sender(), t.sentAt())
	if !b.gate.enter(key, limit, b.cfg.Now()) {
		b.cfg.Counter.Count(kind, countFlood)
		return nil
	}
	var err error
	a.Sender, a.ID, a.At, a.Job.Key = t.sender(), t.ID, t.sentAt(), b.replyID(t, purposeAnswer)
	a.Job.Request = a.Job.Key // the answer's id says nothing about whose it is
	if a.Job.Payload, err = t.payload(); err != nil {
		return err
	}
	fresh, err := b.cfg.Inbox.Accept(ctx, a)
	if err != nil {
		b.gate.leave(key)
		b.cfg.Counter.Count(kind, countStoreOut)
		return fmt.Errorf("accept message: %w", err)
	}
	if !fresh {
		b.cfg.Counter.Count(kind, countDuplicate)
		return nil
	}
	b.cfg.Counter.Count(kind, countAccepted)
	b.cfg.Wake()
	return nil
}

func (b *Bot) replyID(t ticket, purpose string) string {
	return ReplyID(b.cfg.IDKey, t.sender(), t.ID, purpose)
}
