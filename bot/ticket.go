package bot

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// ticket is what a job knows about the message that it answers: everything but the text. It is the payload of all of
// the bot's jobs. Jobs outlive the program that wrote them, so fields are only ever added, a missing field means what
// its zero value means, and an unknown one is passed over.
type ticket struct {
	Digits string `json:"digits,omitempty"` // of the sender's number; empty for a stranger
	Chat   string `json:"chat"`             // where the answer goes; for a stranger also who it is
	ID     string `json:"id"`               // WhatsApp's id of the message
	SentAt int64  `json:"sent_at_ms"`       // Unix milliseconds

	Reference string `json:"reference,omitempty"` // login.answer: the login that the message names

	Late    bool     `json:"late,omitempty"`    // login.answer: stale on arrival, and therefore for ever
	Reply   string   `json:"reply,omitempty"`   // reply.send: which reply
	Command string   `json:"command,omitempty"` // command.run: its name in the table; empty: none of ours
	Words   []string `json:"words,omitempty"`   // command.run: as many words as the command takes
}

// sender names who wrote: digits, or the hidden address of a stranger.
func (t ticket) sender() string {
	if t.Digits == "" {
		return t.Chat
	}
	return t.Digits
}

func (t ticket) sentAt() time.Time { return time.UnixMilli(t.SentAt) }

func (t ticket) payload() ([]byte, error) {
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("write job: %w", err)
	}
	return raw, nil
}

// request is a ticket in a worker's hands.
type request struct {
	ticket
	number phone.Number // zero for a stranger
	lang   string
	blocks bool // a fresh request of somebody who waits may stand behind this one
}

// open reads a job's payload. Its errors are permanent: the same bytes will never read better.
func (b *Bot) open(payload []byte) (request, error) {
	r := request{lang: b.cfg.Language.Hidden}
	// The decoder's own message would repeat what it read, and that names a number.
	if json.Unmarshal(payload, &r.ticket) != nil || r.Chat == "" || r.ID == "" {
		return request{}, errors.New("the job's payload cannot be read")
	}
	if r.Digits == "" {
		return r, nil
	}
	number, err := phone.FromDigits(r.Digits)
	if err != nil {
		return request{}, fmt.Errorf("the job's number: %w", err)
	}
	r.number, r.lang = number, b.languageOf(number)
	return r, nil
}

// age is how long ago the message was sent, by our clock.
func (b *Bot) age(t ticket) time.Duration { return b.cfg.Now().Sub(t.sentAt()) }

// isStale reports whether it is too late for what the message asks, or too early: a request from the future is a
// replay or a broken clock.
func (b *Bot) isStale(t ticket) bool {
	age := b.age(t)
	return t.Late || age > b.cfg.Times.StaleAfter || age < -b.cfg.Times.Skew
}
