package storage

import (
	"fmt"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func jobIDs(taken []jobs.Job) []int64 {
	var found []int64
	for _, j := range taken {
		found = append(found, j.ID)
	}
	return found
}

func keys(taken []jobs.Job) []string {
	var found []string
	for _, j := range taken {
		found = append(found, j.Key)
	}
	return found
}

func TestALeasedJobCarriesWhatWasAdded(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "k", Key: "a", Serial: "s", Payload: []byte(`{"x":1}`), Request: "r"}, jobs.New{Kind: "k", Key: "b"})
		taken := b.lease(t, "me", 10, "k")
		require.Len(t, taken, 2)
		want := jobs.Job{ID: taken[0].ID, Kind: "k", Key: "a", Serial: "s", Payload: []byte(`{"x":1}`), Attempt: 1, CreatedAt: b.now(), Request: "r"}
		require.Equal(t, want, taken[0])
		require.Empty(t, taken[1].Serial)
		require.Empty(t, taken[1].Payload)
		require.Empty(t, b.lease(t, "other", 10, "k"), "a live lease is respected")
	})
}

func TestTheSameWorkTwiceIsOneJob(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "k", Key: "a"}, jobs.New{Kind: "other", Key: "a"})
		added, err := b.AddJobs(t.Context(), jobs.New{Kind: "k", Key: "a"}, jobs.New{Kind: "k", Key: "b"})
		require.NoError(t, err)
		require.Equal(t, 1, added)
		taken := b.lease(t, "me", 10, "k")
		require.Len(t, taken, 2)
		b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()})
		added, err = b.AddJobs(t.Context(), jobs.New{Kind: "k", Key: "a"})
		require.NoError(t, err)
		require.Zero(t, added, "a finished job is known until it is purged")
		_, err = b.AddJobs(t.Context(), jobs.New{Kind: "k"})
		require.ErrorContains(t, err, "a kind and a key")
	})
}

func TestJobsComeOldestFirstAcrossKindsAndNotBeforeTheirTime(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "x", Key: "1"}, jobs.New{Kind: "y", Key: "2"}, jobs.New{Kind: "x", Key: "3"},
			jobs.New{Kind: "y", Key: "late", RunAt: b.now().Add(time.Second)}, jobs.New{Kind: "z", Key: "foreign"})
		require.Equal(t, []string{"1", "2"}, keys(b.lease(t, "me", 2, "x", "y")))
		require.Equal(t, []string{"3"}, keys(b.lease(t, "me", 2, "x", "y")))
		next, ok, err := b.NextRun(t.Context(), []string{"y"})
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, b.now().Add(time.Second), next)
		b.clock.advance(time.Second)
		require.Equal(t, []string{"late"}, keys(b.lease(t, "me", 2, "x", "y")))
		require.Empty(t, b.lease(t, "me", 2))
	})
}

func TestJobsOfOneSerialRunOneAtATimeInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "x", Key: "1", Serial: "s"}, jobs.New{Kind: "y", Key: "2", Serial: "s"},
			jobs.New{Kind: "x", Key: "3", Serial: "s"}, jobs.New{Kind: "x", Key: "free", Serial: "t"})
		taken := b.lease(t, "me", 10, "x", "y")
		require.Equal(t, []string{"1", "free"}, keys(taken))
		require.Empty(t, b.lease(t, "other", 10, "x", "y"), "its turn has not come")

		later := b.now().Add(time.Hour)
		b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Retry, At: b.now(), RunAt: later, Reason: "r"})
		require.Empty(t, b.lease(t, "me", 10, "x", "y"), "a retry that waits keeps its place")
		next, ok, err := b.NextRun(t.Context(), []string{"y"})
		require.NoError(t, err)
		require.False(t, ok, "a job that waits for another kind's job has no time of its own: %s", next)

		b.clock.advance(time.Hour)
		taken = b.lease(t, "me", 10, "x", "y")
		require.Equal(t, []string{"free", "1"}, keys(taken), "the other one's lease has run out; its time came earlier")
		b.settle(t, jobs.Settlement{ID: taken[1].ID, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "r"})
		taken = b.lease(t, "me", 10, "x", "y")
		require.Equal(t, []string{"2"}, keys(taken), "a dead job does not hold up the others")
		b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()})
		require.Equal(t, []string{"3"}, keys(b.lease(t, "me", 10, "x", "y")))
	})
}

func TestARetriedDeadJobWaitsForTheOneThatRuns(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "x", Key: "1", Serial: "s"}, jobs.New{Kind: "x", Key: "2", Serial: "s"})
		first := b.lease(t, "me", 1, "x")[0]
		b.settle(t, jobs.Settlement{ID: first.ID, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
		second := b.lease(t, "me", 1, "x")[0]
		require.Equal(t, "2", second.Key)
		require.NoError(t, b.RetryJob(t.Context(), first.ID))
		require.Empty(t, b.lease(t, "me", 2, "x"))
		b.settle(t, jobs.Settlement{ID: second.ID, Owner: "me", Outcome: jobs.Done, At: b.now()})
		again := b.lease(t, "me", 2, "x")
		require.Equal(t, []int64{first.ID}, jobIDs(again))
		require.Equal(t, 1, again[0].Attempt, "a person's retry starts anew")
	})
}

