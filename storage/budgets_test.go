package storage

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"
)

func (b bundle) spend(tb testing.TB, holder string, budgets ...bot.Budget) string {
	tb.Helper()
	empty, err := b.Spend(tb.Context(), holder, b.now(), budgets...)
	require.NoError(tb, err)
	return empty
}

func TestABudgetGivesItsBurstAndThenItsRate(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		three := bot.Budget{Key: "n", Burst: 3, Every: time.Minute}
		for i := range 3 {
			require.Empty(t, b.spend(t, fmt.Sprint("h", i), three))
		}
		require.Equal(t, "n", b.spend(t, "h3", three))
		b.clock.advance(59 * time.Second)
		require.Equal(t, "n", b.spend(t, "h3", three))
		b.clock.advance(time.Second)
		require.Empty(t, b.spend(t, "h3", three))
		require.Equal(t, "n", b.spend(t, "h4", three))
		b.clock.advance(time.Hour)
		for i := range 3 {
			require.Empty(t, b.spend(t, fmt.Sprint("late", i), three), "it fills up to its burst and no further")
		}
		require.Equal(t, "n", b.spend(t, "late3", three))
	})
}

func TestAnEmptyBudgetSpendsNoneOfTheOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		mine, all := bot.Budget{Key: "mine", Burst: 1, Every: time.Hour}, bot.Budget{Key: "all", Burst: 2, Every: time.Hour}
		none := bot.Budget{Key: "none", Burst: 0, Every: time.Hour}
		require.Equal(t, "none", b.spend(t, "h1", mine, none, all))
		require.Empty(t, b.spend(t, "h1", mine, all))
		require.Equal(t, "mine", b.spend(t, "h2", mine, all), "the first that is empty is named")
		require.Empty(t, b.spend(t, "h3", bot.Budget{Key: "other", Burst: 1, Every: time.Hour}, all))
		require.Equal(t, "all", b.spend(t, "h4", bot.Budget{Key: "third", Burst: 1, Every: time.Hour}, all))
		require.Empty(t, b.spend(t, "h5", bot.Budget{Key: "third", Burst: 1, Every: time.Hour}))
		require.Empty(t, b.spend(t, "h6"), "no budget, no limit")
	})
}

func TestARetryIsGrantedWithoutSpendingTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		mine, all := bot.Budget{Key: "mine", Burst: 2, Every: time.Hour}, bot.Budget{Key: "all", Burst: 3, Every: time.Hour}
		for range 5 {
			require.Empty(t, b.spend(t, "reply 1", mine, all))
		}
		require.Empty(t, b.spend(t, "reply 2", mine, all))
		require.Empty(t, b.spend(t, "reply 2", mine, all))
		require.Equal(t, "mine", b.spend(t, "reply 1", mine, all), "somebody else has spent in between")
		require.Empty(t, b.spend(t, "reply 3", bot.Budget{Key: "another", Burst: 1, Every: time.Hour}, all))
		require.Equal(t, "all", b.spend(t, "reply 4", all))
	})
}

func TestBudgetsOutliveAClockThatWasWrong(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		one := bot.Budget{Key: "n", Burst: 1, Every: time.Minute}
		b.clock.advance(24 * 365 * time.Hour)
		require.Empty(t, b.spend(t, "h1", one))
		b.clock.advance(-24 * 365 * time.Hour)
		require.Equal(t, "n", b.spend(t, "h2", one), "it counts as spent")
		b.clock.advance(time.Minute)
		require.Empty(t, b.spend(t, "h2", one), "and fills up from then on")
		require.Equal(t, "n", b.spend(t, "h3", one))
	})
}

func TestAWideBurstOfASlowRateIsNeverEmptyByMistake(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		for name, wide := range map[string]bot.Budget{
			"more than an int64 holds":      {Key: "a", Burst: 1_000_000, Every: 3 * time.Hour},
			"and the end of time with it":   {Key: "b", Burst: 800_000, Every: 3 * time.Hour},
			"and once around":               {Key: "c", Burst: 2_000_000, Every: 3 * time.Hour},
			"and one event takes centuries": {Key: "d", Burst: 3, Every: math.MaxInt64},
		} {
			require.Empty(t, b.spend(t, "h1", wide), name)
			require.Empty(t, b.spend(t, "h2", wide), name)
			b.clock.advance(time.Minute)
			require.Empty(t, b.spend(t, "h3", wide), name)
		}
	})
}

func TestParallelSpendersGetExactlyTheBurst(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		global := bot.Budget{Key: "global", Burst: 10, Every: time.Hour}
		var granted atomic.Int64
		var g errgroup.Group
		for i := range 40 {
			g.Go(func() error {
				// Half of them name the budgets the other way round: no deadlock may come of it.
				own := bot.Budget{Key: fmt.Sprint("own", i%5), Burst: 100, Every: time.Hour}
				order := []bot.Budget{own, global}
				if i%2 == 1 {
					order = []bot.Budget{global, own}
				}
				empty, err := b.Spend(t.Context(), fmt.Sprint("h", i), b.now(), order...)
				if err == nil && empty == "" {
					granted.Add(1)
				}
				return err
			})
		}
		require.NoError(t, g.Wait())
		require.Equal(t, int64(10), granted.Load())
	})
}

// TestSpendAgreesWithATokenBucket compares with the textbook's other form of the same limit, kept in whole numbers.
func TestSpendAgreesWithATokenBucket(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		var run atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			prefix := fmt.Sprint("run", run.Add(1), "/")
			budgets := make([]bot.Budget, rapid.IntRange(1, 3).Draw(rt, "budgets"))
			level := make([]time.Duration, len(budgets)) // how much of the burst is there, in time
			for i := range budgets {
				budgets[i] = bot.Budget{Key: prefix + fmt.Sprint(i), Burst: rapid.IntRange(1, 4).Draw(rt, "burst"),
					Every: time.Duration(rapid.IntRange(1, 100).Draw(rt, "every")) * time.Millisecond}
				level[i] = budgets[i].Every * time.Duration(budgets[i].Burst)
			}
			now := b.now()
			for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
				passed := time.Duration(rapid.IntRange(0, 120).Draw(rt, "ms")) * time.Millisecond
				now = now.Add(passed)
				want := ""
				for i, budget := range budgets {
					level[i] = min(level[i]+passed, budget.Every*time.Duration(budget.Burst))
					if want == "" && level[i] < budget.Every {
						want = budget.Key
					}
				}
				if want == "" {
					for i, budget := range budgets {
						level[i] -= budget.Every
					}
				}
				empty, err := b.Spend(t.Context(), fmt.Sprint(prefix, step), now, budgets...)
				require.NoError(rt, err)
				require.Equal(rt, want, empty)
			}
		})
	})
}
