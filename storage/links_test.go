package storage

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func (b bundle) readLink(tb testing.TB, reply string) auth.LinkRecord {
	tb.Helper()
	l, err := b.LinkByReply(tb.Context(), reply)
	require.NoError(tb, err)
	return l
}

func TestALinkIsReadAsItWasSaved(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		want := b.link(t, 1, "R1")
		require.Equal(t, want, b.readLink(t, "R1"))
		got, err := b.LinkByPreAuth(t.Context(), want.PreAuthHash)
		require.NoError(t, err)
		require.Equal(t, want, got)
		_, err = b.LinkByReply(t.Context(), "R2")
		require.ErrorIs(t, err, auth.ErrNotFound)
		_, err = b.LinkByPreAuth(t.Context(), "R1")
		require.ErrorIs(t, err, auth.ErrNotFound)
		require.Error(t, b.SaveLink(t.Context(), want), "a reply carries one link")
		rows, err := b.ListAudit(t.Context(), AuditQuery{})
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, EventLink, rows[0].Event)
		require.Equal(t, number(t, 1), rows[0].Number)
	})
}

func TestLinkThatIsSavedAloneRevokesTheOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.link(t, 1, "old")
		consuming := b.link(t, 1, "consuming")
		require.NoError(t, b.BeginSignIn(t.Context(), b.intent(consuming, "i")))
		foreign := b.link(t, 2, "foreign")
		l := consuming
		l.ReplyID, l.CodeID, l.PreAuthHash, l.State, l.Alone = "new", "new", "new", auth.LinkOpen, true
		l.Sealed = foreign.Sealed
		require.NoError(t, b.SaveLink(t.Context(), l))
		require.Equal(t, auth.LinkRevoked, b.readLink(t, "old").State)
		require.Empty(t, b.readLink(t, "old").Sealed)
		require.Equal(t, auth.LinkConsuming, b.readLink(t, "consuming").State)
		require.Equal(t, auth.LinkOpen, b.readLink(t, "foreign").State)
		got := b.readLink(t, "new")
		require.True(t, got.Alone)
		require.Equal(t, auth.LinkOpen, got.State)
		require.NotEmpty(t, got.Sealed)

		l.ReplyID, l.CodeID = "newer", "newer"
		require.Error(t, b.SaveLink(t.Context(), l), "one link for each session of the core")
		require.Equal(t, auth.LinkOpen, b.readLink(t, "new").State, "a link that is not saved ends none")
	})
}

func TestLinkAloneRevokesTheOthersOfTheNumber(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.link(t, 1, "old")
		consuming := b.link(t, 1, "consuming")
		require.NoError(t, b.BeginSignIn(t.Context(), b.intent(consuming, "i")))
		b.link(t, 2, "foreign")
		b.link(t, 1, "new")
		require.NoError(t, b.LinkAlone(t.Context(), "new"))
		require.NoError(t, b.LinkAlone(t.Context(), "new"), "a retry may say it again")
		require.ErrorIs(t, b.LinkAlone(t.Context(), "unknown"), auth.ErrNotFound)
		require.Equal(t, auth.LinkRevoked, b.readLink(t, "old").State)
		require.Empty(t, b.readLink(t, "old").Sealed)
		require.Equal(t, auth.LinkConsuming, b.readLink(t, "consuming").State)
		require.Equal(t, auth.LinkOpen, b.readLink(t, "foreign").State)
		got := b.readLink(t, "new")
		require.True(t, got.Alone)
		require.Equal(t, auth.LinkOpen, got.State)
		require.NotEmpty(t, got.Sealed)
	})
}

func TestOfManyConsumersOneBegins(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		l := b.link(t, 1, "R1")
		other := b.open(t)
		var won, taken atomic.Int64
		var g errgroup.Group
		for i := range 40 {
			store := b.Store
			if i%2 == 0 {
				store = other
			}
			g.Go(func() error {
				err := store.BeginSignIn(t.Context(), b.intent(l, fmt.Sprint("i", i)))
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, auth.ErrTaken):
					taken.Add(1)
				default:
					return err
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		require.Equal(t, int64(1), won.Load())
		require.Equal(t, int64(39), taken.Load())
		require.Equal(t, 1, b.count(t, "intents"))
	})
}

