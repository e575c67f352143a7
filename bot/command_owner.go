package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
)

// scanTime is how long a scan may take while somebody waits in the chat.
const scanTime = 45 * time.Second

const commandRevoke = "revoke"

// refuseWord after a number asks that it gets no new links.
const refuseWord = "refuse"

func askRevoke(_ context.Context, b *Bot, a asker) (answer, error) {
	n, err := a.subject()
	if err != nil || (a.word(1) != "" && a.word(1) != refuseWord) {
		return answer{}, errUsage
	}
	said, err := b.say(a, replyRevokeAsk, revokeData{Number: n.Masked(), Refused: a.word(1) == refuseWord})
	said.about = n
	return said, err
}

func runRevoke(ctx context.Context, b *Bot, a asker) (answer, error) {
	n, err := a.subject()
	if err != nil {
		return answer{}, err
	}
	refuse := a.word(1) == refuseWord
	done, err := b.cfg.Desk.Owner.Revoke(ctx, n, refuse, a.who())
	if err != nil {
		return answer{about: n}, err
	}
	said, err := b.say(a, replyRevoked, revokeData{Number: n.Masked(), Refused: refuse, Sessions: done.Sessions})
	said.about = n
	return said, err
}

func askPause(_ context.Context, b *Bot, a asker) (answer, error) {
	return b.say(a, replyPauseAsk, nil)
}

func runPause(ctx context.Context, b *Bot, a asker) (answer, error) {
	if err := b.cfg.Desk.Owner.Pause(ctx, strings.Join(a.words, " "), a.who()); err != nil {
		return answer{}, err
	}
	return b.say(a, replyPauseOn, nil)
}

func runResume(ctx context.Context, b *Bot, a asker) (answer, error) {
	was, err := b.cfg.Desk.Owner.Resume(ctx)
	if err != nil {
		return answer{}, err
	}
	if !was {
		said, err := b.say(a, replyNoPause, nil)
		said.outcome = outcomeNothing
		return said, err
	}
	return b.say(a, replyPauseOff, nil)
}

func runScan(ctx context.Context, b *Bot, a asker) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	var d scanData
	err := b.cfg.Desk.Cases.Scan(ctx, func(found admin.Duplicate) {
		if d.Total++; d.Total <= rowsShown {
			d.Found = append(d.Found, scanLine{Of: b.word(a.lang, found.Of), Who: found.Who, References: strings.Join(found.References, " ")})
		}
	})
	d.More = d.Total - len(d.Found)
	switch {
	case errors.Is(err, admin.ErrOff):
		said, err := b.say(a, replyScanOff, nil)
		said.outcome = outcomeNothing
		return said, err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		said, err := b.say(a, replyScanLong, nil)
		said.outcome = outcomeFailed
		return said, err
	case err != nil:
		return answer{}, err
	}
	return b.say(a, replyScan, d)
}

func askForget(_ context.Context, b *Bot, a asker) (answer, error) {
	n, err := a.subject()
	if err != nil {
		return answer{}, err
	}
	if b.levels[n] > Anyone { // the audit has to say what an admin did
		return b.sayOf(a, n, replyIsAdmin, outcomeDenied, nil)
	}
	said, err := b.say(a, replyForgetAsk, numberData{Number: n.Masked()})
	said.about = n
	return said, err
}

// runForget erases. The audit row of the command names nobody: it would bring the number back. After a crash the words may
// be gone with the number, and the answer is kept under the answer's id.
func runForget(ctx context.Context, b *Bot, a asker) (answer, error) {
	n, _ := a.subject() // zero: erased already
	left, err := b.cfg.Desk.Owner.Forget(ctx, n, a.replyID, a.who())
	if errors.Is(err, admin.ErrNoErasure) {
		err = errUsage
	}
	if err != nil {
		return answer{}, err
	}
	shown := left.Number
	if !n.IsZero() {
		shown = n.Masked()
	}
	known := left.Contact
	if left.HasContact && known == "" {
		known = b.word(a.lang, "without id")
	}
	return b.say(a, replyForgotten, forgottenData{
		Number: shown, UserID: left.UserID, Patient: left.Patient, Contact: known, Sessions: left.Ended.Sessions, FHIRAway: left.FHIRAway,
	})
}
