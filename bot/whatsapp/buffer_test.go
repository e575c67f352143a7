package whatsapp

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/store"
)

// shakyBuffer is a store that fails on command.
type shakyBuffer struct {
	store.NoopStore
	begin, commit, read error
}

func (b *shakyBuffer) GetBufferedEvent(context.Context, [32]byte) (*store.BufferedEvent, error) {
	return nil, b.read
}

func (b *shakyBuffer) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	if b.begin != nil {
		return b.begin
	}
	if err := fn(ctx); err != nil {
		return err
	}
	return b.commit
}

// TestMessageIsLeftToWhatsAppWhileTheStoreIsAway: only what the message itself is to blame for is told to its sender.
func TestMessageIsLeftToWhatsAppWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	gone, unreadable := errors.New("connection refused"), errors.New("no session")
	for name, c := range map[string]struct {
		shaky   *shakyBuffer
		fn      func(b *shakyBuffer) error
		blamed  bool // the message is
		resets  int
		success bool
	}{
		"readable":              {&shakyBuffer{}, func(*shakyBuffer) error { return nil }, false, 0, true},
		"unreadable":            {&shakyBuffer{}, func(*shakyBuffer) error { return unreadable }, true, 0, false},
		"no transaction":        {&shakyBuffer{begin: gone}, func(*shakyBuffer) error { return nil }, false, 1, false},
		"no commit":             {&shakyBuffer{commit: gone}, func(*shakyBuffer) error { return nil }, false, 1, false},
		"gone while decrypting": {&shakyBuffer{}, func(b *shakyBuffer) error { b.begin = gone; return unreadable }, false, 1, false},
	} {
		resets := 0
		b := &patientBuffer{EventBuffer: c.shaky, away: func() { resets++ }}
		err := b.DoDecryptionTxn(t.Context(), func(context.Context) error { return c.fn(c.shaky) })
		require.Equal(t, c.success, err == nil, name)
		require.Equal(t, !c.success && !c.blamed, errors.Is(err, context.Canceled), "%s: whatsmeow settles nothing", name)
		require.Equal(t, c.resets, resets, name)
	}
	resets := 0
	b := &patientBuffer{EventBuffer: &shakyBuffer{read: gone}, away: func() { resets++ }}
	_, err := b.GetBufferedEvent(t.Context(), [32]byte{})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, resets)
}
