// Package auth owns who may sign in: number → code → link → session, and a user's roles.
//
// It is the only importer of supertokens-golang, and its own types are all that leaves it. It must not know
// WhatsApp, the chat's words, FHIR or SQL.
//
// [Service] is the whole room. A link is made by [Service.CreateLink] and spent on SuperTokens' own consume route, which
// [Service.Routes] serves with rules of ours: only links that we issued, one winner, an intent before and one
// transaction after, a session last. [Service.Reconcile] finishes what a crash left in the middle.
//
// What a browser must do to use a link is its [Door]. A login that begins in a browser is an [Attempt]; people who have not
// signed in are guests (package guest), and [Service.Routes] serves both.
//
// # What the consume route answers
//
// The answers are SuperTokens' own (POST {apiBasePath}/signinup/code/consume, JSON, status 200):
//
//	{"status":"OK","createdNewUser":…,"user":…}                         signed in; cookies or headers carry the session
//	{"status":"RESTART_FLOW_ERROR"}                                     used, expired, superseded, or not a link of ours
//	{"status":"GENERAL_ERROR","reason":"try_again","message":…}         nothing is decided yet: the same link may work in a moment
//	{"status":"GENERAL_ERROR","reason":"new_link","message":…}          the link is spent but no session was made: ask for a new link
//	{"status":"GENERAL_ERROR","reason":"digits_required","triesLeft":3,…}  say "digits": the last four of the number
//	{"status":"GENERAL_ERROR","reason":"digits_wrong","triesLeft":2,…}     they were others; after the third the link is dead
//	{"status":"GENERAL_ERROR","reason":"signed_in_as_other",…}          say "replaceSession": true if that is meant
//
// The body may say "digits", "bringGuest" (what a guest did comes along, where it does not by itself) and "replaceSession".
//
// "reason" is ours and stable (see [ReasonTryAgain] and those beside it); other front ends show the message.
package auth
