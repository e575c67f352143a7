package storage

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func (b bundle) attempt(tb testing.TB, key, reference string) auth.AttemptRecord {
	tb.Helper()
	a := auth.AttemptRecord{KeyHash: key, Reference: reference, Guest: "g-" + key, ReturnPath: "/" + key, CreatedAt: b.now(),
		ExpiresAt: b.now().Add(30 * time.Minute)}
	require.NoError(tb, b.SaveAttempt(tb.Context(), a))
	return a
}

func (b bundle) readAttempt(tb testing.TB, key string) auth.AttemptRecord {
	tb.Helper()
	a, err := b.AttemptByKey(tb.Context(), key)
	require.NoError(tb, err)
	return a
}

func TestAnAttemptIsReadAsItWasSaved(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		want := b.attempt(t, "k1", "AAAAAA")
		require.Equal(t, want, b.readAttempt(t, "k1"))
		plain := b.attempt(t, "k2", "")
		b.attempt(t, "k3", "") // any number has no reference
		require.Equal(t, plain, b.readAttempt(t, "k2"))
		_, err := b.AttemptByKey(t.Context(), "k9")
		require.ErrorIs(t, err, auth.ErrNotFound)
		_, err = b.AttemptOfLink(t.Context(), "")
		require.ErrorIs(t, err, auth.ErrNotFound, "not tied is not tied to nothing")
		want.KeyHash = "k4"
		require.ErrorIs(t, b.SaveAttempt(t.Context(), want), auth.ErrTaken, "a reference is one login's")
		require.NoError(t, b.RedirectAttempt(t.Context(), "k2", "/elsewhere", ""))
		plain.ReturnPath, plain.Guest = "/elsewhere", ""
		require.Equal(t, plain, b.readAttempt(t, "k2"))
		b.clock.advance(time.Minute)
		require.NoError(t, b.SpendAttempt(t.Context(), "k2", b.now()))
		require.Equal(t, b.now(), b.readAttempt(t, "k2").UsedAt)
	})
}

func TestATiedAttemptKeepsItsGuest(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.attempt(t, "k1", "AAAAAA")
		tied, err := b.TieAttempt(t.Context(), auth.Tie{Reference: "AAAAAA", Number: number(t, 1), ReplyID: "R1", At: b.now()})
		require.NoError(t, err)
		require.True(t, tied)
		require.NoError(t, b.RedirectAttempt(t.Context(), "k1", "/elsewhere", "another guest"))
		got := b.readAttempt(t, "k1")
		require.Equal(t, "g-k1", got.Guest, "whose records somebody was shown are those that come along")
		require.Equal(t, "/elsewhere", got.ReturnPath)
	})
}

func TestTheFirstNumberIsTied(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.attempt(t, "k1", "AAAAAA")
		tie := func(reference string, i int, reply string) bool {
			tied, err := b.TieAttempt(t.Context(), auth.Tie{Reference: reference, Number: number(t, i), ReplyID: reply, At: b.now()})
			require.NoError(t, err)
			return tied
		}
		require.False(t, tie("BBBBBB", 1, "R1"), "nobody began that")
		require.True(t, tie("AAAAAA", 1, "R1"))
		first := b.now()
		require.True(t, tie("AAAAAA", 1, "R1"), "a retry may say it again")
		require.False(t, tie("AAAAAA", 2, "R2"), "somebody else's message counts for nothing")
		b.clock.advance(time.Minute)
		require.True(t, tie("AAAAAA", 1, "R3"), "the newest link of the first one does")
		got, err := b.AttemptOfLink(t.Context(), "R3")
		require.NoError(t, err)
		require.Equal(t, "k1", got.KeyHash)
		require.Equal(t, number(t, 1), got.Number)
		require.Equal(t, first, got.ReceivedAt)
		_, err = b.AttemptOfLink(t.Context(), "R1")
		require.ErrorIs(t, err, auth.ErrNotFound)
		require.NoError(t, b.SpendAttempt(t.Context(), "k1", b.now()))
		require.False(t, tie("AAAAAA", 1, "R4"), "it is used")
		b.attempt(t, "k2", "CCCCCC")
		b.clock.advance(31 * time.Minute)
		require.False(t, tie("CCCCCC", 1, "R5"), "it is over")
	})
}

func TestALinkIsTiedToTheNewestLoginOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.attempt(t, "k1", "AAAAAA")
		b.attempt(t, "k2", "BBBBBB")
		b.attempt(t, "k3", "CCCCCC")
		tie := func(reference string, i int) bool {
			tied, err := b.TieAttempt(t.Context(), auth.Tie{Reference: reference, Number: number(t, i), ReplyID: fmt.Sprint("R", i), At: b.now()})
			require.NoError(t, err)
			return tied
		}
		require.True(t, tie("AAAAAA", 1))
		require.True(t, tie("CCCCCC", 2))
		require.True(t, tie("BBBBBB", 1))
		got, err := b.AttemptOfLink(t.Context(), "R1")
		require.NoError(t, err)
		require.Equal(t, "k2", got.KeyHash)
		require.Empty(t, b.readAttempt(t, "k1").ReplyID)
		require.Equal(t, number(t, 1), b.readAttempt(t, "k1").Number, "it is still that number's")
		require.Equal(t, "R2", b.readAttempt(t, "k3").ReplyID, "another number's stays")
		require.False(t, tie("CCCCCC", 1), "which nobody takes over")
		require.Equal(t, "R1", b.readAttempt(t, "k2").ReplyID, "nor loses theirs by trying")
	})
}

func TestOfManyNumbersOneIsTied(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.attempt(t, "k1", "AAAAAA")
		var won atomic.Int64
		var g errgroup.Group
		for i := range 20 {
			g.Go(func() error {
				tied, err := b.TieAttempt(t.Context(), auth.Tie{Reference: "AAAAAA", Number: number(t, i), ReplyID: fmt.Sprint("R", i), At: b.now()})
				if tied {
					won.Add(1)
				}
				return err
			})
		}
		require.NoError(t, g.Wait())
		require.EqualValues(t, 1, won.Load())
	})
}

// Guesses are admitted before anybody learns what became of them, in two processes at once.
func TestParallelGuesses(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.link(t, 1, "R1")
		b.attempt(t, "k1", "AAAAAA")
		other := b.open(t)
		var digits, codes atomic.Int64
		var g errgroup.Group
		for i := range 50 {
			store := b.Store
			if i%2 == 0 {
				store = other
			}
			g.Go(func() error {
				if _, err := store.TryDigits(t.Context(), "R1", false, 3); err == nil {
					digits.Add(1)
				}
				if _, err := store.TryCode(t.Context(), "k1", false, 5); err == nil {
					codes.Add(1)
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		require.EqualValues(t, 3, digits.Load(), "at most three are evaluated")
		require.EqualValues(t, 5, codes.Load())
		require.Equal(t, 3, b.readLink(t, "R1").Tries)
		for _, right := range []bool{true, false} {
			_, err := b.TryDigits(t.Context(), "R1", right, 3)
			require.ErrorIs(t, err, auth.ErrTaken, "nobody learns whether one more was right")
			_, err = b.TryCode(t.Context(), "k1", right, 5)
			require.ErrorIs(t, err, auth.ErrTaken)
		}
	})
}

func TestRightGuessesCostNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		l := b.link(t, 1, "R1")
		for range 10 {
			wrong, err := b.TryDigits(t.Context(), "R1", true, 3)
			require.NoError(t, err)
			require.Zero(t, wrong)
		}
		wrong, err := b.TryDigits(t.Context(), "R1", false, 3)
		require.NoError(t, err)
		require.Equal(t, 1, wrong)
		require.NoError(t, b.BeginSignIn(t.Context(), b.intent(l, "i1")))
		_, err = b.TryDigits(t.Context(), "R1", true, 3)
		require.NoError(t, err, "somebody may be consuming it and fail")
		require.NoError(t, b.RecordSignIn(t.Context(), b.signIn(b.intent(l, "i1"), "user-1")))
		_, err = b.TryDigits(t.Context(), "R1", true, 3)
		require.ErrorIs(t, err, auth.ErrTaken)
		_, err = b.TryDigits(t.Context(), "unknown", true, 3)
		require.ErrorIs(t, err, auth.ErrTaken)
	})
}
