package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/konsulin-care/konsulin-bot/auth"
)

// Sessions is the sign-in behind the pages. Implemented by auth.
type Sessions interface {
	// Routes serves the API's paths below apiBasePath (SuperTokens' own: consume, refresh, sign-out; guests; logins under
	// way) and hands everything else to next.
	Routes(next http.Handler) http.Handler
	// Session answers who is signed in; ok is false when nobody is. It may write refreshed tokens or a 401 that the
	// SuperTokens front-end libraries understand; written is true when the response is finished.
	Session(w http.ResponseWriter, r *http.Request) (s auth.Session, ok, written bool)
	// Link tells about an opened link, and what this browser must do to use it, without changing anything.
	Link(ctx context.Context, r *http.Request, preAuthSessionID string) (auth.LinkView, error)
	// StartAttempt begins a login in this browser, or finds the one that is under way; it may set a cookie.
	StartAttempt(w http.ResponseWriter, r *http.Request, returnPath string) (auth.Attempt, error)
}

// Patients tells how far the user's Patient is: "pending", "linked" or "review". Implemented by storage.
type Patients interface {
	PatientState(ctx context.Context, userID string) (string, error)
}

// Check is one thing that must work before this process is ready. Probe must return within ctx. Its error is an
// operator's sentence for the log; /readyz, which everybody may read, shows of it only what [Reason] gave it to show.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
}

// Reason gives err a short text that everybody may read: no hosts, users, numbers or a library's words. Any error in
// the chain with a method Public() string has the same effect. A nil err stands for the text itself.
func Reason(public string, err error) error {
	if err == nil {
		err = errors.New(public)
	}
	return &reasonError{public: public, err: err}
}

type reasonError struct {
	public string
	err    error
}

func (e *reasonError) Error() string  { return e.err.Error() }
func (e *reasonError) Unwrap() error  { return e.err }
func (e *reasonError) Public() string { return e.public }
