// Package returnpath owns one question: may a browser be sent to this path after sign-in? Whoever takes a path from
// outside asks it, when the path comes in and again when it is used.
package returnpath
