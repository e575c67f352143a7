package e2e_test

import (
	"errors"
	"os/exec"
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
	time.Sleep(300 * time.Millisecond) // two signals that come together may be one to the kernel
	b.signal(syscall.SIGTERM)
	exit := b.wait()
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
