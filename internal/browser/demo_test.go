package browser_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const phrase = "Request login, authenticate me."

// demo is `make demo`, running.
type demo struct {
	site  string // origin of the website, with the bot's pages below /auth
	phone string // origin of the phone
}

// startDemo runs a demo of its own for a test.
func startDemo(t *testing.T, flags ...string) demo {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	cmd := exec.CommandContext(ctx, all.demo, append([]string{"demo", "-v", "--page", "127.0.0.1:0", "--site", "127.0.0.1:0"}, flags...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	d, told := demo{}, make(chan struct{})
	go func() {
		defer close(told)
		d = read(bufio.NewScanner(out))
	}()
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was interrupted
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the demo's log:\n%s", text)
		}
		require.NoError(t, log.Close())
	})
	select {
	case <-told:
	case <-time.After(time.Minute):
		require.Fail(t, "the demo does not start")
	}
	require.NotEmpty(t, d.site, "the demo says where it begins")
	require.NotEmpty(t, d.phone)
	require.Eventually(t, func() bool {
		resp, err := http.Get(d.site + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, time.Minute, 250*time.Millisecond)
	return d
}

// read reads what the demo prints at its start.
func read(lines *bufio.Scanner) (d demo) {
	begin, phone := regexp.MustCompile(`Begin here: +(http://[^/]+)/auth`), regexp.MustCompile(`The phone: +(http://\S+)`)
	for lines.Scan() {
		if m := begin.FindStringSubmatch(lines.Text()); m != nil {
			d.site = m[1]
		}
		if m := phone.FindStringSubmatch(lines.Text()); m != nil {
			d.phone = m[1]
			return d
		}
	}
	return d
}

// login is the address of the login page that leads back to the application.
func (d demo) login() string { return d.site + "/auth?redirectToPath=%2F" }

// hold is the phone in the hands of somebody, in a tab of its own.
func (d demo) hold(b *tab, user string) *tab {
	b.t.Helper()
	p := b.open(d.phone + "/")
	p.take(user)
	return p
}

// take gives the phone to somebody.
func (p *tab) take(user string) {
	p.t.Helper()
	p.sees("Live")
	p.click(fmt.Sprintf(`[data-user="%s"]`, user))
}

// ask sends the phrase by the suggestion and waits for the link.
func (p *tab) ask() (link string) {
	p.t.Helper()
	before := p.links()
	p.click("[data-phrase]")
	return p.linkAfter(before)
}

// send sends what is typed in and waits for the link.
func (p *tab) send() (link string) {
	p.t.Helper()
	p.sees("Live")
	before := p.links()
	p.click(".send")
	return p.linkAfter(before)
}

func (p *tab) links() int {
	p.t.Helper()
	return eval[int](p, `document.querySelectorAll(".bubble.bot a").length`)
}

func (p *tab) linkAfter(before int) string {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelectorAll(".bubble.bot a").length > %d`, before))
	return eval[string](p, `[...document.querySelectorAll(".bubble.bot a")].at(-1).href`)
}
