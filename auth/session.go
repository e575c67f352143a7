package auth

import "time"

// Session is who is signed in, in our own words.
type Session struct {
	Handle    string // SuperTokens' session handle; not a secret, but not for logs either
	UserID    string
	Roles     []string
	CreatedAt time.Time
}

// LinkView is what a page may show about a link that somebody opened. Unknown links look like expired ones.
type LinkView struct {
	State   ViewState
	Masked  string        // the number, last four digits hidden; empty unless State is ViewOpen
	Expires time.Duration // from now; only for ViewOpen
}

// ViewState is what a page tells about a link.
type ViewState string

// What a page can tell.
const (
	ViewOpen    ViewState = "open"
	ViewUsed    ViewState = "used"
	ViewExpired ViewState = "expired" // expired, superseded, or not ours
)
