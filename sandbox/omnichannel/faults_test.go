package omnichannel_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

// TestAnswerDoesNoWork promises the given answer, as often as asked and no longer.
func TestAnswerDoesNoWork(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	b.Answer(2, 503, "away", "7")
	require.Equal(t, reply{503, "away", "7"}, b.must(synchronous, plain))
	require.Equal(t, reply{503, "away", "7"}, b.must(synchronous, plain))
	require.Empty(t, b.Contacts())
	require.Equal(t, 200, b.must(synchronous, plain).status)
	require.Equal(t, 3, b.Calls())
}

// TestLoseResponseDoesTheWork promises a contact whose answer never comes.
func TestLoseResponseDoesTheWork(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	b.LoseResponse(1)
	_, err := b.post(synchronous, plain)
	require.Error(t, err)
	require.Len(t, b.Contacts(), 1)
	require.Equal(t, 200, b.must(synchronous, plain).status)
	require.Equal(t, 2, b.Calls())
}

// TestDownKeepsWhatIsKnown promises an outage of the port, from within a request too, and the same address after it.
func TestDownKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	url, crashed := b.URL(), make(chan struct{})
	b.After(func() {
		b.After(nil)
		go func() {
			defer close(crashed)
			b.Down(true)
		}()
		<-crashed
	})
	_, err := b.post(synchronous, plain)
	require.Error(t, err)
	_, err = b.post(synchronous, plain)
	require.Error(t, err)
	b.Down(false)
	require.Equal(t, url, b.URL())
	require.Len(t, b.Contacts(), 1)
	require.Equal(t, 200, b.must(synchronous, plain).status)
}

// TestHooksRunAroundTheWork promises their order.
func TestHooksRunAroundTheWork(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	seen := make(chan int, 2)
	b.Before(func() { seen <- len(b.Contacts()) })
	b.After(func() { seen <- len(b.Contacts()) })
	b.must(synchronous, plain)
	require.Equal(t, 0, <-seen)
	require.Equal(t, 1, <-seen)
	b.Before(nil)
	b.After(nil)
	b.must(synchronous, plain)
	require.Empty(t, seen)
}

// TestSlowEndsWithClose promises that a slow stand-in makes nobody wait for it to stop.
func TestSlowEndsWithClose(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	b.Slow(time.Hour)
	done := make(chan error, 1)
	go func() {
		_, err := b.post(synchronous, plain)
		done <- err
	}()
	require.Eventually(t, func() bool { return b.Calls() == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, b.Close())
	require.Error(t, <-done)
	require.NoError(t, b.Close())
	b.Down(false)
	_, err := b.post(synchronous, plain)
	require.Error(t, err)
}
