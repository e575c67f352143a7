package whatsapp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheRunLoopShowsThatItMoves: whatever the line does, also when nothing happens on it.
func TestTheRunLoopShowsThatItMoves(t *testing.T) {
	t.Parallel()
	w := connected(t)
	last := w.line.Beat()
	require.False(t, last.IsZero())
	for range 2 { // connected and silent
		require.Eventually(t, func() bool { return w.line.Beat().After(last) }, 4*heartbeat, 10*time.Millisecond)
		last = w.line.Beat()
	}
}