func TestSettlementsDecideWhatBecomesOfAJob(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		for _, key := range []string{"done", "counted", "uncounted", "dead"} {
			b.add(t, jobs.New{Kind: "k", Key: key, Payload: []byte("secret")})
		}
		taken := b.lease(t, "me", 4, "k")
		soon := b.now().Add(time.Second)
		b.settle(t,
			jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()},
			jobs.Settlement{ID: taken[1].ID, Owner: "me", Outcome: jobs.Retry, At: b.now(), RunAt: soon, Counts: true, Reason: "away"},
			jobs.Settlement{ID: taken[2].ID, Owner: "me", Outcome: jobs.Retry, At: b.now(), RunAt: soon, Reason: "line down"},
			jobs.Settlement{ID: taken[3].ID, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "refused"})
		require.Equal(t, 1, b.count(t, "jobs WHERE state = 'done' AND payload = $1", []byte{}))
		dead, err := b.ListJobs(t.Context(), JobDead)
		require.NoError(t, err)
		require.Equal(t, []JobInfo{{ID: taken[3].ID, Kind: "k", State: JobDead, Attempts: 1, CreatedAt: b.now(), RunAt: b.now(),
			FinishedAt: b.now(), Reason: "refused"}}, dead)
		b.clock.advance(time.Second)
		again := b.lease(t, "me", 4, "k")
		require.Equal(t, []string{"counted", "uncounted"}, keys(again))
		require.Equal(t, 2, again[0].Attempt)
		require.Equal(t, 1, again[1].Attempt)
		require.Equal(t, "secret", string(again[0].Payload))
	})
}

func TestASettlementByAFormerOwnerIsIgnored(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "k", Key: "a"})
		id := b.lease(t, "slow", 1, "k")[0].ID
		require.Empty(t, b.lease(t, "fast", 1, "k"))
		next, ok, err := b.NextRun(t.Context(), []string{"k"})
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, b.now().Add(time.Minute), next, "the lease's end is the next chance")
		b.clock.advance(time.Minute)
		require.Equal(t, []int64{id}, jobIDs(b.lease(t, "fast", 1, "k")), "leases are reclaimed by age")
		b.settle(t, jobs.Settlement{ID: id, Owner: "slow", Outcome: jobs.Dead, At: b.now(), Reason: "late"})
		running, err := b.ListJobs(t.Context(), JobRunning)
		require.NoError(t, err)
		require.Len(t, running, 1)
		require.Empty(t, running[0].Reason)
		b.settle(t, jobs.Settlement{ID: id, Owner: "fast", Outcome: jobs.Done, At: b.now()})
	})
}

func TestReleaseHandsBackOnlyWhatTheOwnerHoldsUncounted(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "k", Key: "a"}, jobs.New{Kind: "k", Key: "b"})
		b.lease(t, "me", 1, "k")
		b.lease(t, "other", 1, "k")
		require.NoError(t, b.ReleaseJobs(t.Context(), "me"))
		again := b.lease(t, "new", 2, "k")
		require.Equal(t, []string{"a"}, keys(again))
		require.Equal(t, 1, again[0].Attempt)
	})
}

func TestOnlyADeadJobCanBeRetried(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "k", Key: "a"})
		id := b.lease(t, "me", 1, "k")[0].ID
		require.ErrorIs(t, b.RetryJob(t.Context(), id), ErrNoDeadJob)
		require.ErrorIs(t, b.RetryJob(t.Context(), id+99), ErrNoDeadJob)
		b.settle(t, jobs.Settlement{ID: id, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
		var woken int
		b.OnNewJobs(func() { woken++ })
		require.NoError(t, b.RetryJob(t.Context(), id))
		require.Equal(t, 1, woken)
		rows, err := b.ListAudit(t.Context(), AuditQuery{Event: EventRetry})
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.InDelta(t, id, rows[0].Detail["job"], 0)
		all, err := b.ListJobs(t.Context())
		require.NoError(t, err)
		require.Equal(t, JobReady, all[0].State)
		_, err = b.ListJobs(t.Context(), "' OR 1=1")
		require.ErrorContains(t, err, "unknown state")
	})
}

func TestManyRunnersNeverShareAJobOrASerial(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		const serials, perSerial, runners = 7, 12, 6
		for i := range serials * perSerial {
			b.add(t, jobs.New{Kind: fmt.Sprint("k", i%3), Key: fmt.Sprint(i), Serial: fmt.Sprint("s", i%serials)})
		}
		type ran struct {
			serial string
			id     int64
		}
		done := make(chan ran, serials*perSerial)
		var g errgroup.Group
		for r := range runners {
			store, owner := b.open(t), fmt.Sprint("runner", r)
			g.Go(func() error {
				for len(done) < serials*perSerial {
					taken, err := store.LeaseJobs(t.Context(), jobs.Lease{Owner: owner, Kinds: []string{"k0", "k1", "k2"},
						Limit: 3, Now: b.now(), Until: b.now().Add(time.Minute)})
					if err != nil {
						return err
					}
					var settle []jobs.Settlement
					for _, j := range taken {
						done <- ran{j.Serial, j.ID}
						settle = append(settle, jobs.Settlement{ID: j.ID, Owner: owner, Outcome: jobs.Done, At: b.now()})
					}
					if err := store.SettleJobs(t.Context(), settle); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		require.Len(t, done, serials*perSerial)
		last := map[string]int64{}
		for range serials * perSerial {
			r := <-done
			require.Less(t, last[r.serial], r.id, "in order, each once")
			last[r.serial] = r.id
		}
	})
}
