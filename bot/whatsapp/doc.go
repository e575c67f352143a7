// Package whatsapp owns the line: connecting and pairing, telling who sent a message, handing messages over
// at-least-once, sending, and saying what state the line is in.
//
// It is the only importer of whatsmeow, and no type of that library leaves it. It must not know what a message means.
//
// What the package promises, and where to look for it:
//
//   - A message is acknowledged to WhatsApp only when Intake has returned nil, or when its shape is one that nobody
//     reads (receive.go, shape.go). After an error it comes again over a new connection; it may come more than once,
//     even twice at the same time.
//   - A phone number comes only from a phone-number address, whatever the digits of others look like (sender.go).
//   - Nothing is sent unless the state is Connected or Degraded, and every send ends in time (send.go).
//   - Addresses, names, texts and links reach neither the log nor an error (redact.go).
//   - The plaintext of sent messages leaves whatsmeow's store after a while (purge.go), and the names and address book
//     of the account never enter it (link.go).
//
// One Client has one run loop (run.go, watch.go) that owns the connection. What an event means for the state is a pure
// function (step.go); what is shown of it to others is in status.go.
package whatsapp
