package storage

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestAMessageIsAcceptedOnceTogetherWithItsJob(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		var woken atomic.Int64
		b.OnNewJobs(func() { woken.Add(1) })
		fresh, err := b.Accept(t.Context(), accepted("62811", "A1", b.now()))
		require.NoError(t, err)
		require.True(t, fresh)
		require.Equal(t, int64(1), woken.Load())

		again := accepted("62811", "A1", b.now())
		again.Job.Key = "another job"
		fresh, err = b.Accept(t.Context(), again)
		require.NoError(t, err)
		require.False(t, fresh)
		require.Equal(t, int64(1), woken.Load())
		require.Equal(t, 1, b.count(t, "jobs"), "a repeated message writes nothing")

		fresh, err = b.Accept(t.Context(), accepted("62822", "A1", b.now()))
		require.NoError(t, err)
		require.True(t, fresh, "ids are unique per sender only")
		require.Len(t, b.lease(t, "me", 10, "login.answer"), 2)
	})
}

func TestAnAnswerIsPostponedOnceAndByTheLinesOwnerOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		tenure, err := b.OwnLine(t.Context())
		require.NoError(t, err)
		late := jobs.New{Kind: "login.answer", Key: "A/late", Serial: "late:62811", Payload: []byte(`{}`)}
		require.NoError(t, tenure.Inbox().Postpone(t.Context(), late))
		require.NoError(t, tenure.Inbox().Postpone(t.Context(), late))
		require.Equal(t, 1, b.count(t, "jobs"))
		require.NoError(t, tenure.Release())
		late.Key = "B/late"
		require.ErrorIs(t, tenure.Inbox().Postpone(t.Context(), late), ErrLineLost)
		require.Equal(t, 1, b.count(t, "jobs"))
	})
}

func TestOfManyConcurrentDeliveriesOneIsFresh(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		var fresh atomic.Int64
		var g errgroup.Group
		for range 20 {
			g.Go(func() error {
				is, err := b.Accept(t.Context(), accepted("62811", "A1", b.now()))
				if is {
					fresh.Add(1)
				}
				return err
			})
		}
		require.NoError(t, g.Wait())
		require.Equal(t, int64(1), fresh.Load())
		require.Equal(t, 1, b.count(t, "jobs"))
	})
}

func TestAMessageWhoseJobIsRefusedIsNotAccepted(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		a := accepted("62811", "A1", b.now())
		a.Job = jobs.New{}
		_, err := b.Accept(t.Context(), a)
		require.Error(t, err)
		require.Equal(t, 0, b.count(t, "messages"))
	})
}

func TestNoMessageIDCanStopTheIntake(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		for _, id := range []string{"\x00", "\xff\xfe", strings.Repeat("x", 100_000), "", "'; DROP TABLE jobs; --", "$1 ?1"} {
			for _, sender := range []string{"62811", "nul\x00@lid"} {
				fresh, err := b.Accept(t.Context(), accepted(sender, id, b.now()))
				require.NoError(t, err)
				require.True(t, fresh)
				fresh, err = b.Accept(t.Context(), accepted(sender, id, b.now()))
				require.NoError(t, err)
				require.False(t, fresh)
				require.NoError(t, b.Refused(t.Context(), sender, id, "bad\x00"+strings.Repeat("é", 1000)))
			}
		}
		require.Equal(t, 12, b.count(t, "messages WHERE refused <> ''"))
	})
}

func TestTheFirstReasonOfARefusalStays(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		_, err := b.Accept(t.Context(), accepted("62811", "A1", b.now()))
		require.NoError(t, err)
		require.NoError(t, b.Refused(t.Context(), "62811", "A1", "stale"))
		require.NoError(t, b.Refused(t.Context(), "62811", "A1", "limited"))
		require.NoError(t, b.Refused(t.Context(), "62811", "unknown", "limited"))
		require.Equal(t, 1, b.count(t, "messages WHERE refused = 'stale'"))
	})
}

func TestTheLatestHumanIsRemembered(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		last, err := b.LastHuman(t.Context(), "62811")
		require.NoError(t, err)
		require.True(t, last.IsZero())
		for _, minutes := range []int{5, 9, 7} {
			require.NoError(t, b.HumanWrote(t.Context(), "62811", b.now().Add(time.Duration(minutes)*time.Minute)))
		}
		last, err = b.LastHuman(t.Context(), "62811")
		require.NoError(t, err)
		require.Equal(t, b.now().Add(9*time.Minute), last, "messages may arrive out of order")
	})
}

func TestLastLoginLeavesOutTheRequestThatAsks(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		last, err := b.LastLogin(t.Context(), number(t, 1), "R1")
		require.NoError(t, err)
		require.True(t, last.IsZero())
		b.link(t, 1, "R1")
		first := b.now()
		b.clock.advance(time.Minute)
		b.link(t, 1, "R2")
		b.link(t, 2, "other number")
		for reply, want := range map[string]time.Time{"R1": b.now(), "R2": first, "R3": b.now()} {
			last, err := b.LastLogin(t.Context(), number(t, 1), reply)
			require.NoError(t, err)
			require.Equal(t, want, last, reply)
		}
	})
}

func TestANumberIsKnownAfterItsLinksArePurged(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		made := b.now()
		b.link(t, 1, "R1")
		require.NoError(t, b.Audit(t.Context(), AuditRow{At: b.now(), Event: "command", Number: number(t, 2)}))
		b.clock.advance(30 * 24 * time.Hour)
		purged, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Equal(t, int64(1), purged.Links)
		last, err := b.LastLogin(t.Context(), number(t, 1), "R2")
		require.NoError(t, err)
		require.Equal(t, made, last)
		for reply, who := range map[string]int{"R1": 1, "R2": 2} {
			last, err := b.LastLogin(t.Context(), number(t, who), reply)
			require.NoError(t, err)
			require.True(t, last.IsZero(), "neither the request that asks nor other events count")
		}
	})
}

func TestEveryStoreCallAfterCloseSaysSo(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Engine: SQLite, Dir: t.TempDir() + "/data"})
	require.NoError(t, err)
	require.NoError(t, s.Ping(t.Context()))
	require.NoError(t, s.Close())
	_, err = s.Accept(t.Context(), bot.Accepted{Sender: "1", ID: "1", Job: jobs.New{Kind: "k", Key: "k"}})
	require.ErrorIs(t, err, ErrClosed)
	require.Error(t, s.Ping(t.Context()))
	require.NoError(t, errors.Join(s.Close()), "closing twice is harmless")
}
