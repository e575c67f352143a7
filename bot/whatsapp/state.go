package whatsapp

import "time"

// State is what the line can do now.
type State string

// The states. Only Connected is ready; only Connected and Degraded may send.
const (
	Unpaired     State = "unpaired"      // no account linked: run `konsulin-bot pair`
	WrongAccount State = "wrong account" // the linked account is not the configured number
	Connecting   State = "connecting"
	Connected    State = "connected"
	Degraded     State = "degraded"   // connected, but keep-alives go unanswered
	LoggedOut    State = "logged out" // the phone removed this device: pair again
	Replaced     State = "replaced"   // the same session was opened elsewhere
	Outdated     State = "outdated"   // WhatsApp refuses this version: update the bot
	Banned       State = "banned"     // temporary ban, see Until
	Timelocked   State = "timelocked" // WhatsApp limits reaching out, see Until
)

// Status is a state with its story. Reason is an operator's sentence.
type Status struct {
	State  State
	Since  time.Time
	Reason string
	Until  time.Time // zero: not known
}