func TestASignInIsRecordedOnceWithItsJobs(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		l := b.link(t, 1, "R1")
		i := b.intent(l, "i1")
		require.NoError(t, b.BeginSignIn(t.Context(), i))
		b.clock.advance(time.Second)
		open, err := b.OpenIntents(t.Context(), b.now())
		require.NoError(t, err)
		require.Equal(t, []auth.Intent{i}, open)

		var woken atomic.Int64
		b.OnNewJobs(func() { woken.Add(1) })
		require.NoError(t, b.RecordSignIn(t.Context(), b.signIn(i, "user-1")))
		require.Equal(t, int64(1), woken.Load())
		require.ErrorIs(t, b.RecordSignIn(t.Context(), b.signIn(i, "user-1")), auth.ErrTaken)
		require.ErrorIs(t, b.AbandonSignIn(t.Context(), "i1", true, "late"), auth.ErrTaken)
		require.ErrorIs(t, b.RecordSignIn(t.Context(), b.signIn(b.intent(l, "unknown"), "user-1")), auth.ErrNotFound)
		require.ErrorIs(t, b.BeginSignIn(t.Context(), b.intent(l, "i2")), auth.ErrTaken)

		got := b.readLink(t, "R1")
		require.Equal(t, auth.LinkConsumed, got.State)
		require.Empty(t, got.Sealed)
		open, err = b.OpenIntents(t.Context(), b.now().Add(time.Hour))
		require.NoError(t, err)
		require.Empty(t, open)
		require.Equal(t, 1, b.count(t, "intents WHERE pre_auth = '' AND guest = ''"), "what only an open intent needs is gone")
		rows, err := b.ListAudit(t.Context(), AuditQuery{Event: EventSignIn, UserID: "user-1", Number: number(t, 1)})
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, "R1", rows[0].ReplyID)
		require.Equal(t, map[string]any{"new_user": true, "guest": false, "reconciled": false}, rows[0].Detail)
		require.Len(t, b.lease(t, "me", 10, "fhir.sync", "contact.sync"), 2)
	})
}

func TestAConfirmedNumberIsRecordedAlthoughItsIntentWasAbandoned(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		for _, reopened := range []bool{true, false} {
			reply := fmt.Sprint("reopened ", reopened)
			i := b.intent(b.link(t, 1, reply), "i "+reply)
			require.NoError(t, b.BeginSignIn(t.Context(), i))
			require.NoError(t, b.AbandonSignIn(t.Context(), i.ID, reopened, "another process believed it dead"))
			late := b.signIn(i, "user-1")
			late.Reconciled = true
			require.ErrorIs(t, b.RecordSignIn(t.Context(), late), auth.ErrTaken, "a guess counts no more")
			late.Reconciled = false
			require.NoError(t, b.RecordSignIn(t.Context(), late))
			require.ErrorIs(t, b.RecordSignIn(t.Context(), late), auth.ErrTaken, "once")
			require.Equal(t, auth.LinkConsumed, b.readLink(t, reply).State)
			require.Empty(t, b.readLink(t, reply).Sealed)
			require.Equal(t, 1, b.count(t, "audit WHERE event = 'sign-in' AND reply_id = $1", reply))
			require.Equal(t, 2, b.count(t, "jobs WHERE key = $1", i.ID))
		}
	})
}

func TestALinkIsRecordedUnderOneOfItsIntents(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		l := b.link(t, 1, "R1")
		first, second := b.intent(l, "i1"), b.intent(l, "i2")
		require.NoError(t, b.BeginSignIn(t.Context(), first))
		require.NoError(t, b.AbandonSignIn(t.Context(), "i1", true, "another process believed it dead"))
		require.NoError(t, b.BeginSignIn(t.Context(), second))
		require.NoError(t, b.RecordSignIn(t.Context(), b.signIn(first, "user-1")))
		require.ErrorIs(t, b.RecordSignIn(t.Context(), b.signIn(second, "user-1")), auth.ErrTaken)
		require.Zero(t, b.count(t, "intents WHERE closed_at IS NULL"), "nothing is left to reconcile")
		require.ErrorIs(t, b.RecordSignIn(t.Context(), b.signIn(second, "user-1")), auth.ErrTaken)
		require.Equal(t, 1, b.count(t, "audit WHERE event = 'sign-in'"))
		require.Equal(t, 2, b.count(t, "jobs"))
	})
}

func TestAnUnreadableIntentHidesNoOther(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		for i := range 3 {
			require.NoError(t, b.BeginSignIn(t.Context(), b.intent(b.link(t, i, fmt.Sprint("R", i)), fmt.Sprint("i", i))))
		}
		require.NoError(t, b.raw(t, "UPDATE intents SET number = 'nobody' WHERE id = 'i1'"))
		open, err := b.OpenIntents(t.Context(), b.now().Add(time.Second))
		require.ErrorContains(t, err, "intent i1")
		require.Len(t, open, 2)
	})
}

