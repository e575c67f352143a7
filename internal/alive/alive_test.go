package alive

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// clock is a test's own time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.UnixMilli(1_000_000)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestWhatStandsStillTooLongIsNamed(t *testing.T) {
	t.Parallel()
	c := newClock()
	w := NewWatch(c.now)
	require.NoError(t, w.Check(), "nothing is looked after")
	require.False(t, w.Moving())
	var loop, database Pulse
	w.Add(Vital{Name: "the loop", Beat: loop.Last, Patience: time.Minute})
	remove := w.Add(Vital{Name: "the database", Beat: database.Last, Patience: 5 * time.Minute})
	require.False(t, w.Moving(), "nothing has moved yet")
	loop.Beat(c.now())
	require.False(t, w.Moving())
	database.Beat(c.now())
	require.True(t, w.Moving())

	c.advance(time.Minute)
	require.NoError(t, w.Check())
	c.advance(time.Second)
	var stuck *StuckError
	require.ErrorAs(t, w.Check(), &stuck)
	require.Equal(t, StuckError{"the loop", 61 * time.Second}, *stuck)
	loop.Beat(c.now())
	require.NoError(t, w.Check())
	c.advance(10 * time.Minute)
	require.ErrorAs(t, w.Check(), &stuck)
	require.Equal(t, "the database", stuck.Name, "the longest still")
	remove()
	require.ErrorAs(t, w.Check(), &stuck)
	require.Equal(t, "the loop", stuck.Name)
}

func TestWhatNeverMovesIsStuckAfterItsPatience(t *testing.T) {
	t.Parallel()
	c := newClock()
	w := NewWatch(c.now)
	var never Pulse
	w.Add(Vital{Name: "the line", Beat: never.Last, Patience: time.Minute})
	c.advance(59 * time.Second)
	require.NoError(t, w.Check())
	c.advance(2 * time.Second)
	require.ErrorContains(t, w.Check(), "the line has not moved for 1m1s")
}

// socket is a service manager's end of NOTIFY_SOCKET.
type socket struct {
	t    *testing.T
	conn *net.UnixConn
}

func listen(t *testing.T) *socket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &socket{t, conn}
}

// next is the next message, empty when none comes within a time.
func (s *socket) next(within time.Duration) string {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(within)))
	buf := make([]byte, 4096)
	n, err := s.conn.Read(buf)
	if err != nil {
		require.ErrorContains(s.t, err, "timeout")
		return ""
	}
	return string(buf[:n])
}

// await reads until a message begins so, and returns those before it.
func (s *socket) await(prefix string) (before []string) {
	s.t.Helper()
	for range 1000 {
		m := s.next(30 * time.Second)
		require.NotEmpty(s.t, m, "no message %s came", prefix)
		if strings.HasPrefix(m, prefix) {
			return before
		}
		before = append(before, m)
	}
	require.Fail(s.t, "only other messages came", prefix)
	return nil
}

// drain reads what was sent already.
func (s *socket) drain() {
	for s.next(20*time.Millisecond) != "" {
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestTheServiceManagerHears drives a whole life: not ready before everything has moved, fed while everything moves,
// not fed while something is stuck, and told of the end.
func TestTheServiceManagerHears(t *testing.T) {
	s := listen(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	c := newClock()
	w := NewWatch(c.now)
	var p Pulse
	w.Add(Vital{Name: "the line", Beat: p.Last, Patience: time.Minute})
	log := &safeBuffer{}
	m := &Manager{Watch: w, Status: func() string { return "line connected" }, Log: zerolog.New(log)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()

	require.NotContains(t, s.await("WATCHDOG=1"), "READY=1", "nothing has moved yet")
	p.Beat(c.now())
	s.await("READY=1")
	s.await("WATCHDOG=1")

	c.advance(2 * time.Minute)
	s.await("STATUS=stuck: the line has not moved for 2m0s")
	s.drain()
	require.Empty(t, s.next(300*time.Millisecond), "a stuck process is not fed: it gets restarted")
	require.Equal(t, 1, strings.Count(log.String(), "the process is stuck"), "said once")

	p.Beat(c.now())
	s.await("WATCHDOG=1")
	s.await("STATUS=line connected")
	require.Contains(t, log.String(), "everything moves again")

	stop()
	require.NoError(t, <-ended)
	require.NotContains(t, s.await("STOPPING=1"), "READY=1", "ready is said once")
}

func TestWithoutAServiceManagerNothingIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	c := newClock()
	w := NewWatch(c.now)
	var p Pulse
	w.Add(Vital{Name: "the line", Beat: p.Last, Patience: time.Minute})
	c.advance(time.Hour)
	log := &safeBuffer{}
	m := &Manager{Watch: w, Status: func() string { return "" }, Log: zerolog.New(log)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "the process is stuck") }, 10*time.Second, time.Millisecond,
		"it is logged all the same")
	stop()
	require.NoError(t, <-ended)
	require.NotContains(t, log.String(), "cannot be told")
}

func TestASocketThatIsGoneIsNoReasonToStop(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	w := NewWatch(newClock().now)
	log := &safeBuffer{}
	m := &Manager{Watch: w, Status: func() string { return "x" }, Log: zerolog.New(log)}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, m.Run(ctx))
	require.Contains(t, log.String(), "the service manager cannot be told")
}

func TestABrokenWatchdogSettingIsAnError(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	m := &Manager{Watch: NewWatch(newClock().now)}
	require.ErrorContains(t, m.Run(t.Context()), "WATCHDOG_USEC")
}
