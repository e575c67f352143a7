package fhir

import (
	"errors"
	"fmt"
	"time"
)

// How long a job waits before it tries again, without counting the run.
const (
	operatorWait = 10 * time.Minute // something that only an operator can change
	patientWait  = 5 * time.Second  // the user has no resource yet
	busyWait     = 5 * time.Second  // 429 without Retry-After
	longestWait  = time.Hour        // of a Retry-After
)

// What the world does to a resource between two of our calls. They never leave the room.
var (
	errConflict = errors.New("somebody else has changed it")
	errGone     = errors.New("it does not exist any more")
)

// Error is a piece of work with the FHIR server that came to nothing. It never repeats what was sent or answered.
type Error struct {
	Op     string // what was tried ("search Patient")
	Host   string // of fhir.base_url
	Reason string // for an operator
	Status int    // of the answer; 0: there was none

	final bool
	away  bool
	wait  time.Duration
	later bool
	cause error // a sentinel of ours or an error of package context
}

// Error says what was tried, where, and what to look at.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: FHIR server at %s: %s", e.Op, e.Host, e.Reason)
}

// Unwrap is ErrNoPatient, context.Canceled, context.DeadlineExceeded or nil.
func (e *Error) Unwrap() error { return e.cause }

// Permanent reports whether trying again is pointless.
func (e *Error) Permanent() bool { return e.final }

// Away reports whether there was no answer, or none from the server itself: work that is young is worth another try soon.
func (e *Error) Away() bool { return e.away }

// RetryAfter is when to try again, when the time was not right; such a run is no failed attempt.
func (e *Error) RetryAfter() (time.Duration, bool) { return e.wait, e.later }

// QuarantineError says that an admin must decide before the user is linked. A sign-in is not affected.
type QuarantineError struct {
	CaseID   int64
	Resource string // Patient, Practitioner or Person
	Why      Why
}

// Error says what an admin has to look at.
func (e *QuarantineError) Error() string {
	why := "the resource with this number belongs to another user"
	if e.Why == Ambiguous {
		why = "several resources have this number"
	}
	return fmt.Sprintf("link %s: %s; case %d waits for an admin to approve one or to ask for a separate one",
		e.Resource, why, e.CaseID)
}

// Permanent is true: only an admin's decision helps.
func (e *QuarantineError) Permanent() bool { return true }
