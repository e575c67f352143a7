package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStoppedRunnerLetsHandlersFinish(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}), make(chan struct{})
	r := setup(t, Config{Grace: time.Minute, Handlers: handlers(func(ctx context.Context, _ Job) error {
		close(begun)
		<-goOn
		return ctx.Err()
	})})
	r.store.add(New{Kind: "k", Key: "a"})
	r.Wake()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	r.store.add(New{Kind: "k", Key: "too late"})
	close(goOn)
	require.NoError(t, <-stopped)
	require.Equal(t, "done", r.store.get(1).state, "its context had not ended")
}

func TestAfterTheGraceTheRestIsHandedBackUncounted(t *testing.T) {
	t.Parallel()
	var begun atomic.Int64
	r := setup(t, Config{Grace: 20 * time.Millisecond, Handlers: handlers(func(ctx context.Context, j Job) error {
		begun.Add(1)
		<-ctx.Done()
		if j.Key == "finishes" {
			return nil
		}
		return ctx.Err()
	})})
	r.store.add(New{Kind: "k", Key: "hangs"}, New{Kind: "k", Key: "finishes"})
	r.Wake()
	r.eventually(t, func() bool { return begun.Load() == 2 })
	require.NoError(t, r.stop())
	hangs := r.store.get(1)
	require.Equal(t, "ready", hangs.state)
	require.Zero(t, hangs.counts)
	require.Empty(t, hangs.reason)
	require.Equal(t, "done", r.store.get(2).state)
}

func TestAHandlerThatIgnoresItsContextDoesNotKeepTheRunnerAlive(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	r := setup(t, Config{Grace: 10 * time.Millisecond, Handlers: handlers(func(context.Context, Job) error {
		close(begun)
		<-release
		return nil
	})})
	r.store.add(New{Kind: "k", Key: "a"})
	r.Wake()
	<-begun
	require.ErrorContains(t, r.stop(), "handlers go on")
	require.Equal(t, "ready", r.store.get(1).state)
	close(release)
}

func TestAHandlersDeadlineLeavesTimeToSettleBeforeItsLeaseEnds(t *testing.T) {
	t.Parallel()
	store := newMemory()
	type times struct{ deadline, until time.Time }
	seen := make(chan times, 1)
	r := setup(t, Config{Store: store, Handlers: handlers(func(ctx context.Context, j Job) error {
		deadline, _ := ctx.Deadline() // zero when there is none
		seen <- times{deadline, store.get(j.ID).until}
		return nil
	})})
	store.add(New{Kind: "k", Key: "a"})
	r.Wake()
	got := <-seen
	require.False(t, got.deadline.IsZero())
	require.True(t, got.deadline.Before(got.until), "nobody else may take the job while its handler runs")
	require.Greater(t, got.until.Sub(got.deadline), r.c.StoreWait, "the store gets its time, too")
	r.eventually(t, func() bool { return store.all("done") })
}

func TestAHandlerHasADeadlineShorterThanItsLease(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int64
	r := setup(t, Config{LeaseFor: 40 * time.Millisecond, Backoff: Backoff{First: time.Hour}, Handlers: handlers(func(ctx context.Context, j Job) error {
		attempts.Add(1)
		<-ctx.Done()
		return ctx.Err()
	})})
	r.store.add(New{Kind: "k", Key: "a"})
	r.Wake()
	r.eventually(t, func() bool { return r.store.get(1).counts == 1 })
	require.Equal(t, int64(1), attempts.Load())
	require.Contains(t, r.store.get(1).reason, "deadline exceeded")
}

func TestAJobWhoseHandlerOverrunsItsLeaseIsNotRunTwiceByItsOwner(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int64
	release := make(chan struct{})
	r := setup(t, Config{LeaseFor: 5 * time.Millisecond, Poll: time.Millisecond, Handlers: handlers(func(_ context.Context, j Job) error {
		if j.Key == "slow" {
			attempts.Add(1)
			<-release
		}
		return nil
	})})
	r.store.add(New{Kind: "k", Key: "slow"})
	for i := range 10 { // leasing goes on meanwhile
		r.store.add(New{Kind: "k", Key: fmt.Sprint(i), RunAt: time.Now().Add(time.Duration(i) * 3 * time.Millisecond)})
	}
	r.Wake()
	r.eventually(t, func() bool { return r.store.get(11).state == "done" })
	close(release)
	r.eventually(t, func() bool { return r.store.all("done") })
	require.Equal(t, int64(1), attempts.Load())
}

