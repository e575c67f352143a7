package guest

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is what a store answers when there is no such guest.
var ErrNotFound = errors.New("no such guest")

// State is where a guest stands.
type State string

// The states of a guest; expiry is told by the clock.
const (
	Live     State = "live"
	Upgraded State = "upgraded" // became a user
)

// Record is a guest as it is remembered.
type Record struct {
	ID         string
	CreatedAt  time.Time
	LastSeenAt time.Time // when its newest token was made
	ExpiresAt  time.Time // of that token
	State      State
	UserID     string    // whom it became; empty: nobody
	IntentID   string    // key of the job that gives its records to that user; empty: none
	ClosedAt   time.Time // when it became a user
}

// KeyRecord is a signing key as it is remembered.
type KeyRecord struct {
	ID        string
	Sealed    []byte // the private key; AES-256-GCM, bound to ID
	CreatedAt time.Time
	RetireAt  time.Time // when no token of it lives any more
}

// Store remembers guests and keys. Implemented by storage.
type Store interface {
	SaveGuest(ctx context.Context, r Record) error
	Guest(ctx context.Context, id string) (Record, error) // ErrNotFound
	// SeeGuest moves the end of a live guest, and answers ErrNotFound when it is not live.
	SeeGuest(ctx context.Context, id string, seen, expires time.Time) error
	SaveGuestKey(ctx context.Context, k KeyRecord) error
	// GuestKeys lists the keys that retire after a time, oldest first.
	GuestKeys(ctx context.Context, retireAfter time.Time) ([]KeyRecord, error)
}
