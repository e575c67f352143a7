package storage

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func (b bundle) guest(tb testing.TB, id string) guest.Record {
	tb.Helper()
	r := guest.Record{ID: id, CreatedAt: b.now(), LastSeenAt: b.now(), ExpiresAt: b.now().Add(30 * 24 * time.Hour), State: guest.Live}
	require.NoError(tb, b.SaveGuest(tb.Context(), r))
	return r
}

func (b bundle) readGuest(tb testing.TB, id string) guest.Record {
	tb.Helper()
	r, err := b.Guest(tb.Context(), id)
	require.NoError(tb, err)
	return r
}

func TestAGuestIsReadAsItWasSaved(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		want := b.guest(t, "g1")
		require.Equal(t, want, b.readGuest(t, "g1"))
		_, err := b.Guest(t.Context(), "g2")
		require.ErrorIs(t, err, guest.ErrNotFound)
		require.Error(t, b.SaveGuest(t.Context(), want), "an id is given once")
		b.clock.advance(time.Hour)
		want.LastSeenAt, want.ExpiresAt = b.now(), b.now().Add(time.Minute)
		require.NoError(t, b.SeeGuest(t.Context(), "g1", want.LastSeenAt, want.ExpiresAt))
		require.Equal(t, want, b.readGuest(t, "g1"))
		require.ErrorIs(t, b.SeeGuest(t.Context(), "g2", b.now(), b.now()), guest.ErrNotFound)
	})
}

func TestGuestKeysAreListedWhileTheyMatter(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		var want []guest.KeyRecord
		for i := range 3 {
			k := guest.KeyRecord{ID: fmt.Sprint("k", i), Sealed: []byte{byte(i), 0}, CreatedAt: b.now().Add(time.Duration(i) * time.Hour),
				RetireAt: b.now().Add(time.Duration(i+1) * 24 * time.Hour)}
			require.NoError(t, b.SaveGuestKey(t.Context(), k))
			want = append(want, k)
		}
		got, err := b.GuestKeys(t.Context(), b.now())
		require.NoError(t, err)
		require.Equal(t, want, got)
		b.clock.advance(24 * time.Hour)
		got, err = b.GuestKeys(t.Context(), b.now())
		require.NoError(t, err)
		require.Equal(t, want[1:], got)
	})
}

// withGuest is a sign-in that a guest comes along into, or stays apart from.
func (b bundle) withGuest(tb testing.TB, i int, bring, apart, user string) auth.SignIn {
	tb.Helper()
	id := fmt.Sprint("i", i)
	in := b.intent(b.link(tb, i, "R"+id), id)
	in.Guest, in.Apart = bring, apart
	require.NoError(tb, b.BeginSignIn(tb.Context(), in))
	s := b.signIn(in, user)
	s.Guest, s.Apart = bring, apart
	if bring != "" {
		s.GuestJobs = []jobs.New{{Kind: auth.JobClaimGuest, Key: id, Payload: []byte(`{}`)}}
	}
	return s
}

func TestAGuestBecomesAUserOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.guest(t, "g1")
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 1, "g1", "", "user-1")))
		r := b.readGuest(t, "g1")
		require.Equal(t, guest.Upgraded, r.State)
		require.Equal(t, "user-1", r.UserID)
		require.Equal(t, "i1", r.IntentID)
		require.Equal(t, b.now(), r.ClosedAt)
		require.Equal(t, 1, b.count(t, "jobs WHERE kind = $1", auth.JobClaimGuest))
		require.ErrorIs(t, b.SeeGuest(t.Context(), "g1", b.now(), b.now()), guest.ErrNotFound, "its token is dead")

		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 2, "g1", "", "user-2")), "the sign-in itself goes on")
		require.Equal(t, "user-1", b.readGuest(t, "g1").UserID)
		require.Equal(t, 1, b.count(t, "jobs WHERE kind = $1", auth.JobClaimGuest), "and claims nothing")
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 3, "unknown", "", "user-2")))
		rows, err := b.ListAudit(t.Context(), AuditQuery{Event: EventSignIn})
		require.NoError(t, err)
		require.Len(t, rows, 3)
		for i, brought := range []bool{true, false, false} {
			require.Equal(t, brought, rows[i].Detail["guest"])
		}
	})
}

func TestAGuestThatStaysApartIsNeverThatUsers(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.guest(t, "g1")
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 1, "", "g1", "user-1")))
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 2, "", "g1", "user-1")), "saying it again is harmless")
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 3, "", "g1", "user-2")), "of more than one user")
		for user, want := range map[string]bool{"user-1": true, "user-2": true, "user-3": false} {
			apart, err := b.IsApart(t.Context(), "g1", user)
			require.NoError(t, err)
			require.Equal(t, want, apart)
		}
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 4, "g1", "", "user-1")))
		up := auth.GuestUpgrade{Guest: "g1", UserID: "user-2", Key: "k", Jobs: []jobs.New{{Kind: auth.JobClaimGuest, Key: "k", Payload: []byte(`{}`)}}}
		require.ErrorIs(t, b.UpgradeGuest(t.Context(), up), auth.ErrTaken)
		require.Equal(t, guest.Live, b.readGuest(t, "g1").State)
		require.Zero(t, b.count(t, "jobs WHERE kind = $1", auth.JobClaimGuest))
		require.NoError(t, b.JoinAgain(t.Context(), "g1", "user-9"), "nothing to take back")
		require.ErrorIs(t, b.UpgradeGuest(t.Context(), up), auth.ErrTaken, "another user's word changes nothing")
		require.NoError(t, b.JoinAgain(t.Context(), "g1", "user-1"))
		apart, err := b.IsApart(t.Context(), "g1", "user-1")
		require.NoError(t, err)
		require.False(t, apart)
		up.UserID = "user-3"
		require.NoError(t, b.UpgradeGuest(t.Context(), up))
		require.Equal(t, "user-3", b.readGuest(t, "g1").UserID)
		require.Equal(t, 1, b.count(t, "jobs WHERE kind = $1", auth.JobClaimGuest))
	})
}

