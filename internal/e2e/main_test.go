package e2e_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/pgtest"
	"github.com/stretchr/testify/require"
)

var database pgtest.Server

var (
	kills    = flag.Int("kills", 12, "how often TestKill… kills the bot")
	revokes  = flag.Int("revokes", 3, "how often TestRevokeSpeed… revokes")
	restarts = flag.Int("restarts", 6, "how often TestSupervised… has the bot restarted")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	defer func() { _ = database.Close() }()
	code := m.Run()
	if unknown := theServer().Unknown(); len(unknown) > 0 {
		fmt.Fprintln(os.Stderr, "stanzas that the WhatsApp server does not know:", unknown)
		code = 1
	}
	if err := theServer().Close(); err != nil {
		fmt.Fprintln(os.Stderr, "close the WhatsApp server:", err)
		code = 1
	}
	if core := theOtherCore(); core != nil {
		core.Close()
	}
	if dir := binDir; dir != "" {
		_ = os.RemoveAll(dir)
	}
	return code
}

var binDir string

// sandboxBinary builds konsulin-sandbox once, with the race detector if these tests have it.
var sandboxBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "konsulin-e2e-")
	if err != nil {
		return "", err
	}
	binDir = dir
	args := []string{"build", "-o", filepath.Join(dir, "konsulin-sandbox")}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	cmd := exec.Command("go", append(args, "github.com/konsulin-care/konsulin-bot/cmd/konsulin-sandbox")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return filepath.Join(dir, "konsulin-sandbox"), nil
})

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}
