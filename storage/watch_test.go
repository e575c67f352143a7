package storage

import (
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

func replies(open []auth.OpenLink) []string {
	ids := []string{}
	for _, l := range open {
		ids = append(ids, l.ReplyID)
	}
	return ids
}

func TestOpenLinksAreThoseThatNobodyHasDecided(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		first := b.link(t, 1, "first")
		b.clock.advance(time.Second)
		b.link(t, 2, "second")
		consuming := b.link(t, 3, "consuming")
		require.NoError(t, b.BeginSignIn(t.Context(), b.intent(consuming, "i")))
		b.link(t, 4, "gone")
		require.NoError(t, b.LinkVanished(t.Context(), "gone", "the code is gone"))

		open, err := b.OpenLinks(t.Context(), b.now(), 10)
		require.NoError(t, err)
		require.Equal(t, []string{"first", "second"}, replies(open))
		require.Equal(t, auth.OpenLink{ReplyID: "first", CodeID: first.CodeID, Number: first.Number,
			CreatedAt: first.CreatedAt, ExpiresAt: first.ExpiresAt}, open[0])
		open, err = b.OpenLinks(t.Context(), b.now(), 1)
		require.NoError(t, err)
		require.Equal(t, []string{"first"}, replies(open))
		open, err = b.OpenLinks(t.Context(), first.ExpiresAt, 10)
		require.NoError(t, err)
		require.Equal(t, []string{"second"}, replies(open))
		open, err = b.OpenLinksOf(t.Context(), number(t, 2))
		require.NoError(t, err)
		require.Equal(t, []string{"second"}, replies(open))
	})
}

func TestAVanishedLinkIsOverOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.link(t, 1, "R1")
		require.NoError(t, b.LinkVanished(t.Context(), "R1", "the code is gone"))
		require.ErrorIs(t, b.LinkVanished(t.Context(), "R1", "the code is gone"), auth.ErrTaken)
		require.ErrorIs(t, b.LinkVanished(t.Context(), "unknown", "the code is gone"), auth.ErrTaken)
		require.Equal(t, auth.LinkRevoked, b.readLink(t, "R1").State)
		require.Empty(t, b.readLink(t, "R1").Sealed)
		rows, err := b.ListAudit(t.Context(), AuditQuery{})
		require.NoError(t, err)
		require.Len(t, rows, 2)
		rows, err = b.ListAudit(t.Context(), AuditQuery{Number: number(t, 1), Event: EventAbandoned})
		require.NoError(t, err)
		require.Len(t, rows, 1, "its number finds it")

		require.NoError(t, b.BeginSignIn(t.Context(), b.intent(b.link(t, 1, "R2"), "I")))
		require.NoError(t, b.AbandonSignIn(t.Context(), "I", true, "the code was not consumed"))
		rows, err = b.ListAudit(t.Context(), AuditQuery{Number: number(t, 1), Event: EventAbandoned})
		require.NoError(t, err)
		require.Len(t, rows, 2, "and what came of a sign-in that was begun")
	})
}
