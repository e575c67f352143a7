package e2e_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/stretchr/testify/require"
)

// bot is a running bot, in this process or in its own.
type bot interface {
	URL() string
	Log() string
	Stop()
}

// inside is a bot in this process. The SuperTokens SDK allows one at a time, so tests that use it are not parallel.
type inside struct {
	t    *testing.T
	app  *app.App
	log  lockedBuffer
	stop context.CancelFunc
	done chan error
	once sync.Once
}

func (w *world) startInside() *inside {
	w.t.Helper()
	b := &inside{t: w.t, done: make(chan error, 1)}
	var err error
	b.app, err = app.New(w.t.Context(), w.cfg, app.Options{Line: theServer().HTTPClient(), LogTo: &b.log, Version: "test"})
	require.NoError(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.done <- b.app.Run(ctx) }()
	w.t.Cleanup(b.Stop)
	w.awaitReady(b)
	return b
}

func (b *inside) URL() string { return "http://" + b.app.Addr() }
func (b *inside) Log() string { return b.log.String() }
func (b *inside) Stop() {
	b.once.Do(func() {
		b.stop()
		select {
		case err := <-b.done:
			require.NoError(b.t, err)
		case <-time.After(90 * time.Second):
			panic("the bot in this process does not stop") // shows every goroutine
		}
		dumpOnFailure(b.t, b.Log())
	})
}

// outside is a bot in a process of its own, which can be killed and started again.
type outside struct {
	t    *testing.T
	url  string
	args []string
	env  []string // on top of the clean one
	log  lockedBuffer

	mu  sync.Mutex
	cmd *exec.Cmd
}

func (w *world) startOutside() *outside {
	w.t.Helper()
	b := w.prepareOutside()
	b.start()
	w.awaitReady(b)
	return b
}

// prepareOutside is startOutside without the start.
func (w *world) prepareOutside() *outside {
	w.t.Helper()
	b := &outside{t: w.t, url: "http://" + w.cfg.HTTP.Listen, args: w.botArgs("serve")}
	w.t.Cleanup(b.Stop)
	return b
}

func (w *world) botArgs(args ...string) []string {
	return append([]string{"bot", "--line", theServer().Addr(), "--root-key", w.rootKey(), "--config", w.configFile()}, args...)
}

func (b *outside) start() {
	binary, err := sandboxBinary()
	require.NoError(b.t, err)
	cmd := exec.Command(binary, b.args...)
	cmd.Stderr, cmd.Stdout = &b.log, &b.log
	cmd.WaitDelay = 5 * time.Second // a grandchild with the log in its hands must not keep us
	cmd.Env = append(cleanEnv(), b.env...)
	require.NoError(b.t, cmd.Start())
	b.mu.Lock()
	b.cmd = cmd
	b.mu.Unlock()
}

// current is the process that was started last.
func (b *outside) current() *exec.Cmd {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cmd
}

// cleanEnv leaves out what would change the bot's configuration.
func cleanEnv() []string {
	var kept []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "KONSULIN_") && !strings.HasPrefix(e, "NOTIFY_SOCKET=") && !strings.HasPrefix(e, "WATCHDOG_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// kill ends the process without a chance to clean up.
func (b *outside) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	b.cmd = nil
}

func (b *outside) URL() string { return b.url }
func (b *outside) Log() string { return b.log.String() }

// Stop asks the process to end and insists that it does so cleanly. A process that a failed test left paused is woken,
// and one that does not end shows where it hangs and is killed: a test run must never wait for it.
func (b *outside) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return
	}
	p := b.cmd.Process
	_ = p.Signal(syscall.SIGCONT)
	require.NoError(b.t, p.Signal(syscall.SIGTERM))
	late := time.AfterFunc(60*time.Second, func() { _ = p.Signal(syscall.SIGQUIT) })
	defer late.Stop()
	tooLate := time.AfterFunc(70*time.Second, func() { _ = p.Kill() })
	defer tooLate.Stop()
	err := b.cmd.Wait()
	b.cmd = nil
	dumpOnFailure(b.t, b.Log())
	require.NoError(b.t, err, "the bot must stop cleanly\n%s", tail(b.Log()))
}

// ready asks /readyz.
func ready(url string) (answer, error) {
	b := &browser{base: url, http: &http.Client{Timeout: 5 * time.Second}}
	return b.try(context.Background(), http.MethodGet, "/readyz", nil)
}

func (w *world) awaitReady(b bot) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		a, err := ready(b.URL())
		return err == nil && a.StatusCode == http.StatusOK
	}, 60*time.Second, 20*time.Millisecond, "the bot must become ready")
}

// awaitNotReady waits until /readyz refuses with a text that matches.
func (w *world) awaitNotReady(b bot, text string) {
	w.t.Helper()
	want := regexp.MustCompile(text)
	require.Eventually(w.t, func() bool {
		a, err := ready(b.URL())
		return err == nil && a.StatusCode == http.StatusServiceUnavailable && want.MatchString(a.Text)
	}, 60*time.Second, 20*time.Millisecond, "/readyz must say "+text)
}

// lockedBuffer collects a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func dumpOnFailure(t *testing.T, log string) {
	if t.Failed() {
		t.Log("the bot's log:\n" + tail(log))
	}
}

func tail(s string) string {
	if len(s) > 8000 {
		return "…" + s[len(s)-8000:]
	}
	return s
}
