package bot

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
)

const (
	commandYes = "yes"
	yesWithin  = 2 * time.Minute // how long a question waits for its yes
	codeLength = 4
	// codeLetters leaves out what looks alike.
	codeLetters = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
)

// question asks whether a command is meant. Its code follows from the id of the answer, so that the same question asked
// again after a crash has the code that the chat shows.
func (b *Bot) question(ctx context.Context, row commandRow, a asker) (answer, error) {
	what, err := row.ask(ctx, b, a)
	if err != nil || what.outcome != "" {
		return what, err
	}
	if what.words != nil {
		a.words = what.words
	}
	code := b.codeOf(a.replyID)
	err = b.cfg.Desk.Talk.Ask(ctx, admin.Question{
		Asker: a.number, Hash: b.codeHash(a, code), Command: row.name, Words: a.words, About: what.about, Expires: a.at.Add(yesWithin),
	})
	if err != nil {
		return answer{}, err
	}
	said, err := b.say(a, replyConfirm, confirmData{What: what.text, Code: code, Minutes: minutesUp(yesWithin)})
	said.outcome, said.about = outcomeAsked, what.about
	return said, err
}

// runYes runs the command that was asked about. The level is checked as for the command itself.
func (b *Bot) runYes(ctx context.Context, a asker, e *admin.Entry) (answer, error) {
	code := strings.ToUpper(a.word(0))
	if code == "" {
		return b.usage(b.commands.byName[commandYes], a)
	}
	asked, reply, err := b.cfg.Desk.Talk.Answer(ctx, a.number, b.codeHash(a, code), a.replyID)
	if err != nil {
		return answer{}, err
	}
	refusal := map[admin.Reply]string{
		admin.ReplyNone: replyYesNone, admin.ReplyWrong: replyYesWrong, admin.ReplyExpired: replyYesExpired,
	}[reply]
	row, known := b.commands.byName[asked.Command]
	switch {
	case reply != admin.ReplyTaken:
		said, err := b.say(a, refusal, nil)
		said.outcome = string(reply)
		return said, err
	case !known || !may(a.level, row):
		said, err := b.say(a, replyDenied, nil)
		said.outcome = outcomeDenied
		return said, err
	}
	e.Command = row.name
	a.words = asked.Words
	said, err := row.run(ctx, b, a)
	if errors.Is(err, errUsage) { // it was asked about with the same words
		return b.usage(row, a)
	}
	return said, err
}

func (b *Bot) codeOf(replyID string) string {
	sum := b.keyed("code", replyID)
	var code strings.Builder
	for _, x := range sum[:codeLength] {
		code.WriteByte(codeLetters[int(x)%len(codeLetters)])
	}
	return code.String()
}

// codeHash binds a code to its asker.
func (b *Bot) codeHash(a asker, code string) string {
	return hex.EncodeToString(b.keyed("yes", a.number.Digits(), code))
}

func (b *Bot) keyed(parts ...string) []byte {
	mac := hmac.New(sha256.New, b.cfg.IDKey)
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return mac.Sum(nil)
}
