package bench_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/pgtest"
)

// database is the one PostgreSQL of this process.
var database pgtest.Server

// table is what is printed at the end.
var table report

// TestMain runs the benchmarks, or, in a process that a benchmark has started, the bare echo bot.
func TestMain(m *testing.M) {
	if addr := os.Getenv(echoAddr); addr != "" {
		if err := echo(addr, os.Getenv(echoRoot), os.Getenv(echoStore)); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	code := m.Run()
	if err := database.Close(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		code = max(code, 1)
	}
	table.print(os.Stdout)
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	return code
}

// builtIn is where programs were built, empty when none was.
var builtIn string

// programs builds both programs once, as `make build` does, and returns their directory.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "konsulin-bench-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	const module = "github.com/konsulin-care/konsulin-bot/cmd/"
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=bench", "-o", dir+string(filepath.Separator),
		module+"konsulin-bot", module+"konsulin-sandbox")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
