package e2e_test

import (
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// supervised is a bot under something like systemd: started with a socket to tell how it is, and started again whenever
// it dies, until it is told to stop.
type supervised struct {
	*outside
	socket   *net.UnixConn
	deaths   atomic.Int64
	stopping atomic.Bool
	ended    chan error // how the last process ended
}

func (w *world) supervise() *supervised {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "notify") // short: the path of a socket may not be long
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	s := &supervised{outside: w.prepareOutside(), ended: make(chan error, 1)}
	s.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = s.socket.Close() })
	s.env = []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=2000000"}
	s.start()
	go s.keep()
	w.t.Cleanup(func() {
		if s.stopping.CompareAndSwap(false, true) { // a test that failed half way
			_ = s.signal(syscall.SIGKILL)
			w.t.Logf("killed while cleaning up: %v", <-s.ended)
		}
	})
	return s
}

// keep waits for the process's end and starts another one.
func (s *supervised) keep() {
	for {
		err := s.current().Wait()
		if s.stopping.Load() {
			s.mu.Lock()
			s.cmd = nil
			s.mu.Unlock()
			s.ended <- err
			return
		}
		s.drain() // what the dead one said is old
		s.start()
		s.deaths.Add(1)
	}
}

func (s *supervised) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Signal(sig)
}

// hear waits for a message and returns those before it.
func (s *supervised) hear(message string) (before []string) {
	s.t.Helper()
	buf := make([]byte, 4096)
	for range 10_000 {
		require.NoError(s.t, s.socket.SetReadDeadline(time.Now().Add(60*time.Second)))
		n, err := s.socket.Read(buf)
		require.NoError(s.t, err, "no %s came", message)
		if string(buf[:n]) == message {
			return before
		}
		before = append(before, string(buf[:n]))
	}
	require.Fail(s.t, "only other messages came", message)
	return nil
}

func (s *supervised) drain() {
	buf := make([]byte, 4096)
	for s.socket.SetReadDeadline(time.Now().Add(time.Millisecond)) == nil {
		if _, err := s.socket.Read(buf); err != nil {
			return
		}
	}
}

// kill9 kills the process, and returns when another one has been started in its place.
func (s *supervised) kill9() {
	s.t.Helper()
	before := s.deaths.Load()
	require.NoError(s.t, s.signal(syscall.SIGKILL))
	require.Eventually(s.t, func() bool { return s.deaths.Load() > before }, 30*time.Second, time.Millisecond)
}

// TestSupervisedItIsReadyAgainEachTime kills the bot with SIGKILL -restarts times in all, at random moments, some of them
// while it starts. Something like systemd starts it again each time, hears that it is ready, and /readyz agrees. Then
// somebody logs in, and the bot stops when told to.
func TestSupervisedItIsReadyAgainEachTime(t *testing.T) {
	t.Parallel()
	for i, engine := range engines {
		share := *restarts / len(engines)
		if i == 0 {
			share = *restarts - share*(len(engines)-1)
		}
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			restartMany(t, engine, share)
		})
	}
}

func restartMany(t *testing.T, engine string, times int) {
	w := newWorld(t, engine)
	w.pairQR()
	s := w.supervise()
	s.hear("READY=1")
	w.awaitReady(s)
	u := w.user()
	var told, served []time.Duration
	for i := range times {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		if i%4 == 3 { // once more while it starts
			s.kill9()
			time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		}
		killed := time.Now()
		s.kill9()
		s.hear("READY=1")
		told = append(told, time.Since(killed))
		w.awaitReady(s)
		served = append(served, time.Since(killed))
	}
	require.GreaterOrEqual(t, int(s.deaths.Load()), times)
	s.hear("WATCHDOG=1")
	br := newBrowser(t, s.URL())
	br.signIn(t, w.requestLink(u))
	require.Equal(t, http.StatusOK, br.session(t).StatusCode)

	s.stopping.Store(true)
	require.NoError(t, s.signal(syscall.SIGTERM))
	require.NotContains(t, s.hear("STOPPING=1"), "READY=1")
	require.NoError(t, <-s.ended, "it stops cleanly\n%s", tail(s.Log()))
	t.Logf("%s: killed and restarted %d times: start told after %s; ready (line connected, core asked) after %s", engine, times,
		spread(told), spread(served))
}

// spread shows a set of durations in short.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "(none)"
	}
	slices.Sort(all)
	var b strings.Builder
	for _, q := range []struct {
		name string
		at   int
	}{{"min", 0}, {"median", len(all) / 2}, {"p95", len(all) * 95 / 100}, {"max", len(all) - 1}} {
		b.WriteString(q.name + " " + all[q.at].Round(time.Millisecond).String() + " ")
	}
	return strings.TrimSpace(b.String())
}
