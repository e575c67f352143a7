// Package supertokens is a stand-in for the SuperTokens core: the part of its driver interface (CDI 3.1) that the Go
// SDK v0.25.2 speaks for passwordless, session, userroles, usermetadata, multitenancy and jwt, in memory and on
// loopback. The unchanged SDK is its client.
//
// It owns codes, users, sessions, roles and signing keys exactly as the core keeps them, and faults on demand. It is
// stricter than the core: a path, method, header or field that the SDK would not send is answered with an error and
// listed by [Server.Unknown]. It must not know any room of the product, nor the SDK.
//
// The conformance test in this package runs the same exchanges against this stand-in and, when SUPERTOKENS_URI is
// set, against a real core.
package supertokens
