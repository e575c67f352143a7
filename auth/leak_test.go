package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A whole login and everything that can go wrong in it, at the lowest log level and with the SDK's own debug output
// switched on. Nothing of it may name a link, a code, a token or a number.
func TestNothingLeaks(t *testing.T) {
	t.Setenv("SUPERTOKENS_DEBUG", "1")
	w := setup(t, withCode)
	output := captureOutput(t)
	p := &probe{world: w, b: w.browser()}
	m := p.login()
	p.beginInABrowser()
	p.breakEverything()
	p.breakTheStore()
	p.down()
	p.createLink()
	p.errs = append(p.errs, w.service.Ping(context.Background()))
	w.proxy.up()

	logs := w.logs.String() + output()
	require.Contains(t, logs, "signed in", "the logs are there")
	require.Contains(t, logs, "interrupted")
	for _, err := range p.errs {
		logs += fmt.Sprintf("%v %+v %#v\n", err, err, err)
	}
	p.secrets = append(p.secrets, seenByTheCore(w.proxy)...)
	require.Greater(t, len(p.secrets), 100)
	for _, secret := range p.secrets {
		if len(secret) >= 8 {
			require.NotContains(t, logs, secret)
		}
	}
	stored, err := json.Marshal([]any{w.store.links, w.store.attempts, w.store.guests, w.store.keys})
	require.NoError(t, err)
	for _, l := range w.store.links {
		stored = append(stored, l.Sealed...)
	}
	for i := range w.store.audit {
		stored = append(stored, fmt.Sprintf("%+v", w.store.audit[i])...)
	}
	require.NotContains(t, string(stored), m.code, "at rest links are sealed only")
	for _, secret := range p.browsers {
		require.NotContains(t, string(stored), secret, "what a browser proves itself with is in no record")
	}
}

// probe remembers every secret that comes by, and every error.
type probe struct {
	*world
	b       browser
	refresh string
	secrets []string
	errs    []error

	browsers []string // secrets that only a browser may hold
}

// beginInABrowser is a guest who begins a login, with wrong digits and codes and then the right one.
func (p *probe) beginInABrowser() {
	b := p.browser()
	b.guest()
	m := p.named(b.begin("/journal"))
	at, err := url.Parse(p.web.URL)
	require.NoError(p.t, err)
	for _, c := range b.Jar.Cookies(at) {
		p.browsers = append(p.browsers, c.Value)
	}
	require.Len(p.t, p.browsers, 2)
	p.browsers = append(p.browsers, `"`+m.typed+`"`) // as a value; six digits alone may stand anywhere
	p.browser().present(m, map[string]any{"digits": other(lastOf(m.number))})
	b.code(wrongCode(m.typed))
	require.Equal(p.t, "OK", b.code(m.typed).says("status"))
	b.claim()
	p.secrets = append(p.secrets, m.number.Digits(), m.code, m.preAuth, m.url)
	p.secrets = append(p.secrets, p.browsers...)
}

// login signs in, checks and refreshes the session.
func (p *probe) login() magic {
	m := p.createLink()
	a := p.b.consume(m, "st-auth-mode", "header")
	require.Equal(p.t, "OK", a.says("status"))
	access := a.header.Get("st-access-token")
	p.secrets = append(p.secrets, access, strings.Split(access, ".")[2], a.header.Get("st-refresh-token"), a.header.Get("front-token"))
	require.NotEmpty(p.t, p.b.whoami("authorization", "Bearer "+access))
	a = p.b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "authorization", "Bearer "+a.header.Get("st-refresh-token"))
	access, p.refresh = a.header.Get("st-access-token"), a.header.Get("st-refresh-token")
	handle := p.b.do(http.MethodGet, "/whoami", nil, "authorization", "Bearer "+access).says("handle")
	require.NotEmpty(p.t, handle)
	p.secrets = append(p.secrets, access, p.refresh, handle)
	return m
}

// createLink tries to make a link of a new number.
func (p *probe) createLink() magic {
	n := newNumber(p.t)
	link, err := p.service.CreateLink(context.Background(), asked(n, newReply(p.t)))
	m := withNumber(taken(link.URL), n)
	p.errs = append(p.errs, err)
	p.secrets = append(p.secrets, n.Digits(), n.Digits()[5:], m.url, m.code, m.preAuth, url.QueryEscape(m.preAuth))
	return m
}

// breakEverything lets each call to the core fail in each way while a login goes on.
func (p *probe) breakEverything() {
	paths := []string{"/recipe/signinup/code", listCodes, consumeCode, userRoles, "/recipe/user", makeSession, "/recipe/session/refresh"}
	faults := []func(*proxy, string){
		func(x *proxy, path string) { x.lose[path] = 1 },
		func(x *proxy, path string) { x.cut[path] = 1 },
		func(x *proxy, path string) {
			x.garbage[path] = `{"status":"OK","user":{"id":7},"linkCode":7,"devices":7,"roles":7,"session":7}`
		},
	}
	for _, status := range []int{400, 401, 500, 502} {
		faults = append(faults, func(x *proxy, path string) { x.fail[path], x.echo = status, true })
	}
	for _, path := range paths {
		for _, fault := range faults {
			p.proxy.set(func(x *proxy) { fault(x, path) })
			if m := p.createLink(); m.code != "" {
				p.b.present(m, map[string]any{"digits": lastOf(m.number), "replaceSession": true})
			}
			p.b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "authorization", "Bearer "+p.refresh)
			p.reconcileLater()
			p.proxy.set(func(x *proxy) { clear(x.fail); clear(x.garbage); clear(x.lose); clear(x.cut); x.echo = false })
		}
	}
}

func (p *probe) breakTheStore() {
	p.store.fail("RecordSignIn", 2)
	p.b.consume(p.createLink())
	p.store.fail("SaveLink", 1)
	p.createLink()
	p.reconcileLater()
}

func (p *probe) reconcileLater() {
	_, err := p.service.Reconcile(context.Background(), p.clock.Now().Add(time.Hour))
	p.errs = append(p.errs, err)
}

// seenByTheCore is every code and token that passed between the SDK and the core.
func seenByTheCore(p *proxy) (secrets []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	secret := regexp.MustCompile(`"(?:linkCode|deviceId|preAuthSessionId|token|refreshToken|accessToken|phoneNumber)":"([^"]+)"`)
	for _, match := range secret.FindAllStringSubmatch(p.seen.String(), -1) {
		secrets = append(secrets, match[1])
	}
	return secrets
}

// captureOutput redirects what the process writes to its standard output and error, and returns it when called.
func captureOutput(t *testing.T) func() string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "output"))
	require.NoError(t, err)
	var saved [2]int
	for i, fd := range []int{1, 2} {
		saved[i], err = unix.Dup(fd)
		require.NoError(t, err)
		require.NoError(t, unix.Dup3(int(file.Fd()), fd, 0))
	}
	done := false
	restore := func() {
		if done {
			return
		}
		done = true
		for i, fd := range []int{1, 2} {
			_ = unix.Dup3(saved[i], fd, 0)
			_ = unix.Close(saved[i])
		}
		_ = file.Close()
	}
	t.Cleanup(restore)
	return func() string {
		restore()
		raw, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		return string(raw)
	}
}
