package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// onEngines opens the same data as often as it is asked to, on either engine.
func onEngines(t *testing.T, promise func(t *testing.T, open func() *storage.Store)) {
	t.Helper()
	for _, engine := range []string{storage.SQLite, storage.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := storage.Config{Engine: engine, Dir: filepath.Join(t.TempDir(), "data")}
			if engine == storage.Postgres {
				cfg.Dir, cfg.DSN = "", database.Database(t)
			}
			promise(t, func() *storage.Store {
				s, err := storage.Open(t.Context(), cfg)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				return s
			})
		})
	}
}

// TestWhatBrowsersBeginIsBoundedByAllProcessesTogether: also by one that starts anew, and for each kind by itself.
func TestWhatBrowsersBeginIsBoundedByAllProcessesTogether(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *storage.Store) {
		var mu sync.Mutex
		now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
		clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		door := func() admission {
			return admission{budgets: open(), now: clock,
				client: RateConfig{Burst: 3, Every: time.Minute}, all: RateConfig{Burst: 10, Every: 10 * time.Second}}
		}
		doors := []admission{door(), door()}
		admit := func(d admission, kind, client string) (time.Duration, bool) {
			wait, everybody, err := d.Admit(t.Context(), kind, client)
			require.NoError(t, err)
			return wait, everybody
		}
		for i := range 3 {
			wait, _ := admit(doors[i%2], auth.BeginGuest, "one")
			require.Zero(t, wait)
		}
		wait, everybody := admit(doors[1], auth.BeginGuest, "one")
		require.Equal(t, time.Minute, wait, "one client has its share")
		require.False(t, everybody)
		wait, _ = admit(doors[1], auth.BeginLogin, "one")
		require.Zero(t, wait, "a login is another matter")

		var begun, stopped int
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				wait, everybody, err := doors[i%2].Admit(context.WithoutCancel(t.Context()), auth.BeginGuest, fmt.Sprint("client", i))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case wait == 0:
					begun++
				case everybody:
					stopped++
				}
			})
		}
		all.Wait()
		require.Equal(t, []int{7, 53}, []int{begun, stopped}, "both together have one budget")
		wait, everybody = admit(door(), auth.BeginGuest, "after a restart")
		require.Equal(t, 10*time.Second, wait)
		require.True(t, everybody)
		mu.Lock()
		now = now.Add(10 * time.Second)
		mu.Unlock()
		wait, _ = admit(doors[0], auth.BeginGuest, "later")
		require.Zero(t, wait)
	})
}

// TestNothingIsBegunWithoutStorage: a budget that cannot be asked is no budget.
func TestNothingIsBegunWithoutStorage(t *testing.T) {
	t.Parallel()
	s, err := storage.Open(t.Context(), storage.Config{Engine: storage.SQLite, Dir: filepath.Join(t.TempDir(), "data")})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	d := admission{budgets: s, now: time.Now, client: RateConfig{Burst: 3, Every: time.Minute}, all: RateConfig{Burst: 3, Every: time.Minute}}
	_, _, err = d.Admit(t.Context(), auth.BeginGuest, "one")
	require.ErrorIs(t, err, storage.ErrClosed)
}
