package storage

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// own takes the line and gives it back when the test ends.
func own(tb testing.TB, s *Store) *Tenure {
	tb.Helper()
	tenure, err := s.OwnLine(tb.Context())
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, tenure.Release()) })
	return tenure
}

func requireLost(tb testing.TB, tenure *Tenure) {
	tb.Helper()
	select {
	case <-tenure.Lost():
	case <-time.After(30 * time.Second):
		require.FailNow(tb, "the loss of the line is not told")
	}
}

func leaseOf(b bundle) jobs.Lease {
	return jobs.Lease{Owner: "line", Kinds: []string{"login.answer"}, Limit: 1, Now: b.now(), Until: b.now().Add(time.Minute)}
}

func TestASecondOwnerIsRefusedAndToldWhoHoldsTheLine(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		first := own(t, b.Store)
		require.NoError(t, first.Check(t.Context()))
		other := b.open(t) // subcommands open beside a running serve
		_, err := other.OwnLine(t.Context())
		var held *HeldError
		require.ErrorAs(t, err, &held)
		host, hostErr := os.Hostname()
		require.NoError(t, hostErr)
		require.Equal(t, os.Getpid(), held.PID)
		require.Equal(t, host, held.Host)
		require.False(t, held.Since.IsZero())
		require.ErrorContains(t, err, "stop it first")

		require.NoError(t, first.Release())
		require.NoError(t, first.Release(), "twice is harmless")
		requireLost(t, first)
		require.ErrorIs(t, first.Check(t.Context()), ErrLineLost)
		second := own(t, other)
		require.NoError(t, second.Check(t.Context()))
		_, err = first.Inbox().Accept(t.Context(), accepted("62811", "A", b.now()))
		require.ErrorIs(t, err, ErrLineLost)
		_, err = first.Jobs().LeaseJobs(t.Context(), leaseOf(b))
		require.ErrorIs(t, err, ErrLineLost)
	})
}

func TestOfManyProcessesOneOwnsTheLine(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		var owners atomic.Int64
		var g errgroup.Group
		for range 6 {
			s := b.open(t)
			g.Go(func() error {
				tenure, err := s.OwnLine(t.Context())
				var held *HeldError
				if errors.As(err, &held) {
					return nil
				}
				if err == nil {
					owners.Add(1)
					t.Cleanup(func() { require.NoError(t, tenure.Release()) })
				}
				return err
			})
		}
		require.NoError(t, g.Wait())
		require.Equal(t, int64(1), owners.Load())
	})
}

// TestAFormerOwnerCannotTouchTheJobsOfTheNewOne, although the runners of both have the same name.
func TestAFormerOwnerCannotTouchTheJobsOfTheNewOne(t *testing.T) {
	t.Parallel()
	b := setup(t, Postgres)
	former := own(t, b.Store)
	_, err := former.Inbox().Accept(t.Context(), accepted("62811", "A", b.now()))
	require.NoError(t, err)
	require.NoError(t, b.raw(t, "UPDATE line_owner SET until = 0"))
	next := own(t, b.open(t))
	taken, err := next.Jobs().LeaseJobs(t.Context(), leaseOf(b))
	require.NoError(t, err)
	require.Len(t, taken, 1)

	done := []jobs.Settlement{{ID: taken[0].ID, Owner: leaseOf(b).Owner, Outcome: jobs.Done, At: b.now()}}
	require.ErrorIs(t, former.Jobs().SettleJobs(t.Context(), done), ErrLineLost)
	require.ErrorIs(t, former.Jobs().ReleaseJobs(t.Context(), leaseOf(b).Owner), ErrLineLost)
	require.Equal(t, 1, b.count(t, "jobs WHERE state = 'running'"))
	require.NoError(t, next.Jobs().SettleJobs(t.Context(), done))
	require.Equal(t, 1, b.count(t, "jobs WHERE state = 'done'"))
}

