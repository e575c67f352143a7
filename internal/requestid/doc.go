// Package requestid carries the id of what was asked for through everything that follows from it, so that one search in the
// log shows the whole story: the chat message, its link, the sign-in, and the jobs after it.
//
// It owns the place of the id in a context and its name in the log. It must not know what asks; an id names nobody. It
// imports nothing of ours.
package requestid
