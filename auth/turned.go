package auth

import "net/http"

// Why a request of a browser was turned away before a confirmation was tried. Those of confirmations are in events.go.
const (
	turnedFlood       = "flood"       // one client asks far more than people do; nothing was looked up
	turnedClient      = "client"      // one client began more than one may
	turnedEverybody   = "everybody"   // all together began more than all may
	turnedMalformed   = "malformed"   // the body or the method is not what the route takes
	turnedLine        = "line"        // nobody who writes to the bot would be answered now
	turnedUnavailable = "unavailable" // the database or the core did not answer: nothing was begun
)

// What was asked for.
const (
	routeGuest   = BeginGuest
	routeLogin   = BeginLogin
	routeAttempt = "attempt"
	routeLink    = "link"
	routeClaim   = "claim"
	routeSession = "session" // refresh and sign-out
	routePage    = "page"
)

// turnAway counts one request that was turned away.
func (s *Service) turnAway(route, reason string) {
	if s.cfg.TurnedAway != nil {
		s.cfg.TurnedAway(route, reason)
	}
}

// routeName is what a request asks for, in the words of the metric.
func (s *Service) routeName(r *http.Request) string {
	path, a := s.route(r.Method, r.URL.Path)
	switch {
	case a == served:
		return routeSession
	case a != ours:
		return routePage
	}
	switch path {
	case guestPath:
		return routeGuest
	case startPath, codePath:
		return routeLogin
	case attemptPath:
		return routeAttempt
	case linkPath:
		return routeLink
	case claimPath:
		return routeClaim
	}
	return routePage
}

// TurnedRoutes are the routes that a Service counts as turned away, and TurnedReasons why.
func TurnedRoutes() []string {
	return []string{routeGuest, routeLogin, routeAttempt, routeLink, routeClaim, routeSession, routePage}
}

// TurnedReasons are the reasons of [Config.TurnedAway].
func TurnedReasons() []string {
	return []string{turnedFlood, turnedClient, turnedEverybody, turnedMalformed, turnedLine, turnedUnavailable}
}
