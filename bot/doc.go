// Package bot owns what a chat message means and what is answered: the login phrase, other people's words,
// slash-commands, limits, and the replies in every language.
//
// It must not know WhatsApp's library, SuperTokens, SQL or HTTP: it sees them through the small interfaces that it
// declares in seams.go.
//
// A message passes twice. [Bot.Receive] decides what it is and has it committed together with a job; that is all that
// happens before WhatsApp hears that the message was delivered. The job, worked by one of [Bot.Handlers], answers.
// The text of a message is looked at in Receive and nowhere else: it is neither stored nor logged.
package bot
