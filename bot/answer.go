package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
)

// The windows in which one number gets one notice of a kind.
const (
	staleWindow    = 6 * time.Hour
	limitedWindow  = time.Hour
	coreDownWindow = 10 * time.Minute
	failedWindow   = time.Hour
	unclearWindow  = 6 * time.Hour
	barredWindow   = time.Hour
)

// noticeWait is how long a request that grew stale in the queue of its number waits there for the line, to say so.
const noticeWait = 10 * time.Minute

// answerLogin works one login request: it ends with a link, or with one recorded reason why there is none.
//
// It may die after any step and start again. The message id is fixed, a budget is granted again to the request that
// spent it, the link is the same one while it lives, and what is sent twice under one id shows once. It never gives a
// job back as a counted failure before the request is too old for any word, so that a request cannot run out of
// attempts: time ends it.
func (b *Bot) answerLogin(ctx context.Context, j jobs.Job) error {
	r, err := b.open(j.Payload)
	if err != nil || r.number.IsZero() {
		b.cfg.Counter.Count(kindLogin, refusedFailed)
		return jobs.Permanent(errors.Join(err, errors.New("not a login request that this version can answer")))
	}
	r.blocks = !r.Late
	if b.age(r.ticket) > b.cfg.Times.SilentAfter {
		return b.refuse(ctx, kindLogin, r, refusedTooOld)
	}
	barred, err := b.cfg.Bars.Bar(ctx, r.number, time.Time{})
	switch {
	case err != nil:
		b.cfg.Counter.Count(kindLogin, countStoreOut)
		return b.later(r, fmt.Errorf("look whether the number is barred: %w", err))
	case barred != "":
		return b.answerBarred(ctx, r, barred)
	case b.isStale(r.ticket):
		return b.answerStale(ctx, r)
	default:
		return b.answerFresh(ctx, r)
	}
}

// answerStale asks the user to tap again, at most once in a while. Where a fresh tap may stand behind the request, it waits
// for the line only while that may be a short trouble, and for the budget of notices not at all: it goes on waiting among
// those that were late on arrival. Whoever has got a link for a later tap is asked nothing any more.
func (b *Bot) answerStale(ctx context.Context, r request) error {
	if r.Late {
		last, err := b.cfg.Chats.LastLogin(ctx, r.number, b.replyID(r.ticket, purposeAnswer))
		switch {
		case err != nil:
			b.cfg.Counter.Count(kindLogin, countStoreOut)
			return b.later(r, fmt.Errorf("look for the last login: %w", err))
		case r.sentAt().Before(last):
			return b.refuse(ctx, kindLogin, r, refusedSuperseded)
		}
	}
	told, err := b.tell(ctx, r, notice{
		purpose: purposeAnswer, reply: replyStale, once: Budget{Key: "stale:" + r.Digits, Burst: 1, Every: staleWindow},
	})
	switch {
	case err != nil && r.blocks && !jobs.IsPermanent(err) && b.age(r.ticket) > b.cfg.Times.StaleAfter+noticeWait,
		told == crowded && r.blocks:
		return b.standAside(ctx, r)
	case err != nil:
		return b.retry(ctx, kindLogin, r, err)
	case told == crowded:
		return b.later(r, errCrowded)
	default:
		return b.refuse(ctx, kindLogin, r, refusedStale)
	}
}

// standAside lets a stale request wait where it is in nobody's way, and so finishes its job here.
func (b *Bot) standAside(ctx context.Context, r request) error {
	t := r.ticket
	t.Late = true
	payload, err := t.payload()
	if err != nil {
		return err
	}
	id := b.replyID(t, purposeAnswer)
	err = b.cfg.Inbox.Postpone(ctx, jobs.New{Kind: JobLogin, Key: id + "/late", Serial: "late:" + t.Digits, Payload: payload, Request: id})
	if err != nil {
		b.cfg.Counter.Count(kindLogin, countStoreOut)
		return b.later(r, fmt.Errorf("let a stale request wait: %w", err))
	}
	b.cfg.Wake()
	return nil
}

