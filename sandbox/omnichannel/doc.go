// Package omnichannel is a stand-in for the Konsulin API as far as its webhook modify-profile goes, with the contacts of
// the omnichannel system behind it, in memory and on loopback.
//
// It owns contacts, the names that they had, the answers to idempotency keys, and faults on demand. It is stricter than
// the real service: a path, method, header, claim or field that a caller should not send is answered with an error and
// listed by [Server.Unknown]. It must not know any room of the product.
//
// As behind the real gateway, a call renames a contact that exists, and an x-api-key where none is asked for is
// answered with 403.
package omnichannel
