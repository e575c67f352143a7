package storage

import (
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

// logsIn accepts a login request that an account with this hidden id wrote.
func (b bundle) logsIn(t *testing.T, i int, id, hidden string) {
	t.Helper()
	a := accepted(number(t, i).Digits(), id, b.now())
	a.Hidden = hidden
	fresh, err := b.Accept(t.Context(), a)
	require.NoError(t, err)
	require.True(t, fresh)
}

// signsIn records a sign-in of the number.
func (b bundle) signsIn(t *testing.T, i int, reply, changed string) {
	t.Helper()
	in := b.intent(b.link(t, i, reply), "intent-"+reply)
	require.NoError(t, b.BeginSignIn(t.Context(), in))
	s := b.signIn(in, "user")
	s.Changed = changed
	require.NoError(t, b.RecordSignIn(t.Context(), s))
}

func (b bundle) identity(t *testing.T, i int) auth.Identity {
	t.Helper()
	found, err := b.Identity(t.Context(), number(t, i))
	require.NoError(t, err)
	return found
}

func TestAnotherHiddenIDOfANumberThatSignedInIsAChange(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		require.Zero(t, b.identity(t, 1))
		b.logsIn(t, 1, "A1", "111111111111111")
		b.logsIn(t, 1, "A2", "222222222222222")
		require.Zero(t, b.identity(t, 1), "a number that never signed in has nothing to protect")

		b.signsIn(t, 1, "R1", "")
		signedIn := b.now()
		b.logsIn(t, 1, "A3", "222222222222222")
		b.logsIn(t, 1, "A4", "")
		require.Equal(t, auth.Identity{LastSignIn: at(millis(signedIn))}, b.identity(t, 1), "the same account, or one that is not named")

		b.clock.advance(time.Hour)
		changed := b.now()
		b.logsIn(t, 1, "A5", "333333333333333")
		want := auth.Identity{LastSignIn: at(millis(signedIn)), StepUpSince: at(millis(changed)), Why: auth.ChangedHiddenID}
		require.Equal(t, want, b.identity(t, 1))
		b.clock.advance(time.Hour)
		b.logsIn(t, 1, "A6", "444444444444444")
		require.NoError(t, b.IdentityChanged(t.Context(), number(t, 1), b.now()))
		require.Equal(t, want, b.identity(t, 1), "the first change stays until the proof is given")
		require.Equal(t, 1, b.count(t, "audit WHERE event = 'number.changed'"))
	})
}

func TestAChangedIdentityIsToldOnceAndEndsWithTheProof(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		require.NoError(t, b.IdentityChanged(t.Context(), number(t, 1), b.now()))
		require.Zero(t, b.identity(t, 1))
		b.signsIn(t, 1, "R1", "")
		require.NoError(t, b.IdentityChanged(t.Context(), number(t, 1), b.now()))
		since := b.identity(t, 1).StepUpSince
		require.False(t, since.IsZero())
		require.Equal(t, auth.ChangedIdentity, b.identity(t, 1).Why)

		require.NoError(t, b.StepUpDone(t.Context(), number(t, 1), since.Add(-time.Second)))
		require.Equal(t, since, b.identity(t, 1).StepUpSince, "a proof of an earlier change settles no later one")
		for range 2 {
			require.NoError(t, b.StepUpDone(t.Context(), number(t, 1), since))
		}
		require.True(t, b.identity(t, 1).StepUpSince.IsZero())
		require.Equal(t, 1, b.count(t, "audit WHERE event = 'number.confirmed'"))
		require.NoError(t, b.IdentityChanged(t.Context(), number(t, 1), b.now()))
		require.False(t, b.identity(t, 1).StepUpSince.IsZero(), "the next change counts again")
	})
}

func TestASignInAfterALongPauseIsMarkedWithItsRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.signsIn(t, 1, "R1", auth.ChangedDormant)
		require.True(t, b.identity(t, 1).StepUpSince.IsZero(), "the first sign-in cannot come after a pause")
		b.clock.advance(time.Hour)
		b.signsIn(t, 1, "R2", auth.ChangedDormant)
		require.Equal(t, auth.ChangedDormant, b.identity(t, 1).Why)
	})
}

// TestWhoNeverSignedInIsForgottenSoon: a flood of numbers leaves no rows for the life of the audit.
func TestWhoNeverSignedInIsForgottenSoon(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.logsIn(t, 1, "A1", "111111111111111")
		b.signsIn(t, 1, "reply-1", "")
		_, err := b.Accept(t.Context(), bot.Accepted{Sender: number(t, 2).Digits(), ID: "B1", At: b.now(), Kind: "login", Hidden: "222",
			Job: jobs.New{Kind: "login.answer", Key: "B1", Payload: []byte(`{}`)}})
		require.NoError(t, err)
		b.clock.advance(31 * 24 * time.Hour)
		p, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.EqualValues(t, 1, p.Identities)
		require.Equal(t, 1, b.count(t, "identities WHERE number = $1", number(t, 1).Digits()), "who did is known")
	})
}

func TestIdentitiesAreForgottenWithTheAudit(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.logsIn(t, 1, "A1", "111111111111111")
		b.clock.advance(48 * time.Hour)
		b.logsIn(t, 2, "A1", "222222222222222")
		p, err := b.Purge(t.Context(), Retention{Audit: 24 * time.Hour}, b.now())
		require.NoError(t, err)
		require.EqualValues(t, 1, p.Identities)
		require.Equal(t, 1, b.count(t, "identities"))
	})
}
