package admin

import (
	"context"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Core is the SuperTokens core. Implemented by auth.
type Core interface {
	// User is what it knows about a number; found is false for none.
	User(ctx context.Context, n phone.Number) (u User, found bool, err error)
	// EndLinks ends what a number that has been barred could still sign in with, where nobody asks Bars then.
	EndLinks(ctx context.Context, n phone.Number) error
	// Revoke ends the number's links, codes and sessions.
	Revoke(ctx context.Context, n phone.Number) (Revoked, error)
}

// Jobs is the durable work. Implemented by storage.
type Jobs interface {
	// Jobs lists jobs of the states, youngest first.
	Jobs(ctx context.Context, states ...State) ([]Job, error)
	Job(ctx context.Context, id int64) (Job, error)
	CountJobs(ctx context.Context) (map[State]int, error)
	// Retry makes a dead job run again, or all of them for the id 0, and tells how many.
	Retry(ctx context.Context, id int64) (int, error)
}

// Cases are the questions about users' resources. Implemented by storage.
type Cases interface {
	// Cases lists those that wait for a decision.
	Cases(ctx context.Context) ([]Case, error)
	// Decide writes down that the case's user is added to the resource ref, or is separated from all candidates.
	Decide(ctx context.Context, id int64, approve bool, ref, by string) error
}

// Bars keep numbers from signing in. Implemented by storage.
type Bars interface {
	SetBlock(ctx context.Context, b Block) error
	SetRevocation(ctx context.Context, r Revocation) error
	// Lift ends a number's block and, when told to, its refusal of new links.
	Lift(ctx context.Context, n phone.Number, refusal bool) (Lifted, error)
	BarsOf(ctx context.Context, n phone.Number) (*Block, *Revocation, error)
}

// Pauses stop the whole service. Implemented by storage.
type Pauses interface {
	SetPause(ctx context.Context, p Pause) error
	EndPause(ctx context.Context) (was bool, err error)
	Paused(ctx context.Context) (*Pause, error)
}

// Questions wait for an admin's yes. Implemented by storage.
type Questions interface {
	// Ask remembers a question in place of the asker's last one; the same one asked again keeps what became of it.
	Ask(ctx context.Context, q Question) error
	// Answer takes the question, once, for a holder; for the same holder again.
	Answer(ctx context.Context, asker phone.Number, hash, holder string) (Question, Reply, error)
	// Begun reports whether the holder has taken the asker's question: what it allowed may be half done.
	Begun(ctx context.Context, asker phone.Number, holder string) (bool, error)
}

// Log is the audit, which only grows. Implemented by storage.
type Log interface {
	// Record writes an entry, once for each ReplyID.
	Record(ctx context.Context, e Entry) error
	// Recent shows the youngest rows first; a number restricts them to what it is about and what it did.
	Recent(ctx context.Context, n phone.Number, limit int) ([]Event, error)
	// Logins are the number's youngest sign-ins, youngest first.
	Logins(ctx context.Context, n phone.Number, limit int) ([]time.Time, error)
	Stats(ctx context.Context, since time.Time) (Stats, error)
}

// People is what else is known about users. Implemented by internal/app over fhir, contact and storage.
type People interface {
	// Patient is the user's resource and how far it is (pending, linked, review). ref is empty when there is none, or no
	// FHIR server.
	Patient(ctx context.Context, userID string) (ref, state string, err error)
	// Contact is the contact's id; found without an id: it was accepted without one.
	Contact(ctx context.Context, userID string) (id string, found bool, err error)
	// Sync adds the work that follows a sign-in once more, one set for each key.
	Sync(ctx context.Context, userID string, n phone.Number, key string) error
}

// Erasures forget numbers. Implemented by internal/app over storage and bot/whatsapp.
type Erasures interface {
	// BeginErasure writes down that a number is being erased, which bars it meanwhile, or goes on with the erasure of the
	// same key: the number may then be zero. [ErrNoErasure] when there is neither.
	BeginErasure(ctx context.Context, key string, n phone.Number) (Erasure, error)
	// Erase erases it from our own records, and keeps what is left to others for the same key; [ErrBusy] while work for it
	// is under way.
	Erase(ctx context.Context, e Erasure, left Forgotten, by Who) error
}

// Probe asks whether a remote system answers.
type Probe func(ctx context.Context) error
