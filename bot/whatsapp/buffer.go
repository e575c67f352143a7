package whatsapp

import (
	"context"
	"fmt"

	"go.mau.fi/whatsmeow/store"
)

// patientBuffer stands before the part of whatsmeow's store through which every message is decrypted. When that store is
// away, whatsmeow would take each message for one that it cannot read: it would ask its sender to repeat it five times
// within a moment, and then tell WhatsApp that it is done with it. The message would be lost. An error that looks like the
// end of the connection makes whatsmeow leave the message unsettled instead, and the new connection that away asks
// for brings it again.
type patientBuffer struct {
	store.EventBuffer
	away func()
}

var _ store.EventBuffer = (*patientBuffer)(nil)

// GetBufferedEvent implements [store.EventBuffer].
func (b *patientBuffer) GetBufferedEvent(ctx context.Context, hash [32]byte) (*store.BufferedEvent, error) {
	found, err := b.EventBuffer.GetBufferedEvent(ctx, hash)
	if err != nil {
		return nil, b.unsettled(err)
	}
	return found, nil
}

// DoDecryptionTxn implements [store.EventBuffer]. Whether fn failed because of the message or because of the store is
// asked of the store itself.
func (b *patientBuffer) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	var inside error
	err := b.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
		inside = fn(ctx)
		return inside
	})
	if err == nil {
		return nil
	}
	works := func(context.Context) error { return nil }
	if inside == nil || b.EventBuffer.DoDecryptionTxn(ctx, works) != nil {
		return b.unsettled(err)
	}
	return err
}

func (b *patientBuffer) unsettled(err error) error {
	b.away()
	return fmt.Errorf("the line's store does not answer: %w (%w)", context.Canceled, err)
}
