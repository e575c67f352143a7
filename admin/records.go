package admin

import (
	"errors"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// The reasons why a number gets no link and no session, as they are counted. Storage's Bar answers with one of them.
const (
	BarPaused  = "paused"  // the whole service is paused
	BarBlocked = "blocked" // the number is blocked
	BarRevoked = "revoked" // the link is older than a revocation, or the number gets no new ones
)

// ErrBusy says that a number cannot be forgotten right now, because a job that names it is running. Its waiting ones are
// gone; try again in a moment.
var ErrBusy = errors.New("work for this number is under way; try again in a moment")

// ErrNoErasure says that nothing is being erased for a key.
var ErrNoErasure = errors.New("nothing is being erased under this key")

// Block keeps a number from signing in.
type Block struct {
	Number phone.Number
	Until  time.Time // zero: until it is lifted
	Reason string    // an admin's words
	By     string    // masked number of the admin, or the operator
	At     time.Time
}

// Revocation ended what a number had.
type Revocation struct {
	Number  phone.Number
	At      time.Time // links made until then make no session
	Refused bool      // no new links until lifted
	By      string
}

// Lifted is what an unblocking came to.
type Lifted struct {
	Block, Refusal bool // there was one, and it is over
	StillRefused   bool // an owner's refusal stays
}

// Pause is the whole service's.
type Pause struct {
	Since  time.Time
	Reason string
	By     string
}

// Question waits for an admin's yes. Each admin has one at most: the newest.
type Question struct {
	Asker   phone.Number
	Hash    string // of the code that says yes
	Command string
	Words   []string
	About   phone.Number // zero: nobody
	Expires time.Time
}

// Reply is what became of a yes.
type Reply string

// What can become of it.
const (
	ReplyTaken   Reply = "taken"   // the question was waiting for it; it cannot be answered again
	ReplyNone    Reply = "none"    // nothing was asked, or it was answered
	ReplyWrong   Reply = "wrong"   // another code; the question is dropped
	ReplyExpired Reply = "expired" // too late; the question is dropped
)

// Stats counts what happened since a time.
type Stats struct {
	Since    time.Time
	Requests int // login requests
	Links    int // links made
	SignIns  int // links confirmed
	Refused  map[string]int
}

// AlertState is what is remembered about one thing that is watched.
type AlertState struct {
	Name     string
	BadSince time.Time // zero: it is well
	Told     int       // the value that was told last; 0: well
	State    string    // the state that was told last
	Mark     int64     // of the youngest thing that was told, see Deaths
	ToldAt   time.Time
}

// Deaths is the work that was laid aside, without the jobs that tell of alerts: those must not raise one.
type Deaths struct {
	Jobs int
	Last time.Time // when the youngest of them was laid aside
}
