package storage

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestADatabaseHasOneSealingKey(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		require.NoError(t, b.PinKey(t.Context(), "one", false), "a new database takes the first")
		require.NoError(t, b.PinKey(t.Context(), "one", false))
		other := b.open(t)
		err := other.PinKey(t.Context(), "two", false)
		require.ErrorIs(t, err, ErrOtherKey)
		require.ErrorContains(t, err, "auth.seal_key_file")
		require.NoError(t, other.PinKey(t.Context(), "one", true), "nothing to replace")
		require.Zero(t, b.count(t, "audit"))

		require.NoError(t, other.PinKey(t.Context(), "two", true), "the first is lost")
		require.NoError(t, other.PinKey(t.Context(), "two", false))
		require.ErrorIs(t, b.PinKey(t.Context(), "one", false), ErrOtherKey)
		require.Equal(t, 1, b.count(t, "audit WHERE event = $1", EventKey))
	})
}

func TestOfManyNewProcessesOnePinsItsKey(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		var pinned atomic.Int64
		var g errgroup.Group
		for i := range 8 {
			g.Go(func() error {
				err := b.PinKey(t.Context(), fmt.Sprint(i), false)
				if err == nil {
					pinned.Add(1)
				}
				if errors.Is(err, ErrOtherKey) {
					return nil
				}
				return err
			})
		}
		require.NoError(t, g.Wait())
		require.Equal(t, int64(1), pinned.Load())
	})
}