func TestTheOwnerAcceptsAndLeasesThroughItsTenure(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		tenure := own(t, b.Store)
		fresh, err := tenure.Inbox().Accept(t.Context(), accepted("62811", "A", b.now()))
		require.NoError(t, err)
		require.True(t, fresh)
		taken, err := tenure.Jobs().LeaseJobs(t.Context(), leaseOf(b))
		require.NoError(t, err)
		require.Len(t, taken, 1)
		require.NoError(t, tenure.Jobs().ReleaseJobs(t.Context(), "line"))
	})
}

// How long leases are in tests: short enough to wait for its end, and long enough for a busy machine to renew.
const (
	endsSoon = 400 * time.Millisecond
	lasts    = 6 * time.Second
)

// shortLease opens the bundle's PostgreSQL with real time and a short lease.
func shortLease(t *testing.T, lease time.Duration) bundle {
	t.Helper()
	b := setup(t, Postgres)
	b.config.Now, b.config.LineLease = time.Now, lease
	b.Store = b.open(t)
	return b
}

func TestALeaseIsRenewedWhileItsOwnerLives(t *testing.T) {
	t.Parallel()
	b := shortLease(t, lasts)
	tenure := own(t, b.Store)
	until := func() (ms int64) {
		_, err := one(t.Context(), b.engine.reader(), "SELECT until FROM line_owner", nil, &ms)
		require.NoError(t, err)
		return ms
	}
	before := until()
	require.Eventually(t, func() bool { return until() > before+1000 }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, tenure.Check(t.Context()))
}

func TestAnOwnerWhoseLeaseWasTakenStopsAtOnce(t *testing.T) {
	t.Parallel()
	b := shortLease(t, endsSoon)
	former := own(t, b.Store)
	// As if this process had been paused, its lease had run out and another process had taken it.
	require.NoError(t, b.raw(t, "UPDATE line_owner SET epoch = epoch + 1, pid = 7, until = until + 3600000"))
	other, err := b.open(t).engine.(*pgEngine).db.Conn(t.Context())
	require.NoError(t, err)
	defer hangUp(other)
	_, err = other.ExecContext(t.Context(), "SELECT pg_advisory_lock($1::int, epoch::int) FROM line_owner", lifeLock)
	require.NoError(t, err)
	_, err = former.Inbox().Accept(t.Context(), accepted("62811", "A", b.clock.now()))
	require.ErrorIs(t, err, ErrLineLost)
	requireLost(t, former)
	require.Equal(t, 0, b.count(t, "messages"), "the message is the new owner's")
	require.NoError(t, former.Release())
	_, err = b.OwnLine(t.Context())
	require.ErrorContains(t, err, "process 7", "a former owner's release does not end the new tenure")
}

// endSessions ends the database sessions that show that an owner lives, as the death of its process does.
func endSessions(t *testing.T, b bundle) {
	t.Helper()
	require.Equal(t, 1, b.count(t, `(SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
		AND granted AND classid = 7749 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) x`))
}

func TestTheLineOfAKilledOwnerIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, Postgres)
	b.config.Now, b.config.LineLease = time.Now, time.Hour
	b.Store = b.open(t)
	former := own(t, b.Store)
	other := b.open(t)
	_, err := other.OwnLine(t.Context())
	require.ErrorContains(t, err, "in use by another konsulin-bot")
	endSessions(t, b)
	require.Eventually(t, func() bool {
		next, err := other.OwnLine(t.Context())
		if err == nil {
			t.Cleanup(func() { require.NoError(t, next.Release()) })
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond, "nobody waits for the end of an hour")
	_, err = former.Inbox().Accept(t.Context(), accepted("62811", "A", b.clock.now()))
	require.ErrorIs(t, err, ErrLineLost, "and if it lives after all, it is fenced off")
}

func TestAnOwnerWhoseSessionBrokeShowsAgainThatItLives(t *testing.T) {
	t.Parallel()
	b := shortLease(t, lasts)
	tenure := own(t, b.Store)
	endSessions(t, b)
	require.Eventually(t, func() bool {
		return b.count(t, "pg_locks WHERE locktype = 'advisory' AND classid = 7749 AND database = "+
			"(SELECT oid FROM pg_database WHERE datname = current_database())") == 1
	}, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, tenure.Check(t.Context()))
}

// TestAnOwnerAsksForItsLockUntilItHasIt, because a session that broke on the way may live on at the server for a while.
func TestAnOwnerAsksForItsLockUntilItHasIt(t *testing.T) {
	t.Parallel()
	b := shortLease(t, lasts)
	tenure := own(t, b.Store)
	old, err := b.open(t).engine.(*pgEngine).db.Conn(t.Context())
	require.NoError(t, err)
	got := make(chan error, 1)
	go func() {
		_, err := old.ExecContext(t.Context(), "SELECT pg_advisory_lock($1::int, $2::int)", lifeLock, tenure.epoch)
		got <- err
	}()
	const locks = `pg_locks WHERE locktype = 'advisory' AND classid = 7749
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	require.Eventually(t, func() bool { return b.count(t, locks+" AND NOT granted") == 1 }, 30*time.Second, 10*time.Millisecond)
	endSessions(t, b)
	require.NoError(t, <-got, "it stands for the old session, which the server has not given up yet")
	until := func() (ms int64) {
		_, err := one(t.Context(), b.engine.reader(), "SELECT until FROM line_owner", nil, &ms)
		require.NoError(t, err)
		return ms
	}
	before := until()
	require.Eventually(t, func() bool { return until() > before+1000 }, 30*time.Second, 20*time.Millisecond, "ticks pass")
	hangUp(old)
	require.Eventually(t, func() bool { return b.count(t, locks+" AND granted") == 1 }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, tenure.Check(t.Context()))
}

func TestAnOwnerThatCannotRenewTellsItBeforeOthersMayOwn(t *testing.T) {
	t.Parallel()
	b := shortLease(t, endsSoon)
	tenure := own(t, b.Store)
	blocker := b.open(t)
	held, release := make(chan struct{}), make(chan struct{})
	blocked := make(chan error, 1)
	go func() { // the database does not answer the renewal
		blocked <- blocker.write(context.Background(), func(ctx context.Context, q querier) error {
			_, err := q.ExecContext(ctx, "SELECT 1 FROM line_owner FOR UPDATE")
			close(held)
			<-release
			return err
		})
	}()
	<-held
	requireLost(t, tenure)
	close(release)
	require.NoError(t, <-blocked)
	require.ErrorIs(t, tenure.Check(t.Context()), ErrLineLost)
	require.Eventually(t, func() bool {
		next, err := b.OwnLine(t.Context())
		if err == nil {
			err = next.Release()
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
}

func TestATransactionOfTheFormerOwnerEndsBeforeANewTenureBegins(t *testing.T) {
	t.Parallel()
	b := shortLease(t, endsSoon)
	former := own(t, b.Store)
	inside, taken, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { // a process that is paused between the fence and its commit
		ended <- b.write(context.Background(), func(ctx context.Context, q querier) error {
			if err := former.fence(ctx, q); err != nil {
				return err
			}
			close(inside)
			<-taken
			_, err := change(ctx, q, "INSERT INTO chats (chat, human_at) VALUES ('late', 1)")
			return err
		})
	}()
	<-inside
	require.NoError(t, b.raw(t, "UPDATE line_owner SET until = 0"))
	var next *Tenure
	require.Eventually(t, func() bool {
		var err error
		next, err = b.OwnLine(t.Context())
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
	close(taken)
	t.Cleanup(func() { require.NoError(t, next.Release()) })
	require.Error(t, <-ended, "the server has ended it")
	require.Equal(t, 0, b.count(t, "chats"))
}
