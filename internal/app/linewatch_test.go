package app

import (
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// A line that starts or reconnects for a moment is no reason to send people away; one that stays away is. Whoever does not
// own the line does not know.
func TestLineIsDownOnlyWhenItStaysAway(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	w := newLineWatch(func() time.Time { return now })
	reason, _ := w.down()
	require.Empty(t, reason, "it is starting")
	now = now.Add(lineGrace)
	reason, wait := w.down()
	require.Equal(t, "connecting", reason)
	require.Zero(t, wait, "nobody knows how long")
	w.stoodBy(&storage.HeldError{Host: "other"})
	reason, _ = w.down()
	require.Empty(t, reason, "another process owns it")
}
