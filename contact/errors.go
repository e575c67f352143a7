package contact

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// How long a job waits before it tries again, without counting the run.
const (
	patientWait  = 30 * time.Second // the user has no Patient yet
	busyWait     = time.Minute      // 429 without Retry-After
	operatorWait = 10 * time.Minute // something that only an operator can change
	shortestWait = time.Second
	longestWait  = 15 * time.Minute // of a Retry-After
)

// ErrNoPatient says that the contact waits for the Patient, which holds its name and its id.
var ErrNoPatient = errors.New("the contact waits for the Patient")

// Error is a piece of work on a contact that came to nothing. It never repeats what was sent or answered.
type Error struct {
	Op     string // what was tried ("modify profile")
	Host   string // of contact.base_url
	Reason string // for an operator
	Status int    // of the answer; 0: there was none

	final bool
	away  bool
	wait  time.Duration
	later bool
	cause error // a sentinel of ours or of package context
}

// Error says what was tried, where, and what to look at.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: omnichannel webhook at %s: %s", e.Op, e.Host, e.Reason)
}

// Unwrap is ErrNoPatient, context.Canceled, context.DeadlineExceeded or nil.
func (e *Error) Unwrap() error { return e.cause }

// Permanent reports whether trying again is pointless.
func (e *Error) Permanent() bool { return e.final }

// Away reports whether there was no answer, or none from the server itself: work that is young is worth another try soon.
func (e *Error) Away() bool { return e.away }

// RetryAfter is when to try again, when the time was not right; such a run is no failed attempt.
func (e *Error) RetryAfter() (time.Duration, bool) { return e.wait, e.later }

// outageWait spreads over half a minute when the jobs that an outage has met come back.
func outageWait() time.Duration { return 15*time.Second + rand.N(30*time.Second) }

// outage is a call that did not reach the service.
func (s *Service) outage(status int, reason string, cause error) *Error {
	e := s.after(outageWait(), status, reason, cause)
	e.away = true
	return e
}

// counted is a failed attempt.
func (s *Service) counted(status int, reason string, cause error) *Error {
	return &Error{Op: "modify profile", Host: s.host, Status: status, Reason: reason, cause: cause}
}

// permanent is a call that would fail the same way again.
func (s *Service) permanent(status int, reason string) *Error {
	e := s.counted(status, reason, nil)
	e.final = true
	return e
}

// after is a call that came at the wrong time.
func (s *Service) after(wait time.Duration, status int, reason string, cause error) *Error {
	e := s.counted(status, reason, cause)
	e.wait, e.later = wait, true
	return e
}
