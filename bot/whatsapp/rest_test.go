package whatsapp

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/types/events"
)

func TestPausesAfterReplacementsGrowAndAreForgotten(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	r := rests{c: c}
	taken, _ := next(&events.StreamReplaced{}, time.Time{})
	for _, minutes := range []int{1, 2, 4, 8, 15, 15, 15} {
		full := time.Duration(minutes) * time.Minute
		end := r.after(0, taken)
		require.Equal(t, stayAway, end.do)
		require.Equal(t, Replaced, end.state)
		require.GreaterOrEqual(t, end.after, full/2)
		require.LessOrEqual(t, end.after, full)
	}
	r.replaced = 1000
	require.LessOrEqual(t, r.after(replacedForget-time.Second, taken).after, 15*time.Minute)
	require.GreaterOrEqual(t, r.after(replacedForget-time.Second, taken).after, 15*time.Minute/2, "it was up, but not for long")
	require.LessOrEqual(t, r.after(replacedForget, taken).after, time.Minute, "it was up for long")
}

func TestReplacedLineComesBackByItself(t *testing.T) {
	t.Parallel()
	w := connected(t, func(c *Config) { c.ReplacedMin, c.ReplacedMax = 400*time.Millisecond, time.Second })
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	for range 2 {
		w.account.Device().StreamError("replaced")
		inState(t, w.line, Replaced)
		requireSilence(t, w, u, m, Replaced)
		inState(t, w.line, Connected)
	}
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	next1(t, u)
}

func TestReplacedLineNoticesThatTheAccountChanged(t *testing.T) {
	t.Parallel()
	w := connected(t, func(c *Config) { c.MessageTTL = time.Second }) // so that the store is looked at every second
	w.account.Device().StreamError("replaced")
	inState(t, w.line, Replaced)
	_, err := w.db.Exec(`DELETE FROM whatsmeow_device`)
	require.NoError(t, err)
	inState(t, w.line, Unpaired) // long before the first pause is over
	require.NoError(t, w.account.Seed(t.Context(), w.line.store))
	inState(t, w.line, Connected)
}

func TestReplacedLineStopsAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.NoError(t, w.account.Seed(t.Context(), w.line.store))
	stop := running(t, w.line)
	inState(t, w.line, Connected)
	w.account.Device().StreamError("replaced")
	inState(t, w.line, Replaced)
	stop() // waits for Run
	require.Equal(t, Connecting, w.line.Status().State)
}

func TestLineConnectsOnlyWhenItMay(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var lost atomic.Bool
	lost.Store(true)
	w := setup(t, func(c *Config) {
		c.MayConnect = func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				return errors.New("the question has no deadline")
			}
			asked.Add(1)
			if lost.Load() {
				return errors.New("another process owns the line")
			}
			return nil
		}
	})
	require.NoError(t, w.account.Seed(t.Context(), w.line.store))
	running(t, w.line)
	require.Eventually(t, func() bool { return asked.Load() > 3 }, patience, time.Millisecond, "it goes on asking")
	s := w.line.Status()
	require.Equal(t, Connecting, s.State)
	require.Contains(t, s.Reason, "another process owns the line")
	require.False(t, w.account.Device().Connected())

	lost.Store(false)
	inState(t, w.line, Connected)
	before := asked.Load()
	w.account.Device().Drop()
	require.Eventually(t, func() bool { return asked.Load() > before }, patience, time.Millisecond, "it is asked before each connection")
	inState(t, w.line, Connected)
}

func TestReplacedLineThatLostItsRightLeavesTheNewOwnerAlone(t *testing.T) {
	t.Parallel()
	var lost atomic.Bool
	var refused atomic.Int32
	w := connected(t, func(c *Config) {
		c.ReplacedMin, c.ReplacedMax = 20*time.Millisecond, 40*time.Millisecond
		c.MayConnect = func(context.Context) error {
			if lost.Load() {
				refused.Add(1)
				return errors.New("another process owns the line")
			}
			return nil
		}
	})
	lost.Store(true)
	other := w.newLine(t, func(c *Config) { c.MayConnect = nil })
	running(t, other)
	inState(t, other, Connected)
	require.Eventually(t, func() bool { return refused.Load() > 3 }, patience, time.Millisecond)
	require.Equal(t, Connected, other.Status().State)
	require.Equal(t, Connecting, w.line.Status().State)
}
