// Package e2e proves the whole product against the sandbox: the real bot, in this process or in one of its own that can
// be killed, between a WhatsApp server and a SuperTokens core on loopback. It has no code but tests.
//
// SUPERTOKENS_URI (and SUPERTOKENS_API_KEY) put any other SuperTokens core in the stand-in's place. Tests that need a
// core which fails on command put a proxy before it.
package e2e
