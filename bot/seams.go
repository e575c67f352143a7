package bot

import (
	"context"
	"errors"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Line sends. Implemented by bot/whatsapp.
//
// Send blocks until WhatsApp's server has taken the message or ctx ends. An error that wraps [ErrLineDown] means
// that nothing may be sent now; one with Permanent() true, that this message can never be sent.
type Line interface {
	Send(ctx context.Context, m Outgoing) error
}

// ErrLineDown is what Send wraps while the line cannot or must not send (not connected, logged out, banned, …).
var ErrLineDown = errors.New("the WhatsApp line cannot send now")

// Links makes magic links. Implemented by auth.
//
// CreateLink is idempotent per reply id while the link lives: called again after a crash it returns the same link.
// It returns [ErrLinkSpent] when the link of that reply is used, revoked or expired: a message with that id may
// already carry it, so a new link needs a new request. Older links of the number are dead when it returns.
type Links interface {
	CreateLink(ctx context.Context, r LinkRequest) (Link, error)
}

// LinkRequest is a message that asks for a link.
type LinkRequest struct {
	Number    phone.Number
	ReplyID   string    // of the message that will carry the link
	Requested time.Time // when the user sent the request
	Reference string    // of the login that the message names; empty: none
}

// Link is what the answer carries. It is a secret.
type Link struct {
	URL     string
	Expires time.Time
	Code    string // to type into the browser where the login began; empty: there is none
}

// ErrLinkSpent says that the link made for a reply id cannot be used any more.
var ErrLinkSpent = errors.New("the link of this reply is spent")

// ErrAccountUnclear says that a person must put the number's account right before a link can be made.
var ErrAccountUnclear = errors.New("the number's account must be put right before it gets a link")

// Accepted is an incoming message with the job that will answer it. Job.Key is the id that the answer will carry (see
// [ReplyID]): it ties the message to its link.
type Accepted struct {
	Sender string // digits of the number, or the hidden address of a stranger
	ID     string
	At     time.Time // when its user sent it
	Kind   string    // "login", "command", "other", "stranger": for counting; the text is never kept
	Hidden string    // hidden id of the account that wrote a login request; empty: not known
	Name   string    // what the sender of a login request calls themselves; empty: not known
	Job    jobs.New
}

// Inbox remembers which messages were taken. Implemented by storage.
type Inbox interface {
	// Accept commits the message and its job in one transaction, unique on (Sender, ID); fresh is false when it was
	// known, and then nothing is written. When it returns nil the message will be answered, whatever happens.
	Accept(ctx context.Context, a Accepted) (fresh bool, err error)
	// Refused records the one reason why an accepted message got no answer ("limited", "stale", …). The first reason
	// stays: a job that is run again may come to another.
	Refused(ctx context.Context, sender, id, reason string) error
	// Postpone adds a job in whose queue an accepted message goes on waiting. A (kind, key) that is known is no error.
	Postpone(ctx context.Context, j jobs.New) error
}

// Budget is a rate that is kept across restarts: Burst events at once, then one every Every.
// Burst 1 is "once per Every".
type Budget struct {
	Key   string
	Burst int
	Every time.Duration
}

// Budgets spends rates. Implemented by storage.
type Budgets interface {
	// Spend takes one event from each budget, or none and names the first that is empty. holder is the work that
	// spends: asking again for the same holder, as a retry does, is granted without spending twice as long as
	// nobody else has spent the first budget in between. The first budget must be the narrowest.
	Spend(ctx context.Context, holder string, now time.Time, b ...Budget) (empty string, err error)
}

// Bars say who may not sign in. Implemented by storage.
type Bars interface {
	// Bar is why a number gets no link now, one of the refusals of outcome.go; empty: it does. made is for links that
	// exist, and zero here.
	Bar(ctx context.Context, n phone.Number, made time.Time) (reason string, err error)
}

// Chats remembers what happened in a chat that is not the bot's doing. Implemented by storage. A chat is keyed by
// the digits of the other side's number, or by its hidden address when the number is unknown.
type Chats interface {
	HumanWrote(ctx context.Context, chat string, at time.Time) error
	// LastHuman is the zero time when no human ever wrote.
	LastHuman(ctx context.Context, chat string) (time.Time, error)
	// LastLogin is when the last answered login request of the number was sent by its user (zero: never), leaving
	// out the request whose reply is replyID.
	LastLogin(ctx context.Context, n phone.Number, replyID string) (time.Time, error)
}
