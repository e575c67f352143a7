package contact

import (
	"context"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// User is whom a contact is for.
type User struct {
	ID     string // of SuperTokens
	Number phone.Number
}

// Profile is what a user's Patient says about the contact.
type Profile struct {
	Ref        string // "Patient/1"
	Name       string // empty: the Patient has none
	ChatwootID string // empty: the Patient has none
}

// Profiles finds the Patient of a user. The FHIR room has it.
type Profiles interface {
	// Profile answers false while the user has no Patient.
	Profile(ctx context.Context, userID string) (Profile, bool, error)
}

// Names knows what people call themselves in WhatsApp.
type Names interface {
	// PushName is empty when the number's name is not known.
	PushName(ctx context.Context, n phone.Number) (string, error)
}

// Record is what we remember of a contact.
type Record struct {
	UserID     string
	Number     phone.Number
	ChatwootID string // empty: the server accepted the contact without telling its id
	At         time.Time
}

// Records remembers contacts. Storage implements it.
type Records interface {
	// Contact answers false when no contact of the user was accepted yet.
	Contact(ctx context.Context, userID string) (Record, bool, error)
	// SaveContact remembers that the contact exists and, when the id is set, adds the job that writes it to the Patient,
	// in one transaction. The same record again is no error.
	SaveContact(ctx context.Context, r Record) error
}

// Pacer is the budget that all processes share for calls to the webhook.
type Pacer interface {
	// Wait blocks until one call may be made, or ctx ends. An error of it that has RetryAfter sends the job away until
	// then.
	Wait(ctx context.Context) error
	// Pause keeps everybody from calling for a while, because the server asked for it.
	Pause(ctx context.Context, d time.Duration) error
}
