package web

import (
	"context"
	"net/http"

	"github.com/konsulin-care/konsulin-bot/auth"
)

// Sessions is the sign-in behind the pages. Implemented by auth.
type Sessions interface {
	// Routes serves SuperTokens' own paths below apiBasePath (consume, refresh, sign-out) and hands everything else
	// to next.
	Routes(next http.Handler) http.Handler
	// Session answers who is signed in; ok is false when nobody is. It may write refreshed tokens or a 401 that the
	// SuperTokens front-end libraries understand; written is true when the response is finished.
	Session(w http.ResponseWriter, r *http.Request) (s auth.Session, ok, written bool)
	// Link tells about an opened link without changing anything.
	Link(ctx context.Context, preAuthSessionID string) (auth.LinkView, error)
}

// Patients tells how far the user's Patient is: "pending", "linked" or "review". Implemented by storage.
type Patients interface {
	PatientState(ctx context.Context, userID string) (string, error)
}

// Check is one thing that must work before this process is ready. Probe must return within ctx; its error is an
// operator's sentence and is shown on /readyz.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
}
