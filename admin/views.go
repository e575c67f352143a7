package admin

import (
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Who does something: an admin in the chat, or an operator at a terminal.
type Who struct {
	Number   phone.Number // zero: an operator
	Operator string       // such as "operator root"
}

// Name is how records that are not the audit call them: it gives no number away.
func (w Who) Name() string {
	if w.Number.IsZero() {
		return w.Operator
	}
	return "admin " + w.Number.String()
}

// State is where a job stands, in an operator's words.
type State string

// The states of a job.
const (
	Waiting State = "waiting"
	Running State = "running"
	Done    State = "done"
	Dead    State = "dead"
)

// Job is a job as a person sees it. It names nobody.
type Job struct {
	ID       int64     `json:"id"`
	Kind     string    `json:"kind"`
	State    State     `json:"state"`
	Attempts int       `json:"attempts"`
	Added    time.Time `json:"added"`
	Next     time.Time `json:"next,omitzero"`  // of a waiting one
	Ended    time.Time `json:"ended,omitzero"` // of one that is done or dead
	Reason   string    `json:"reason,omitempty"`
	Does     string    `json:"does,omitempty"`   // what it is for
	Advice   string    `json:"advice,omitempty"` // what to do about it

	UserID string `json:"-"` // whose sign-in asked for it
}

// Case is a question about somebody's resource on the FHIR server.
type Case struct {
	ID         int64     `json:"id"`
	Resource   string    `json:"resource"`
	Why        string    `json:"why"`
	Candidates []string  `json:"candidates"`
	UserID     string    `json:"userId"`
	Number     string    `json:"number"` // masked
	State      string    `json:"state"`
	Opened     time.Time `json:"opened"`
}

// Duplicate is several live resources for one number or one user.
type Duplicate struct {
	Of         string   `json:"of"` // number or userid
	Who        string   `json:"who"`
	References []string `json:"references"`
}

// User is what the core knows about a number.
type User struct {
	ID       string
	Joined   time.Time
	Roles    []string
	Sessions int
}

// Revoked is what a revocation ended.
type Revoked struct {
	UserID   string // empty: the core knows no such user
	Links    int
	Sessions int
}

// Person is everything that is known about a number.
type Person struct {
	Number  phone.Number
	User    User // without an ID: the core knows none
	Patient string
	State   string // of the Patient: pending, linked, review
	// FHIRAway says that the FHIR server did not answer: the Patient is not known.
	FHIRAway   bool
	Contact    string // id in the omnichannel system
	HasContact bool   // also without an id
	Logins     []time.Time
	Block      *Block
	Revocation *Revocation
}

// Known reports whether anybody has heard of the number.
func (p Person) Known() bool {
	return p.User.ID != "" || len(p.Logins) > 0 || p.Block != nil || p.Revocation != nil
}

// Health says how one thing is.
type Health struct {
	State  string // ok, down, off (not configured); of the line: its own states
	Since  time.Time
	Reason string // an operator's sentence
}

// The states of what is remote.
const (
	Fine = "ok"
	Down = "down"
	Off  = "off"
)

// Status is how the service stands.
type Status struct {
	Version             string
	Started             time.Time
	Line                Health
	Core, FHIR, Webhook Health
	Waiting, Dead       int // jobs
	Cases               int
	Pause               *Pause // nil: not paused
}

// Entry is a command for the audit.
type Entry struct {
	At      time.Time
	By      Who
	Command string // its name
	About   phone.Number
	Outcome string
	ReplyID string // of the answer: recorded once; empty for an operator
}

// Event is one row of the audit as a person sees it.
type Event struct {
	At     time.Time
	What   string
	Number phone.Number // zero: nobody, or forgotten
	By     string       // who did it, masked; empty: nobody
	Note   string       // for a command: which, and what came of it
}

// Forgotten is what an erasure leaves to others: what lives in systems that are not ours.
type Forgotten struct {
	Number  string `json:"number"`  // masked
	UserID  string `json:"user"`    // at SuperTokens
	Patient string `json:"patient"` // on the FHIR server
	Contact string `json:"contact"` // in the omnichannel system
	// FHIRAway says that the FHIR server did not answer: what it has is not known.
	FHIRAway bool `json:"fhirAway,omitempty"`
	// HasContact says that there is a contact, also one whose id is not known.
	HasContact bool    `json:"hasContact,omitempty"`
	Ended      Revoked `json:"ended"`
}

// Erasure is a number that is being erased.
type Erasure struct {
	Key    string       // of the command that asked for it
	Number phone.Number // zero: it is erased
	Hidden []string     // its hidden WhatsApp ids
	Left   *Forgotten   // what it left to others; nil: it is not erased yet
}
