package jobs

import (
	"errors"
	"time"
)

// permanentError says that trying again is pointless.
type permanentError struct{ err error }

func (e *permanentError) Error() string   { return e.err.Error() }
func (e *permanentError) Unwrap() error   { return e.err }
func (e *permanentError) Permanent() bool { return true }

// Permanent marks err: the job is laid aside at once. Any error in the chain with a method Permanent() bool that
// answers true has the same effect. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err: err}
}

// IsPermanent reports whether err, or an error that it wraps, says that trying again is pointless.
func IsPermanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// afterError asks for another run at a time of the handler's choosing. Any error in a chain with a method
// RetryAfter() (time.Duration, bool) that answers true does the same.
type afterError struct {
	wait time.Duration
	err  error
}

func (e *afterError) Error() string {
	if e.err == nil {
		return "asked to run again later"
	}
	return e.err.Error()
}

func (e *afterError) Unwrap() error { return e.err }

func (e *afterError) RetryAfter() (time.Duration, bool) { return e.wait, true }

// After makes the job run again after d without counting the attempt: the handler did nothing wrong, the time was not
// right. err says why and may be nil. After wins over Permanent.
func After(d time.Duration, err error) error { return &afterError{wait: max(0, d), err: err} }

// asAfter tells whether err asks for another run, and when.
func asAfter(err error) (time.Duration, bool) {
	var a interface{ RetryAfter() (time.Duration, bool) }
	if !errors.As(err, &a) {
		return 0, false
	}
	wait, ok := a.RetryAfter()
	return max(0, wait), ok
}
