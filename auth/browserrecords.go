package auth

import (
	"context"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// AttemptRecord is a login that was begun in one browser.
type AttemptRecord struct {
	KeyHash    string // SHA-256 (hex) of the secret in that browser's cookie; unique
	Reference  string // what the message carries to name it; empty: nothing; else unique
	Guest      string // guest who began it; empty: none
	ReturnPath string // empty: nowhere special
	CreatedAt  time.Time
	ExpiresAt  time.Time
	ReceivedAt time.Time    // when a message with the reference came
	Number     phone.Number // that sent it first; nobody else's counts
	ReplyID    string       // of the newest link made for it; empty: none
	CodeTries  int          // wrong guesses of the code from the chat
	UsedAt     time.Time    // when somebody signed in with it
}

// live says whether the attempt can still be finished.
func (a AttemptRecord) live(now time.Time) bool {
	return a.KeyHash != "" && a.UsedAt.IsZero() && now.Before(a.ExpiresAt)
}

// Tie is a message that names an attempt, and the link that answers it.
type Tie struct {
	Reference string
	Number    phone.Number
	ReplyID   string
	At        time.Time
}

// AttemptStore remembers attempts. Implemented by storage.
type AttemptStore interface {
	// SaveAttempt inserts one; ErrTaken when its reference or key is taken.
	SaveAttempt(ctx context.Context, a AttemptRecord) error
	AttemptByKey(ctx context.Context, keyHash string) (AttemptRecord, error)  // ErrNotFound
	AttemptOfLink(ctx context.Context, replyID string) (AttemptRecord, error) // ErrNotFound
	// RedirectAttempt changes where the browser goes afterwards and, until a number is tied to it, who its guest is.
	RedirectAttempt(ctx context.Context, keyHash, returnPath, guestID string) error
	// TieAttempt ties a link to the live attempt of a reference, and to no other attempt any more. The first number that
	// names an attempt has it for good; tied is false when there is none, or another number has it.
	TieAttempt(ctx context.Context, t Tie) (tied bool, err error)
	// TryCode is TryDigits for the code of an attempt.
	TryCode(ctx context.Context, keyHash string, right bool, limit int) (wrong int, err error)
	// SpendAttempt ends an attempt.
	SpendAttempt(ctx context.Context, keyHash string, at time.Time) error
}

// GuestUpgrade makes a guest a user without a sign-in.
type GuestUpgrade struct {
	Guest  string
	UserID string
	Key    string     // of the job that gives the guest's records to the user
	Jobs   []jobs.New // added in the same transaction
}

// GuestClaim is how far the claim of a guest's records is.
type GuestClaim struct {
	Pending    bool     // the job waits or works
	Failed     bool     // the job was laid aside
	Forgotten  bool     // neither the job nor what it did is remembered any more
	References []string // of the records that are the user's now
}

// GuestStore remembers guests. Implemented by storage.
type GuestStore interface {
	guest.Store
	// IsApart says whether the user signed in beside the guest without bringing it along.
	IsApart(ctx context.Context, guestID, userID string) (bool, error)
	// JoinAgain takes back that a guest stays apart from the user: the person said so. It is no error when it does not.
	JoinAgain(ctx context.Context, guestID, userID string) error
	// UpgradeGuest makes a live guest the user; ErrTaken when it is not live or has to stay apart from that user.
	UpgradeGuest(ctx context.Context, u GuestUpgrade) error
	// GuestClaim tells what became of an upgraded guest's records.
	GuestClaim(ctx context.Context, r guest.Record) (GuestClaim, error)
}
