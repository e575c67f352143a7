package whatsapp

import (
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types/events"
)

// What the run loop does after an event.
type action int

const (
	carryOn  action = iota // the connection goes on
	redial                 // the connection is over: connect again, with a growing pause
	redialAt               // the connection is over: connect again after a given pause
	stayAway               // somebody took the connection over: connect again after a long and growing pause
	repair                 // the account is gone: wait for another one
	change                 // the store holds another account now: use that one
)

// step is what one event means for the line.
type step struct {
	state  State
	reason string
	until  time.Time     // for Banned
	do     action        // for the run loop
	after  time.Duration // for redialAt
	open   bool          // with an ending action: the socket may still be open
}

// Pauses before the line tries again what WhatsApp has refused without saying for how long.
const (
	outdatedPause = time.Hour
	banGuess      = time.Hour
	banMargin     = time.Second // for the rounding of its end
	lockGuessMin  = time.Minute
	lockGuessMax  = time.Hour
)

// deadPings is how many keep-alives in a row may go unanswered before the connection is given up. Each takes about
// half a minute.
const deadPings = 3

// accountChanged tells the run loop that the store does not hold its account any more.
type accountChanged struct{}

// next reads an event about the connection. It is false for events that do not change the line's state.
func next(evt any, now time.Time) (step, bool) {
	switch e := evt.(type) {
	case *events.Connected, *events.KeepAliveRestored:
		return step{state: Connected, reason: "Connected to WhatsApp."}, true
	case *events.KeepAliveTimeout:
		if e.ErrorCount >= deadPings {
			return step{state: Connecting, reason: "WhatsApp stopped answering; connecting again.", do: redial, open: true}, true
		}
		return step{state: Degraded, reason: "WhatsApp does not answer keep-alives; the connection may be dead."}, true
	case *events.Disconnected:
		return step{state: Connecting, reason: "The connection to WhatsApp was lost; connecting again.", do: redial}, true
	case *events.ManualLoginReconnect:
		return step{state: Connecting, reason: "WhatsApp asked for a new connection.", do: redial, open: true}, true
	case *events.StreamError:
		return step{state: Connecting, reason: "WhatsApp ended the connection with an error that this version does not know; connecting again.", do: redial, open: true}, true
	case *events.ConnectFailure:
		return step{state: Connecting, do: redial, open: true,
			reason: fmt.Sprintf("WhatsApp refused the login with code %d; trying again. If this stays, update the bot.", int(e.Reason))}, true
	case *events.StreamReplaced:
		return step{state: Replaced, do: stayAway, open: true,
			reason: "Another process uses the same linked device. Stop the other one; this one stays away for some minutes and then tries again."}, true
	case *events.ClientOutdated:
		return step{state: Outdated, do: redialAt, after: outdatedPause, open: true,
			reason: "WhatsApp refuses this version of the client library: update the bot. It tries again every hour."}, true
	case *events.LoggedOut:
		return step{state: LoggedOut, reason: loggedOut(e.Reason), do: repair, open: true}, true
	case *events.TemporaryBan:
		return banned(e, now), true
	case accountChanged:
		return step{state: Connecting, do: change, open: true, reason: "The stored account was replaced or removed; looking for the new one."}, true
	}
	return step{}, false
}

func banned(e *events.TemporaryBan, now time.Time) step {
	s := step{state: Banned, do: redialAt, after: banGuess, open: true}
	if e.Expire > 0 {
		s.until, s.after = now.Add(e.Expire), e.Expire+banMargin
	}
	s.reason = "WhatsApp has banned the account for a time (" + banReason(e.Code) +
		"). Nothing is sent; the bot connects again when the ban is over. Open WhatsApp on the phone to see more."
	return s
}

func banReason(code events.TempBanReason) string {
	switch code {
	case events.TempBanSentToTooManyPeople:
		return "messages to too many people who do not know the number"
	case events.TempBanBlockedByUsers:
		return "too many people blocked it"
	case events.TempBanCreatedTooManyGroups:
		return "too many new groups"
	case events.TempBanSentTooManySameMessage:
		return "the same message to too many people"
	case events.TempBanBroadcastList:
		return "too many messages to a broadcast list"
	default:
		return fmt.Sprintf("code %d", int(code))
	}
}

func loggedOut(reason events.ConnectFailureReason) string {
	switch reason {
	case events.ConnectFailureMainDeviceGone:
		return "WhatsApp has logged the account out or locked it: open WhatsApp on the phone, then run `konsulin-bot pair`."
	case events.ConnectFailureUnknownLogout:
		return "WhatsApp has logged the account out, maybe for good: open WhatsApp on the phone, then run `konsulin-bot pair`."
	default:
		return "The phone removed this device, or was offline for two weeks: run `konsulin-bot pair`."
	}
}
