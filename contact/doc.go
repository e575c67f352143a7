// Package contact owns the contact that a user has in the omnichannel system: that it is asked for once, with which
// name, and that its id gets back to the user's Patient.
//
// It speaks the webhook modify-profile of the Konsulin API. It must not know how a number was confirmed, FHIR, SQL, the
// chat or what a job is. It may import internal/phone and nothing else of ours; what it needs of others comes through
// [Profiles], [Names], [Records] and [Pacer].
//
// # One call
//
// modify-profile renames a contact that exists, and people who work with the contacts correct their names. So a contact
// is asked for only while neither the Patient nor our own record knows of one, and never again once the server has
// accepted it, with an id, without one, or with one that cannot be read. A call whose answer was lost is repeated with the same idempotency id, which
// depends on nothing but the user and the number.
//
// # Errors
//
// An [Error] knows whether trying again is pointless and when to try again. No error and no log line holds a number, a
// name, a user id, a key, or what was sent or answered: they name operations, hosts and status codes.
package contact
