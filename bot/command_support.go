package bot

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

func runUser(ctx context.Context, b *Bot, a asker) (answer, error) {
	n, err := a.subject()
	if err != nil {
		return answer{}, err
	}
	p, err := b.cfg.Desk.Numbers.Person(ctx, n)
	if err != nil {
		return answer{}, err
	}
	if !p.Known() {
		said, err := b.say(a, replyNoUser, numberData{Number: n.Masked()})
		said.outcome, said.about = outcomeNothing, n
		return said, err
	}
	d := userData{
		Number: n.Masked(), UserID: p.User.ID, Roles: strings.Join(p.User.Roles, ", "), Sessions: p.User.Sessions, Contact: p.Contact,
		Patient: p.Patient, State: b.word(a.lang, p.State), Blocked: p.Block != nil,
	}
	switch {
	case p.FHIRAway:
		d.State = b.word(a.lang, "unknown")
	case p.User.ID == "":
		d.State = ""
	}
	if p.HasContact && p.Contact == "" {
		d.Contact = b.word(a.lang, "without id")
	}
	for _, at := range p.Logins {
		d.Logins = append(d.Logins, b.ago(a.lang, at))
	}
	if p.Block != nil {
		d.BlockReason, d.BlockLeft = oneLine(p.Block.Reason), b.left(a.lang, p.Block.Until)
	}
	if p.Revocation != nil {
		d.Refused, d.Revoked = p.Revocation.Refused, b.ago(a.lang, p.Revocation.At)
	}
	said, err := b.say(a, replyUser, d)
	said.about = n
	return said, err
}

// left is how long until a time; empty for none.
func (b *Bot) left(lang string, until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return b.span(lang, until.Sub(b.cfg.Now()))
}

func runSync(ctx context.Context, b *Bot, a asker) (answer, error) {
	n, err := a.subject()
	if err != nil {
		return answer{}, err
	}
	reply, outcome := replySynced, ""
	err = b.cfg.Desk.Numbers.Sync(ctx, n, a.replyID)
	if errors.Is(err, admin.ErrNoUser) {
		reply, outcome, err = replyNoUser, outcomeNothing, nil
	}
	return b.sayOf(a, n, reply, outcome, err)
}

// sayOf is an answer about a number that needs nothing but the number.
func (b *Bot) sayOf(a asker, n phone.Number, reply, outcome string, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	said, err := b.say(a, reply, numberData{Number: n.Masked()})
	said.outcome, said.about = outcome, n
	return said, err
}

func runRetry(ctx context.Context, b *Bot, a asker) (answer, error) {
	id, err := strconv.ParseInt(a.word(0), 10, 64)
	switch {
	case a.word(0) == "all":
		id = 0
	case err != nil || id <= 0:
		return answer{}, errUsage
	}
	n, err := b.cfg.Desk.Jobs.Retry(ctx, id)
	if err != nil && !errors.Is(err, admin.ErrNoDeadJob) {
		return answer{}, err
	}
	said, err := b.say(a, replyRetried, retriedData{Jobs: n})
	if n == 0 {
		said.outcome = outcomeNothing
	}
	return said, err
}

func runReview(ctx context.Context, b *Bot, a asker) (answer, error) {
	found, err := b.cfg.Desk.Cases.Review(ctx)
	if err != nil {
		return answer{}, err
	}
	d := reviewData{More: max(0, len(found)-rowsShown)}
	for _, c := range found[:min(rowsShown, len(found))] {
		d.Cases = append(d.Cases, caseLine{
			ID: c.ID, Number: c.Number, Resource: c.Resource, Why: b.word(a.lang, c.Why), Age: b.ago(a.lang, c.Opened),
			Candidates: strings.Join(c.Candidates, " "),
		})
	}
	return b.say(a, replyReview, d)
}

// caseOf finds the case that the first word names, among those that wait; nil when there is none.
func caseOf(ctx context.Context, b *Bot, a asker) (*admin.Case, error) {
	id, err := strconv.ParseInt(a.word(0), 10, 64)
	if err != nil || id <= 0 {
		return nil, errUsage
	}
	found, err := b.cfg.Desk.Cases.Review(ctx)
	for _, c := range found {
		if c.ID == id {
			return &c, err
		}
	}
	return nil, err
}

