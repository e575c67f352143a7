// Package backup owns the form of a backup: a tar archive that begins with a manifest, which names every file with its
// size and SHA-256. What is read is checked before anybody gets to use it.
//
// It must not know what the files mean, where they come from, or where they go.
package backup
