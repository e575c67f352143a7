package auth_test

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// TestTenThousandOpenLinksAreWatchedWithinBounds plays three minutes of watching 10,000 open links every three seconds. The core
// has no codes for them, which costs the most calls.
func TestTenThousandOpenLinksAreWatchedWithinBounds(t *testing.T) {
	w := setup(t, beside)
	const links, minutes, perMinute = 10_000, 3, 20
	now := w.clock.Now()
	for i := range links {
		id := strconv.Itoa(i)
		require.NoError(t, w.store.SaveLink(context.Background(), auth.LinkRecord{
			ReplyID: id, CodeID: id, PreAuthHash: id, Number: newNumber(t), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
			State: auth.LinkOpen,
		}))
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	calls := w.proxy.count("/recipe/signinup/codes")
	for range minutes * perMinute {
		w.clock.advance(3 * time.Second)
		_, err := w.service.Watch(context.Background(), 3*time.Second)
		require.NoError(t, err)
	}
	calls = w.proxy.count("/recipe/signinup/codes") - calls
	grown := int64(heap()) - int64(before) //nolint:gosec // far below
	t.Logf("%d open links: %d calls a minute, %d KiB more memory", links, calls/minutes, grown/1024)
	require.LessOrEqual(t, calls, 100*minutes*perMinute)
	require.Less(t, grown, int64(32<<20))
}
