package bot

// What became of a message, as it is counted. Every accepted message ends in exactly one of the final ones; those
// that are not an answer are also recorded through [Inbox.Refused].
const (
	// On arrival.
	countAccepted  = "accepted"
	countDuplicate = "duplicate" // known already
	countFlood     = "flood"     // stopped at the gate, nothing stored
	countIgnored   = "ignored"   // other text under the policy ignore, nothing stored

	// Answered.
	countLink    = "link"    // a link was sent
	countReplied = "replied" // another reply was sent
	countSpent   = "spent"   // the link had been made and is spent: its message is the answer

	// Not answered, or answered with a refusal.
	refusedStale       = "stale"         // too late for a link; the sender was told, unless that happened lately
	refusedTooOld      = "too_old"       // too late for any word
	refusedCoalesced   = "coalesced"     // another request, sent at about the same time, has the answer
	refusedSuperseded  = "superseded"    // a request that was sent later has the answer
	refusedLimited     = "limited"       // over the sender's budget
	refusedLimitedDay  = "limited_day"   // over the sender's budget of the day
	refusedLimitedNew  = "limited_new"   // over what all numbers share that never had a link
	refusedDaily       = "daily"         // this reply was given within the day
	refusedHuman       = "human"         // a human is answering this chat
	refusedDenied      = "denied"        // a command that the sender may not run
	refusedBlocked     = "blocked"       // an admin blocked the number
	refusedPaused      = "paused"        // an admin paused the service; the sender was told, unless that happened lately
	refusedRevoked     = "revoked"       // an admin had the number refused; likewise
	refusedFailed      = "failed"        // something answered that it can never be done
	refusedUnclear     = "unclear"       // the number's account must be put right by a person first
	refusedUnsendable  = "undeliverable" // the line says that it can never be sent
	refusedMisdirected = "misdirected"   // no number where one must be: not accepted

	// Along the way.
	countCoreDown = "core_down" // told that the link will come later
	countLineDown = "line_down" // one try that found the line down
	countCrowded  = "crowded"   // one try that found the budget empty that everybody shares
	countStoreOut = "storage"   // the database did not take the message, or did not answer: nothing was made and nothing sent
)

// Outcomes are what a [Counter] is told of a kind of message. Kinds are those of [Kinds].
func Outcomes() []string {
	return []string{
		countAccepted, countDuplicate, countFlood, countIgnored, countLink, countReplied, countSpent,
		refusedStale, refusedTooOld, refusedCoalesced, refusedSuperseded, refusedLimited, refusedLimitedDay, refusedLimitedNew,
		refusedDaily, refusedHuman, refusedDenied, refusedBlocked, refusedPaused, refusedRevoked, refusedFailed, refusedUnclear,
		refusedUnsendable, refusedMisdirected, countCoreDown, countLineDown, countCrowded, countStoreOut,
	}
}

// Kinds are the kinds of messages that a [Counter] is told of.
func Kinds() []string { return []string{kindLogin, kindCommand, kindOther, kindStranger} }

// The kinds of accepted messages and of events.
const (
	kindLogin    = "login"
	kindCommand  = "command"
	kindOther    = "other"
	kindStranger = "stranger"
)