func TestAFormerLifesJobsAreTakenBackAtStart(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.add(New{Kind: "k", Key: "mine"}, New{Kind: "k", Key: "theirs"})
	far := time.Now().Add(time.Hour)
	for id, owner := range map[int64]string{1: "me", 2: "them"} {
		store.rows[id].state, store.rows[id].owner, store.rows[id].until = "running", owner, far
	}
	r := setup(t, Config{Store: store, Handlers: handlers(succeed)})
	r.eventually(t, func() bool { return store.get(1).state == "done" })
	require.NoError(t, r.stop())
	require.Equal(t, "running", store.get(2).state, "another owner's live lease is respected")
}

func TestAStoreThatIsAwayIsAwaitedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.setFail(errAway)
	r := setup(t, Config{Store: store, Poll: time.Millisecond, Handlers: handlers(func(context.Context, Job) error {
		store.setFail(errAway) // away again while the job runs
		return nil
	})})
	store.add(New{Kind: "k", Key: "a"})
	r.eventually(t, func() bool { return len(r.log.String()) > 0 })
	store.setFail(nil)
	r.eventually(t, func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		return store.settles > 3
	})
	require.Equal(t, "running", store.get(1).state)
	store.setFail(nil)
	r.eventually(t, func() bool { return store.get(1).state == "done" })
	require.NoError(t, r.stop())
	require.Less(t, len(r.log.String()), 2000, "not a line for each try")
	require.Contains(t, r.log.String(), "the job store answers again")
}

func TestARunnerThatCannotHandBackSaysSo(t *testing.T) {
	t.Parallel()
	r := setup(t, Config{Handlers: handlers(succeed)})
	r.store.add(New{Kind: "k", Key: "a"})
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("done") })
	r.store.setFail(errAway)
	require.NoError(t, r.stop(), "an ordinary stop: the jobs come back by themselves")
	require.Contains(t, r.log.String(), "cannot be handed back")
	require.Contains(t, r.log.String(), errAway.Error())
}

func TestARunnerStopsAlthoughTheStoreGivesNoAnswer(t *testing.T) {
	t.Parallel()
	r := setup(t, Config{StoreWait: 5 * time.Millisecond, Handlers: handlers(succeed)})
	r.store.add(New{Kind: "k", Key: "a"})
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("done") })
	r.store.setHang("ReleaseJobs")
	require.NoError(t, r.stop())
	require.Contains(t, r.log.String(), "cannot be handed back")
}

func TestACallThatTheStoreSwallowsIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"ReleaseJobs", "LeaseJobs", "NextRun", "SettleJobs"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			store := newMemory()
			store.setHang(method)
			store.add(New{Kind: "k", Key: "a"})
			r := setup(t, Config{Store: store, StoreWait: 5 * time.Millisecond, Poll: time.Millisecond, Handlers: handlers(succeed)})
			r.eventually(t, func() bool {
				store.mu.Lock()
				defer store.mu.Unlock()
				return store.hung >= 2
			})
			store.setHang("")
			store.add(New{Kind: "k", Key: "b"})
			r.eventually(t, func() bool { return store.all("done") })
			require.NoError(t, r.stop())
			require.Contains(t, r.log.String(), "deadline exceeded")
			require.Less(t, len(r.log.String()), 2000, "not a line for each try")
		})
	}
}

func TestARunnerWithoutAStoreAnOwnerOrHandlersDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{
		{Owner: "me", Handlers: handlers(succeed)},
		{Store: newMemory(), Handlers: handlers(succeed)},
		{Store: newMemory(), Owner: "me"},
	} {
		require.Error(t, NewRunner(c).Run(t.Context()))
	}
}

func TestWakeNeverBlocks(t *testing.T) {
	t.Parallel()
	r := NewRunner(Config{Store: newMemory(), Owner: "me", Handlers: handlers(succeed)})
	for range 1000 {
		r.Wake() // nobody listens yet
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, errors.Join(r.Run(ctx)))
}
