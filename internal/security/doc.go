// Package security is the list of attacks on this login: what stops each, and the tests that try it. docs/security.md is made
// from it.
//
// It owns the list and how it is written down. It is no part of the product and knows its rooms only as source files.
package security