func askApprove(ctx context.Context, b *Bot, a asker) (answer, error) {
	c, err := caseOf(ctx, b, a)
	if err != nil || c == nil {
		return b.noCase(a, err)
	}
	ref := a.word(1)
	if ref == "" && len(c.Candidates) == 1 {
		ref = c.Candidates[0]
	}
	known := false
	for _, candidate := range c.Candidates {
		known = known || candidate == ref
	}
	if !known {
		said, err := b.say(a, replyPick, caseData{ID: c.ID, Candidates: strings.Join(c.Candidates, " ")})
		said.outcome = outcomeUsage
		return said, err
	}
	said, err := b.say(a, replyApproveAsk, caseData{ID: c.ID, Number: c.Number, Reference: ref, Why: b.word(a.lang, c.Why)})
	said.words = []string{a.word(0), ref} // the one that is shown, whatever the case's resources become
	return said, err
}

func askSeparate(ctx context.Context, b *Bot, a asker) (answer, error) {
	c, err := caseOf(ctx, b, a)
	if err != nil || c == nil {
		return b.noCase(a, err)
	}
	return b.say(a, replySeparateAsk, caseData{ID: c.ID, Number: c.Number, Resource: c.Resource, Candidates: strings.Join(c.Candidates, " ")})
}

func (b *Bot) noCase(a asker, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	said, err := b.say(a, replyNoCase, nil)
	said.outcome = outcomeNothing
	return said, err
}

func runApprove(ctx context.Context, b *Bot, a asker) (answer, error) {
	return b.decide(ctx, a, true, a.word(1), replyApproved)
}

func runSeparate(ctx context.Context, b *Bot, a asker) (answer, error) {
	return b.decide(ctx, a, false, "", replySeparated)
}

func (b *Bot) decide(ctx context.Context, a asker, approve bool, ref, reply string) (answer, error) {
	id, err := strconv.ParseInt(a.word(0), 10, 64)
	if err != nil {
		return answer{}, errUsage
	}
	err = b.cfg.Desk.Cases.Decide(ctx, id, approve, ref, a.who())
	if errors.Is(err, admin.ErrNoCase) {
		return b.noCase(a, nil)
	}
	if err != nil {
		return answer{}, err
	}
	return b.say(a, reply, caseData{ID: id})
}

func runBlock(ctx context.Context, b *Bot, a asker) (answer, error) {
	n, err := a.subject()
	if err != nil {
		return answer{}, err
	}
	if b.levels[n] > Anyone { // or a helper could lock out who might put it right
		return b.sayOf(a, n, replyIsAdmin, outcomeDenied, nil)
	}
	var until time.Time
	reason := a.words[1:]
	if d, ok := spanOf(a.word(1)); ok {
		until, reason = a.at.Add(d), a.words[2:]
	}
	if err := b.cfg.Desk.Numbers.Block(ctx, n, until, strings.Join(reason, " "), a.who()); err != nil {
		return answer{}, err
	}
	said, err := b.say(a, replyBlocked, blockedData{Number: n.Masked(), Left: b.left(a.lang, until)})
	said.about = n
	return said, err
}

// spanOf reads 30m, 12h, 7d or 2w.
func spanOf(s string) (time.Duration, bool) {
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if len(s) < 2 || len(s) > 5 {
		return 0, false
	}
	unit, ok := units[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
	return time.Duration(n) * unit, ok && err == nil && n > 0 //nolint:gosec // four digits
}

func runUnblock(ctx context.Context, b *Bot, a asker) (answer, error) {
	n, err := a.subject()
	if err != nil {
		return answer{}, err
	}
	// Who may revoke may lift what a revocation brought; nobody else.
	lifted, err := b.cfg.Desk.Numbers.Unblock(ctx, n, may(a.level, b.commands.byName[commandRevoke]))
	switch {
	case err != nil:
		return answer{}, err
	case lifted.StillRefused:
		said, err := b.say(a, replyStillRefused, liftedData{Number: n.Masked(), Lifted: lifted.Block})
		if said.about = n; !lifted.Block {
			said.outcome = outcomeDenied
		}
		return said, err
	case !lifted.Block && !lifted.Refusal:
		return b.sayOf(a, n, replyNotBlocked, outcomeNothing, nil)
	}
	return b.sayOf(a, n, replyUnblocked, "", nil)
}
