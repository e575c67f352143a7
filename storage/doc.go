// Package storage owns everything that konsulin-bot remembers: accepted messages, jobs, links, sign-ins, rates, chats,
// the audit, and who holds the WhatsApp line. It keeps them in SQLite or in PostgreSQL, by the same statements.
//
// It is the only importer of database drivers. It must not know what a message means, how a link is made or what a
// job does: it keeps the promises about atomicity and order that the other rooms' interfaces state, and nothing else.
//
// Times are integer milliseconds since 1970, UTC. Numbers are stored as digits. No statement of this package puts a
// value into an error.
package storage
