// Package guest owns anonymous browser sessions: a person who has not signed in, and what they do meanwhile.
//
// A guest is an id of ours in a signed token. The token proves that we gave this browser this id; the record, which
// storage keeps, says whether the guest still lives. A guest who signs in becomes a user: the record is closed and every
// token of it is dead. Keys are rotated; an old one verifies until the last token signed with it has ended.
//
// It must not know SuperTokens, numbers, links, FHIR or SQL. A guest token is no session: nothing here may be taken for
// a proof of who somebody is.
package guest
