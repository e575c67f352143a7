package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARunnerMovesAlsoWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.setFail(errAway)
	r := setup(t, Config{Store: store, Poll: time.Millisecond, Handlers: handlers(succeed)})
	r.eventually(t, func() bool { return !r.Beat().IsZero() })
	before := r.Beat()
	r.eventually(t, func() bool { return r.Beat().After(before) })
	store.setFail(nil)
	before = r.Beat()
	r.eventually(t, func() bool { return r.Beat().After(before) })
	require.NoError(t, r.stop())
}

func TestARunnerWhoseStoreHangsForEverStandsStill(t *testing.T) {
	t.Parallel()
	store := newMemory()
	r := setup(t, Config{Store: store, Poll: time.Millisecond, StoreWait: time.Hour, Handlers: handlers(succeed)})
	r.eventually(t, func() bool { return !r.Beat().IsZero() })
	store.setHang("NextRun")
	standsStill(t, r)
}

func TestARunnerWhoseHandlersNeverReturnStandsStill(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := setup(t, Config{Workers: 2, LeaseFor: 10 * time.Millisecond, Poll: time.Millisecond, Grace: time.Millisecond,
		Handlers: handlers(func(context.Context, Job) error { <-release; return nil })})
	r.store.add(New{Kind: "k", Key: "a"}, New{Kind: "k", Key: "b"})
	r.Wake()
	standsStill(t, r)
	close(release)
	before := r.Beat()
	r.eventually(t, func() bool { return r.Beat().After(before) })
}

// standsStill waits until the beat has not changed for a while, however long that takes on a busy machine.
func standsStill(t *testing.T, r running) {
	t.Helper()
	last, since := r.Beat(), time.Now()
	r.eventually(t, func() bool {
		if now := r.Beat(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}
