package auth

import (
	"context"
	"errors"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// ErrNotFound is what a store answers when there is no such record.
var ErrNotFound = errors.New("no such record")

// ErrTaken is what BeginSignIn answers when the link is spent or somebody else is consuming it, and what RecordSignIn
// and AbandonSignIn answer when there is nothing left to do.
var ErrTaken = errors.New("the link is spent or being consumed")

// LinkState is where a link stands.
type LinkState string

// The states of a link. A link is open until exactly one of the others happens; expiry is told by the clock.
const (
	LinkOpen      LinkState = "open"
	LinkConsuming LinkState = "consuming" // an intent is open
	LinkConsumed  LinkState = "consumed"
	LinkRevoked   LinkState = "revoked"
)

// LinkRecord is one issued link as it is remembered. The link itself is only in Sealed, and Sealed is emptied when
// the link is spent or expired.
type LinkRecord struct {
	ReplyID     string       // the message id that carries the link; unique
	CodeID      string       // SuperTokens' id of the code; not a secret
	PreAuthHash string       // SHA-256 (hex) of preAuthSessionId, for finding the record of an opened link; unique
	Number      phone.Number // whose link it is
	Sealed      []byte       // AES-256-GCM, bound to ReplyID
	RequestedAt time.Time    // when the user sent the request
	CreatedAt   time.Time
	ExpiresAt   time.Time
	State       LinkState
	Alone       bool // the number's other codes have been revoked
	Tries       int  // wrong guesses of the number's last digits
}

// OpenLink is what is watched of a link that another program consumes. It holds no secret.
type OpenLink struct {
	ReplyID   string
	CodeID    string
	Number    phone.Number
	CreatedAt time.Time
	ExpiresAt time.Time
}

// LinkStore remembers issued links. Implemented by storage.
type LinkStore interface {
	// SaveLink inserts an open link and its audit row. One that is saved Alone ends the number's other open links as
	// LinkAlone does, in the same transaction.
	SaveLink(ctx context.Context, l LinkRecord) error
	// LinkAlone notes that the number's other codes are revoked: l is marked Alone, every other open link of the
	// number becomes revoked and loses its seal.
	LinkAlone(ctx context.Context, replyID string) error
	LinkByReply(ctx context.Context, replyID string) (LinkRecord, error)       // ErrNotFound
	LinkByPreAuth(ctx context.Context, preAuthHash string) (LinkRecord, error) // ErrNotFound
	// OpenLinks lists open links that expire after a time, at most limit, those first that expire first.
	OpenLinks(ctx context.Context, expireAfter time.Time, limit int) ([]OpenLink, error)
	// OpenLinksOf lists the open links of one number.
	OpenLinksOf(ctx context.Context, n phone.Number) ([]OpenLink, error)
	// LinkVanished turns an open link into a revoked one without a seal and writes an audit row; ErrTaken when it is
	// not open.
	LinkVanished(ctx context.Context, replyID, reason string) error
	// TryDigits admits one guess of the number's last digits and counts it when it is wrong, in one step, and answers how
	// many wrong ones that makes; ErrTaken when there were limit of them before, or the link lives no more: then nobody
	// may learn whether the guess was right.
	TryDigits(ctx context.Context, replyID string, right bool, limit int) (wrong int, err error)
}

// Intent is the note written before a code is consumed, so that a crash in the middle forgets nobody.
type Intent struct {
	ID        string // random
	ReplyID   string // of the link
	CodeID    string
	Number    phone.Number
	Guest     string // guest who is to become the user; empty: none
	Apart     string // guest of the browser who is not; empty: none
	StartedAt time.Time
	ExpiresAt time.Time // of the link
	PreAuth   string    // preAuthSessionId, to ask the core about the code; worthless without the link code
}

// SignIn is a confirmed number: what is recorded exactly once for each consumed link.
type SignIn struct {
	Intent     string // closes it; see RecordSignIn
	UserID     string // SuperTokens user id
	NewUser    bool
	Number     phone.Number
	Guest      string // guest who becomes the user, if it lives and need not stay apart from that user
	Apart      string // guest who is to stay apart from the user
	At         time.Time
	Reconciled bool       // found after a crash, not seen by the browser that began it
	Changed    string     // why somebody else may have the number, found at this sign-in; empty: nothing was
	Request    string     // what the log calls the request that this follows from
	Jobs       []jobs.New // follow-up work, added in the same transaction
	GuestJobs  []jobs.New // likewise, but only when Guest becomes the user
}

// SignInStore remembers sign-ins. Implemented by storage.
type SignInStore interface {
	// BeginSignIn writes the intent and turns the link from open to consuming, or answers ErrTaken. Of any number of
	// callers one wins.
	BeginSignIn(ctx context.Context, i Intent) error
	// RecordSignIn writes the audit row and the jobs, upgrades or sets apart the guests, closes the intent and marks the
	// link consumed (its seal is emptied), in one transaction. It answers ErrTaken when the intent is closed already, and also, closing it, when
	// the sign-in of the link was recorded under another intent: a link is recorded once. An intent that somebody
	// abandoned too early, such as a process with another clock, does not make a confirmed number forgotten: a
	// sign-in that is not Reconciled is recorded all the same.
	RecordSignIn(ctx context.Context, s SignIn) error
	// AbandonSignIn closes an intent whose code was not consumed. The link is open again, or revoked (spent).
	AbandonSignIn(ctx context.Context, intentID string, linkOpen bool, reason string) error
	// OpenIntents lists intents started before a time. Those that cannot be read are left out; the error then tells of
	// them, and the list is good all the same.
	OpenIntents(ctx context.Context, before time.Time) ([]Intent, error)
}
