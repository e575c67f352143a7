// Package phone owns one thing: a phone number, how it is read, compared, stored and shown.
//
// Everybody may import it; it imports nothing of ours. It must not know where a number came from: whether a
// sender may be trusted to own a number is decided in bot/whatsapp, before a Number exists.
package phone
