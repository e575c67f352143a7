// Package auth owns who may sign in: number → code → link → session, and a user's roles.
//
// It is the only importer of supertokens-golang, and its own types are all that leaves it. It must not know
// WhatsApp, the chat's words, FHIR or SQL.
package auth