func (b *Bot) answerFresh(ctx context.Context, r request) error {
	id := b.replyID(r.ticket, purposeAnswer)
	last, err := b.cfg.Chats.LastLogin(ctx, r.number, id)
	if err != nil {
		b.cfg.Counter.Count(kindLogin, countStoreOut)
		return b.later(r, fmt.Errorf("look for the last login: %w", err))
	}
	if c := b.cfg.Times.Coalesce; c > 0 && !last.IsZero() && r.sentAt().Before(last.Add(c)) {
		if r.sentAt().Before(last.Add(-c)) {
			// It overtook: a link for it would kill the link of the later request, which the user will open.
			return b.refuse(ctx, kindLogin, r, refusedSuperseded)
		}
		if err := b.tieNewest(ctx, r, last); err != nil {
			b.cfg.Counter.Count(kindLogin, countStoreOut)
			return b.later(r, err)
		}
		return b.refuse(ctx, kindLogin, r, refusedCoalesced)
	}
	empty, err := b.cfg.Budgets.Spend(ctx, id, b.cfg.Now(), b.linkBudgets(r, last.IsZero())...)
	switch {
	case err != nil:
		b.cfg.Counter.Count(kindLogin, countStoreOut)
		return b.later(r, fmt.Errorf("spend the login budget: %w", err))
	case empty == keyGlobal:
		b.cfg.Counter.Count(kindLogin, countCrowded)
		return b.later(r, errCrowded) // paced: it is answered in a moment, or becomes stale
	case empty != "":
		return b.answerLimited(ctx, r, empty)
	}
	return b.sendLink(ctx, r, id)
}

// tieNewest lets the browser that the user turned to last go on with the link that the chat has already, when a coalesced
// request names another login than the one that was answered.
func (b *Bot) tieNewest(ctx context.Context, r request, last time.Time) error {
	if b.cfg.TieNewest == nil || r.Reference == "" || r.sentAt().Before(last) {
		return nil
	}
	return b.cfg.TieNewest(ctx, r.number, r.Reference)
}

// Budgets that everybody shares.
const (
	keyGlobal     = "global"
	keyNotices    = "notices"
	keyNewNumbers = "new"
)

// linkBudgets are what one link costs, narrowest first. Those that carry digits are spent by the number's own messages
// only, so nobody can lock out somebody else. A number that never had a link also spends from what all new numbers
// share: a flood from many numbers stops there and leaves the global budget to those who are known.
func (b *Bot) linkBudgets(r request, isNew bool) []Budget {
	l := b.cfg.Limits
	budgets := []Budget{
		budget("login:"+r.Digits, l.Number), budget("day:"+r.Digits, l.NumberDay),
	}
	if isNew {
		budgets = append(budgets, budget(keyNewNumbers, l.NewNumbers))
	}
	return append(budgets, budget(keyGlobal, l.Global))
}

func budget(key string, r Rate) Budget { return Budget{Key: key, Burst: r.Burst, Every: r.Every} }

// answerLimited tells a number once in a while that it asks too often, and then keeps silent.
func (b *Bot) answerLimited(ctx context.Context, r request, empty string) error {
	wait, reason := b.cfg.Limits.Number.Every, refusedLimited
	switch empty {
	case "day:" + r.Digits:
		wait, reason = b.cfg.Limits.NumberDay.Every, refusedLimitedDay
	case keyNewNumbers:
		wait, reason = b.cfg.Limits.NewNumbers.Every, refusedLimitedNew
	}
	_, err := b.tell(ctx, r, notice{
		purpose: purposeLimited, reply: replyLimited, data: limitedData{Minutes: minutesUp(wait)},
		once: Budget{Key: "limited:" + r.Digits, Burst: 1, Every: limitedWindow},
	})
	if err != nil {
		return b.retry(ctx, kindLogin, r, err)
	}
	return b.refuse(ctx, kindLogin, r, reason)
}

