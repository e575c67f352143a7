package bench_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long anything may take before it counts as lost.
const patience = 2 * time.Minute

// process is a program that a benchmark has started.
type process struct {
	b      *testing.B
	cmd    *exec.Cmd
	stdin  io.WriteCloser // what ends the echo bot
	log    string         // file
	ended  chan struct{}
	err    error // after ended
	began  time.Time
	closed bool
}

// start runs a program with its output in a file, and stops it when the benchmark ends.
func start(b *testing.B, log string, env []string, program string, args ...string) *process {
	b.Helper()
	out, err := os.Create(log)
	require.NoError(b, err)
	defer func() { require.NoError(b, out.Close()) }()
	p := &process{b: b, cmd: exec.Command(program, args...), log: log, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(cleanEnv(), env...)
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(b, err)
	p.cmd.SysProcAttr = childAttributes()
	p.began = time.Now()
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the kernel ties the child's life to the thread that started it
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		close(p.ended)
	}()
	require.NoError(b, <-started)
	b.Cleanup(p.stop)
	return p
}

// cleanEnv leaves out what would change the bot's configuration.
func cleanEnv() []string {
	var kept []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "KONSULIN_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// stop asks the process to end and insists that it does so cleanly.
func (p *process) stop() {
	if p.closed {
		return
	}
	p.closed = true
	_ = p.stdin.Close() // ends the echo bot
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	if p.err != nil && !terminated(p.err) {
		p.b.Errorf("%s: %v\n%s", p.cmd.Path, p.err, p.tail())
	}
}

// terminated is how a program ends that does not handle SIGTERM.
func terminated(err error) bool { return strings.Contains(err.Error(), "terminated") }

// await waits until ok. It polls closely, because the time that passes may be what is measured.
func (p *process) await(what string, ok func() bool) {
	p.b.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		select {
		case <-p.ended:
			p.b.Fatalf("ended before it was %s: %v\n%s", what, p.err, p.tail())
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.b.Fatalf("not %s in time\n%s", what, p.tail())
		}
	}
}

func (p *process) tail() string {
	raw, _ := os.ReadFile(p.log)
	return string(raw[max(0, len(raw)-4000):])
}

func (p *process) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name)
}

// memory reads a size out of /proc: VmRSS (now) or VmHWM (the peak).
func (p *process) memory(field string) float64 {
	p.b.Helper()
	raw, err := os.ReadFile(p.proc("status"))
	require.NoError(p.b, err)
	_, rest, found := strings.Cut(string(raw), field+":")
	require.True(p.b, found, field)
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	require.NoError(p.b, err)
	return kib / 1024
}

// forgetPeak makes VmHWM begin anew.
func (p *process) forgetPeak() {
	p.b.Helper()
	require.NoError(p.b, os.WriteFile(p.proc("clear_refs"), []byte("5"), 0))
}

// tick is the unit of the times in /proc/<pid>/stat.
const tick = 10 * time.Millisecond

// cpuTime is the processor time that a process has used.
func cpuTime(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:])) // the name may hold spaces
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick, err
}
