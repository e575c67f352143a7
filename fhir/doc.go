// Package fhir owns what the FHIR server knows of a user: that there is exactly one Patient (or Practitioner, or
// Person) with the user's id and number, and that the records of a guest become the user's.
//
// It speaks FHIR R4 with raw JSON, so that nothing is lost of what other writers put there: an update changes the
// identifiers of a resource, or the owner of a guest's record, and leaves every other byte as it was. It must not know
// how a number was confirmed, what a job is, SQL, the chat or the omnichannel system. It may import internal/phone and
// nothing else of ours; decisions of admins, roles and provenance come and go through [Cases], [Roles] and [Audit].
//
// # One Patient
//
// The caller lets one worker at a time work on a number. [Service.Sync] then looks for the user id, else for the
// number as WhatsApp vouched for it, else for the number as somebody once typed it. It adopts a resource that is
// nobody's, when there is just one; leaves to an admin what belongs to another user or cannot be told apart; and creates
// one when there is none, on the condition that nobody else has meanwhile. Then it looks again: where two came to be,
// the same one is used ever after, and no third one is made.
//
// # Errors
//
// An [Error] knows whether trying again is pointless and when to try again. No error and no log line holds a number, a
// user id, a query or what the server answered: they name operations, hosts, status codes and references
// ("Patient/1").
package fhir