func TestParallelRecordsOfOneSignInLeaveOneAuditRow(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		i := b.intent(b.link(t, 1, "R1"), "i1")
		require.NoError(t, b.BeginSignIn(t.Context(), i))
		var g errgroup.Group
		var won atomic.Int64
		for range 10 {
			g.Go(func() error {
				err := b.RecordSignIn(t.Context(), b.signIn(i, "user-1"))
				if err == nil {
					won.Add(1)
				}
				if errors.Is(err, auth.ErrTaken) {
					return nil
				}
				return err
			})
		}
		require.NoError(t, g.Wait())
		require.Equal(t, int64(1), won.Load())
		require.Equal(t, 1, b.count(t, "audit WHERE event = 'sign-in'"))
		require.Equal(t, 2, b.count(t, "jobs"))
	})
}

func TestAnAbandonedSignInOpensTheLinkOrSpendsIt(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		l := b.link(t, 1, "R1")
		require.NoError(t, b.BeginSignIn(t.Context(), b.intent(l, "i1")))
		require.NoError(t, b.AbandonSignIn(t.Context(), "i1", true, "the core was away"))
		require.Equal(t, auth.LinkOpen, b.readLink(t, "R1").State)
		require.NotEmpty(t, b.readLink(t, "R1").Sealed)
		require.NoError(t, b.BeginSignIn(t.Context(), b.intent(l, "i2")), "it can be consumed again")
		require.NoError(t, b.AbandonSignIn(t.Context(), "i2", false, "gone"))
		require.Equal(t, auth.LinkRevoked, b.readLink(t, "R1").State)
		require.Empty(t, b.readLink(t, "R1").Sealed)
		require.ErrorIs(t, b.AbandonSignIn(t.Context(), "unknown", false, ""), auth.ErrNotFound)
		require.Equal(t, 2, b.count(t, "audit WHERE event = $1", EventAbandoned))
	})
}

func TestASupersededLinkDoesNotOpenAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		old := b.link(t, 1, "old")
		require.NoError(t, b.BeginSignIn(t.Context(), b.intent(old, "i1")))
		b.clock.advance(time.Second)
		b.link(t, 1, "new")
		require.NoError(t, b.LinkAlone(t.Context(), "new"))
		require.NoError(t, b.AbandonSignIn(t.Context(), "i1", true, "the core was away"))
		require.Equal(t, auth.LinkRevoked, b.readLink(t, "old").State)
		require.Empty(t, b.readLink(t, "old").Sealed)
	})
}

func TestPatientStateFollowsTheSyncOfTheUser(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		state := func() string {
			got, err := b.PatientState(t.Context(), "user-1")
			require.NoError(t, err)
			return got
		}
		require.Equal(t, "pending", state(), "nobody has signed in")
		i := b.intent(b.link(t, 1, "R1"), "i1")
		require.NoError(t, b.BeginSignIn(t.Context(), i))
		require.NoError(t, b.RecordSignIn(t.Context(), b.signIn(i, "user-1")))
		require.Equal(t, "pending", state())
		id := b.lease(t, "me", 1, "fhir.sync")[0].ID
		require.Equal(t, "pending", state())
		b.settle(t, jobs.Settlement{ID: id, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
		require.Equal(t, "review", state())
		require.NoError(t, b.RetryJob(t.Context(), id))
		require.Equal(t, "pending", state())
		b.lease(t, "me", 1, "fhir.sync")
		b.settle(t, jobs.Settlement{ID: id, Owner: "me", Outcome: jobs.Done, At: b.now()})
		require.Equal(t, "linked", state())
		b.clock.advance(100 * 24 * time.Hour)
		_, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Equal(t, "linked", state(), "also when the job itself is long gone")
		other, err := b.PatientState(t.Context(), "user-2")
		require.NoError(t, err)
		require.Equal(t, "pending", other)
	})
}

func TestADeadSyncIsForgottenAfterALaterSuccess(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		state := func() string {
			got, err := b.PatientState(t.Context(), "user-1")
			require.NoError(t, err)
			return got
		}
		for i, outcome := range []jobs.Outcome{jobs.Dead, jobs.Done} {
			in := b.intent(b.link(t, 1, fmt.Sprint("R", i)), fmt.Sprint("i", i))
			require.NoError(t, b.BeginSignIn(t.Context(), in))
			require.NoError(t, b.RecordSignIn(t.Context(), b.signIn(in, "user-1")))
			require.Equal(t, "pending", state())
			id := b.lease(t, "me", 1, "fhir.sync")[0].ID
			b.settle(t, jobs.Settlement{ID: id, Owner: "me", Outcome: outcome, At: b.now(), Reason: "no"})
		}
		require.Equal(t, "linked", state())
		b.clock.advance(48 * time.Hour)
		_, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Equal(t, 1, b.count(t, "jobs WHERE kind = 'fhir.sync'"), "the dead one is kept longer")
		require.Equal(t, "linked", state())
	})
}
