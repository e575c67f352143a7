package browser_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// What all tests share: one Chromium, in which each browser of a test is a profile of its own; the demo's program; and
// the script of axe-core.
type shared struct {
	chromium context.Context
	demo     string
	axe      string
	shots    string // directory; empty: pictures are not kept
}

var all shared // set once by TestMain

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser tests:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "konsulin-browser-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	all.demo = filepath.Join(dir, "konsulin-sandbox")
	if out, err := exec.Command("go", "build", "-o", all.demo, "../../cmd/konsulin-sandbox").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the demo: %w\n%s", err, out)
	}
	fetched, err := exec.Command("../../tools/need-axe.sh").Output()
	if err != nil {
		return 1, fmt.Errorf("fetch axe-core: %w", err)
	}
	script, err := os.ReadFile(strings.TrimSpace(string(fetched)))
	if err != nil {
		return 1, err
	}
	all.axe = string(script)
	if all.shots = os.Getenv("SCREENSHOTS"); all.shots != "" {
		if err := os.MkdirAll(all.shots, 0o750); err != nil {
			return 1, err
		}
	}
	program, err := chromium()
	if err != nil {
		return 1, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.Flag("lang", "en"),
		chromedp.Flag("hide-scrollbars", true), chromedp.UserDataDir(filepath.Join(dir, "profile")))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to start as root otherwise, as in a container
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	var end context.CancelFunc
	all.chromium, end = chromedp.NewContext(allocator)
	defer end()
	if err := chromedp.Do(all.chromium, chromedp.Navigate("about:blank")); err != nil {
		return 1, fmt.Errorf("start %s: %w", program, err)
	}
	code = m.Run()
	return code, chromedp.Cancel(all.chromium)
}

// chromium finds the program. None is an error and not a reason to skip: what nobody sees broken stays broken.
func chromium() (string, error) {
	if named := os.Getenv("CHROMIUM"); named != "" {
		return named, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium on the PATH; install one (tools/need-chromium.sh) or name it in CHROMIUM")
}