// answerBarred ends a request of a number that may not sign in now. Who is blocked hears nothing, like somebody who
// floods; the others are told once in a while, because they did nothing wrong.
func (b *Bot) answerBarred(ctx context.Context, r request, reason string) error {
	replies := map[string]string{refusedPaused: replyPaused, refusedRevoked: replyRefused}
	if reply, told := replies[reason]; told {
		_, err := b.tell(ctx, r, notice{
			purpose: purposeBarred, reply: reply, once: Budget{Key: reason + ":" + r.Digits, Burst: 1, Every: barredWindow},
		})
		if err != nil {
			return b.retry(ctx, kindLogin, r, err)
		}
	}
	return b.refuse(ctx, kindLogin, r, reason)
}

// sendLink makes the link and sends it.
//
// A spent link ends the request in silence. The link was made by an earlier run, and its message may be in the chat: a
// link under another id would be a second bubble. If that run died before it sent anything, nothing is lost either: a
// link that nobody saw can only be spent because the number signed in by an older link meanwhile, or because a later
// request took its place, or because it expired, and requests are stale long before that.
func (b *Bot) sendLink(ctx context.Context, r request, id string) error {
	link, err := b.createLink(ctx, r, id)
	switch {
	case errors.Is(err, ErrLinkSpent):
		b.done(kindLogin, r, countSpent)
		return nil
	case errors.Is(err, ErrAccountUnclear):
		return b.layAside(ctx, kindLogin, r, notice{
			purpose: purposeFailed, reply: replyUnclear, data: strangerData{WayOut: b.cfg.WayOut},
			once: Budget{Key: "unclear:" + r.Digits, Burst: 1, Every: unclearWindow},
		}, refusedUnclear, err)
	case jobs.IsPermanent(err):
		return b.fail(ctx, kindLogin, r, err)
	case err != nil:
		b.tellCoreDown(ctx, r)
		return b.later(r, err)
	}
	reply := replyLink
	if link.Code != "" {
		reply = replyLinkCode
	}
	text, err := b.replies.render(r.lang, reply, linkData{
		URL: link.URL, Number: r.number.Masked(), Minutes: minutesLeft(link.Expires.Sub(b.cfg.Now())), Code: link.Code,
	})
	if err != nil {
		return b.fail(ctx, kindLogin, r, err)
	}
	if err := b.send(ctx, Outgoing{ID: id, Chat: r.Chat, Text: text}); err != nil {
		return b.retry(ctx, kindLogin, r, err)
	}
	b.cfg.LinkSent(b.age(r.ticket))
	b.done(kindLogin, r, countLink)
	return nil
}

func (b *Bot) createLink(ctx context.Context, r request, id string) (Link, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Times.Core)
	defer cancel()
	link, err := b.cfg.Links.CreateLink(ctx, LinkRequest{
		Number: r.number, ReplyID: id, Requested: r.sentAt(), Reference: r.Reference,
	})
	if err != nil {
		return Link{}, fmt.Errorf("create link: %w", err)
	}
	if !isURLText(link.URL) {
		return Link{}, jobs.Permanent(errors.New("create link: what came is not one line of URL"))
	}
	return link, nil
}

// tellCoreDown says once that the link will come later. The request goes on being tried, and a user who could not be
// told gets the link all the same, so nothing here is an error to anybody.
func (b *Bot) tellCoreDown(ctx context.Context, r request) {
	id := b.replyID(r.ticket, purposeCoreDown)
	if b.told.has(id) || ctx.Err() != nil {
		return
	}
	told, err := b.tell(ctx, r, notice{
		purpose: purposeCoreDown, reply: replyCoreDown, data: coreDownData{Minutes: minutesUp(b.cfg.Times.StaleAfter)},
		once: Budget{Key: "core:" + r.Digits, Burst: 1, Every: coreDownWindow},
	})
	if err != nil || told == crowded {
		return
	}
	b.told.add(id)
	b.cfg.Counter.Count(kindLogin, countCoreDown)
}
