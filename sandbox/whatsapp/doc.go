// Package whatsapp is a stand-in for WhatsApp on loopback. It speaks the real protocol to an unmodified whatsmeow
// client: websocket frames, the responder's side of Noise XX, binary XML and Signal, with simulated phones that hold
// real Signal sessions.
//
// It owns the accounts, their linked devices with offline queues, the simulated users, and the faults that a test
// can ask for. State lives in the memory of the Server, so a client may be killed at any moment and come back.
//
// It is strict: a stanza that nobody answers, or one that a real server would not expect, is listed by
// Server.Unknown, and a test should assert that this list is empty. The shapes are those that the client accepts;
// nothing was compared with the real service.
//
// It must not know anything of the bot: it imports wire formats only.
package whatsapp
