// Package bot owns what a chat message means and what is answered: the login phrase, other people's words,
// slash-commands, limits, and the replies in every language.
//
// It must not know WhatsApp's library, SuperTokens, SQL or HTTP: it sees them through the small interfaces that it
// declares in seams.go.
package bot
