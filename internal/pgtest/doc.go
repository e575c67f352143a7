// Package pgtest owns one throw-away PostgreSQL server per test process: it finds the server's programs, starts a
// cluster on a Unix socket with durability off, gives each test a database of its own, and removes everything.
//
// It is for tests only; production code must not import it. It must not know our tables.
package pgtest
