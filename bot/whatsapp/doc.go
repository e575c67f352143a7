// Package whatsapp owns the line: connecting and pairing, telling who sent a message, handing messages over
// at-least-once, sending, and saying what state the line is in.
//
// It is the only importer of whatsmeow, and no type of that library leaves it. It must not know what a message means.
package whatsapp
