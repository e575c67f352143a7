package e2e_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	replies "github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// working is a bot in a process of its own that is in the middle of answering u: the core takes its time.
func working(t *testing.T) (w *world, b *outside, core *proxy) {
	t.Helper()
	core = newProxy(t)
	w = newWorld(t, storage.SQLite, core.before)
	b = w.pairAndStart()
	core.slow(4 * time.Second)
	_, err := w.user().Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return w.count(`SELECT COUNT(*) FROM jobs WHERE state = 'running'`) == 1 },
		30*time.Second, 5*time.Millisecond)
	return w, b, core
}

// signal sends one to the process.
func (b *outside) signal(s syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	require.NoError(b.t, b.cmd.Process.Signal(s))
}

// insist sends a signal again and again until ctx ends.
func insist(ctx context.Context, p *os.Process, s syscall.Signal) {
	for tick := time.Tick(20 * time.Millisecond); ctx.Err() == nil; {
		_ = p.Signal(s)
		select {
		case <-tick:
		case <-ctx.Done():
		}
	}
}

// wait waits until the process has ended by itself, and says how.
func (b *outside) wait() *exec.ExitError {
	b.mu.Lock()
	defer b.mu.Unlock()
	late := time.AfterFunc(90*time.Second, func() { _ = b.cmd.Process.Signal(syscall.SIGQUIT) })
	defer late.Stop()
	err := b.cmd.Wait()
	b.cmd = nil
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit
	}
	require.NoError(b.t, err)
	return nil
}

// TestTerminationFinishesOrHandsBackWhatIsWorkedOn: the process ends cleanly, no job is left in its hands, and the user
// gets the one link, from it or from its next life.
func TestTerminationFinishesOrHandsBackWhatIsWorkedOn(t *testing.T) {
	t.Parallel()
	w, b, core := working(t)
	b.signal(syscall.SIGTERM)
	require.Nil(t, b.wait(), "a clean end")
	require.Contains(t, b.Log(), `"message":"stopped"`)
	require.Zero(t, w.count(`SELECT COUNT(*) FROM jobs WHERE state = 'running'`))
	core.slow(0)
	b.start()
	w.awaitReady(b)
	require.Eventually(t, func() bool {
		return w.count(`SELECT COUNT(*) FROM jobs WHERE kind = $1 AND state = 'done'`, replies.JobLogin) == 1
	}, 60*time.Second, 20*time.Millisecond)
	require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM links`), "one link")
}

// TestASecondSignalEndsAtOnce: an operator who has no patience gets the shell back; nothing is lost, as after kill -9.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	w, b, core := working(t)
	b.signal(syscall.SIGTERM)
	require.Eventually(t, func() bool { return strings.Contains(b.Log(), `"message":"stopping"`) }, 30*time.Second, time.Millisecond)
	// It has heard the first one, and gives the second its own meaning a moment later: until then another one says no more
	// than the first.
	impatient, calm := context.WithCancel(t.Context())
	var insists sync.WaitGroup
	p := b.cmd.Process
	insists.Go(func() { insist(impatient, p, syscall.SIGTERM) })
	exit := b.wait()
	calm()
	insists.Wait()
	require.NotNil(t, exit)
	status := exit.Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled(), "ended by the signal, not by an orderly stop")
	require.Equal(t, syscall.SIGTERM, status.Signal())
	core.slow(0)
	b.start()
	w.awaitReady(b)
	require.Eventually(t, func() bool {
		return w.count(`SELECT COUNT(*) FROM jobs WHERE kind = $1 AND state = 'done'`, replies.JobLogin) == 1
	}, 60*time.Second, 20*time.Millisecond)
}
