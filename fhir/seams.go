package fhir

import (
	"context"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Cases remembers what an admin has to decide, and what was decided. Storage implements it.
type Cases interface {
	// OpenCase records or refreshes the one open case of a user and a resource type.
	OpenCase(ctx context.Context, c Case) (id int64, err error)
	// Decision is what an admin decided about a user and a resource type; the zero Decision: nothing.
	Decision(ctx context.Context, userID, resourceType string) (Decision, error)
	// CloseCase says that the user is linked. It is no error when there is no open or decided case.
	CloseCase(ctx context.Context, userID, resourceType string) error
}

// Why is why a user is quarantined.
type Why string

// The reasons.
const (
	Foreign   Why = "foreign"   // the one resource with the number belongs to another user
	Ambiguous Why = "ambiguous" // several resources have the number
)

// Case is a question to an admin.
type Case struct {
	UserID     string
	Number     phone.Number
	Resource   string // Patient, Practitioner or Person
	Why        Why
	Candidates []string // references
}

// Verdict is an admin's answer.
type Verdict string

// The answers.
const (
	Approve  Verdict = "approve"  // the resource is the user's: add the user id to it
	Separate Verdict = "separate" // none of the candidates is: create one
)

// Decision is an admin's answer to a Case.
type Decision struct {
	Verdict    Verdict  // empty: nobody decided
	Ref        string   // of Approve
	Candidates []string // of the case: what Separate leaves alone
	Open       bool     // a case exists that nobody decided yet
}

// Roles tells which roles a user has. Auth implements it.
type Roles interface {
	Roles(ctx context.Context, userID string) ([]string, error)
}

// Audit keeps the provenance of guests' records. Storage implements it.
type Audit interface {
	// ClaimBegins is called before each such transaction, so that a crash right after it leaves a trace of it.
	ClaimBegins(ctx context.Context, c ClaimRecord) error
	// GuestClaimed is called after each transaction that gave records to their owner.
	GuestClaimed(ctx context.Context, c ClaimRecord) error
}

// ClaimRecord says whose the records of a guest have become.
type ClaimRecord struct {
	UserID     string
	Number     phone.Number
	Guest      string   // id of the guest
	Owner      string   // reference
	References []string // of the records
	At         time.Time
}