func TestOfManyUsersOneGetsTheGuest(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.guest(t, "g1")
		var won atomic.Int64
		var g errgroup.Group
		for i := range 20 {
			g.Go(func() error {
				key := fmt.Sprint("k", i)
				err := b.UpgradeGuest(t.Context(), auth.GuestUpgrade{Guest: "g1", UserID: fmt.Sprint("user-", i), Key: key,
					Jobs: []jobs.New{{Kind: auth.JobClaimGuest, Key: key, Payload: []byte(`{}`)}}})
				if err == nil {
					won.Add(1)
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		require.EqualValues(t, 1, won.Load())
		require.Equal(t, 1, b.count(t, "jobs WHERE kind = $1", auth.JobClaimGuest))
	})
}

func TestAClaimTellsWhatItDidAlsoLongAfterwards(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.guest(t, "g1")
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 1, "g1", "", "user-1")))
		r := b.readGuest(t, "g1")
		claim := func() auth.GuestClaim {
			c, err := b.GuestClaim(t.Context(), r)
			require.NoError(t, err)
			return c
		}
		require.Equal(t, auth.GuestClaim{Pending: true}, claim())
		taken := b.lease(t, "me", 1, auth.JobClaimGuest)
		require.True(t, claim().Pending)
		record := func(guestID, user string, refs ...string) {
			require.NoError(t, b.GuestClaimed(t.Context(), fhir.ClaimRecord{UserID: user, Number: number(t, 1), Guest: guestID, At: b.now(), References: refs}))
		}
		record("g1", "user-1", "QuestionnaireResponse/1", "QuestionnaireResponse/2")
		record("g2", "user-1", "QuestionnaireResponse/8")
		record("g1", "user-2", "QuestionnaireResponse/9")
		record("g1", "user-1", "QuestionnaireResponse/2", "QuestionnaireResponse/3")
		b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()})
		want := auth.GuestClaim{References: []string{"QuestionnaireResponse/1", "QuestionnaireResponse/2", "QuestionnaireResponse/3"}}
		require.Equal(t, want, claim())
		b.clock.advance(48 * time.Hour)
		_, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Zero(t, b.count(t, "jobs WHERE kind = $1", auth.JobClaimGuest))
		require.Equal(t, want, claim(), "the audit outlives the job")
	})
}

// A claim that found nothing leaves no audit row. When its job is purged, nobody knows any more whether it was done.
func TestAClaimThatNobodyRemembersIsNotCalledDone(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.guest(t, "g1")
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 1, "g1", "", "user-1")))
		r := b.readGuest(t, "g1")
		taken := b.lease(t, "me", 1, auth.JobClaimGuest)
		b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()})
		c, err := b.GuestClaim(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, auth.GuestClaim{}, c, "done, and nothing was there")
		b.clock.advance(48 * time.Hour)
		_, err = b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		c, err = b.GuestClaim(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, auth.GuestClaim{Forgotten: true}, c)
	})
}

func TestWhatBrowsersLeaveIsPurged(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.guest(t, "old")
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 1, "", "old", "user-1")))
		b.guest(t, "became a user")
		require.NoError(t, b.RecordSignIn(t.Context(), b.withGuest(t, 2, "became a user", "", "user-2")))
		b.attempt(t, "key-old", "")
		require.NoError(t, b.SaveGuestKey(t.Context(), guest.KeyRecord{ID: "old", Sealed: []byte{1}, CreatedAt: b.now(), RetireAt: b.now().Add(time.Hour)}))
		b.clock.advance(32 * 24 * time.Hour)
		p, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Equal(t, []int64{1, 1, 1, 1}, []int64{p.Guests, p.Apart, p.GuestKeys, p.Attempts}, "who never became a user is forgotten soon after the token's end")
		b.clock.advance(87 * 24 * time.Hour)
		b.guest(t, "young")
		b.attempt(t, "key-young", "")
		require.NoError(t, b.SaveGuestKey(t.Context(), guest.KeyRecord{ID: "young", Sealed: []byte{1}, CreatedAt: b.now(), RetireAt: b.now().Add(time.Hour)}))
		p, err = b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Equal(t, []int64{0, 0, 0, 0}, []int64{p.Guests, p.Apart, p.GuestKeys, p.Attempts}, "a guest who is a user now is known for longer")
		b.clock.advance(2 * 24 * time.Hour)
		p, err = b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Equal(t, []int64{1, 0, 1, 1}, []int64{p.Guests, p.Apart, p.GuestKeys, p.Attempts})
		require.Equal(t, 1, b.count(t, "guests"))
	})
}
