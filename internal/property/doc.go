// Package property owns the test of the whole login as one state machine: the real bot, the real sign-in, the real
// database and the stand-in of the SuperTokens core, driven by chance, beside a model that knows nothing of how they do it.
//
// The model (model_test.go) sees what the world sees: what people write and open, what arrives in their chats, what their
// browsers are answered, and what is counted. It must not ask the rooms for what it then checks; only the last look
// (settle_test.go) reads the audit.
//
// What one process cannot hold twice, the SuperTokens SDK, is shared by the two processes of the tests: each has a store
// of its own on the same database, and the SDK's service works on the one whose turn it is. Their concurrency is
// internal/e2e's matter.
package property
