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
	w := setup(t)
	output := captureOutput(t)
	var errs []error
	var secrets []string
	keep := func(m magic) magic {
		secrets = append(secrets, m.code, m.preAuth, url.QueryEscape(m.preAuth), m.number.Digits(), m.number.Digits()[5:])
		return m
	}
	failing := func(fault func(*proxy), f func()) {
		w.proxy.set(fault)
		f()
		w.proxy.set(func(p *proxy) { clear(p.fail); clear(p.garbage); clear(p.lose); clear(p.cut); p.echo = false })
	}

	m := keep(w.fresh())
	b := w.browser()
	a := b.consume(m, "st-auth-mode", "header")
	require.Equal(t, "OK", a.says("status"))
	access, refresh := a.header.Get("st-access-token"), a.header.Get("st-refresh-token")
	secrets = append(secrets, access, strings.Split(access, ".")[2], refresh, a.header.Get("front-token"))
	require.NotEmpty(t, b.whoami("authorization", "Bearer "+access))
	a = b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "authorization", "Bearer "+refresh)
	secrets = append(secrets, a.header.Get("st-access-token"), a.header.Get("st-refresh-token"))
	secrets = append(secrets, b.do(http.MethodGet, "/whoami", nil, "authorization", "Bearer "+a.header.Get("st-access-token")).says("handle"))

	for _, status := range []int{400, 401, 500, 502} {
		for _, path := range []string{"/recipe/signinup/code", listCodes, consumeCode, userRoles, "/recipe/user", makeSession, "/recipe/session/refresh"} {
			failing(func(p *proxy) { p.fail[path], p.echo = status, true }, func() {
				n := newNumber(t)
				secrets = append(secrets, n.Digits())
				link, _, err := w.service.CreateLink(context.Background(), n, newReply(t))
				errs = append(errs, err)
				if err == nil {
					keep(withNumber(taken(link), n))
					b.consume(taken(link))
				}
				b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "authorization", "Bearer "+a.header.Get("st-refresh-token"))
			})
			_, err := w.service.Reconcile(context.Background(), w.clock.Now())
			errs = append(errs, err)
		}
	}
	for _, path := range []string{"/recipe/signinup/code", listCodes, consumeCode, userRoles, makeSession} {
		for _, fault := range []func(*proxy){
			func(p *proxy) { p.lose[path] = 1 },
			func(p *proxy) { p.cut[path] = 1 },
			func(p *proxy) {
				p.garbage[path] = `{"status":"OK","user":{"id":7},"linkCode":7,"devices":7,"roles":7,"session":7}`
			},
		} {
			failing(fault, func() {
				n := newNumber(t)
				secrets = append(secrets, n.Digits())
				link, _, err := w.service.CreateLink(context.Background(), n, newReply(t))
				errs = append(errs, err)
				if err == nil {
					keep(withNumber(taken(link), n))
					b.consume(taken(link))
				}
			})
		}
	}
	w.store.fail("RecordSignIn", 2)
	b.consume(keep(w.fresh()))
	_, err := w.service.Reconcile(context.Background(), w.clock.Now().Add(time.Hour))
	errs = append(errs, err)
	w.down()
	late := newNumber(t)
	secrets = append(secrets, late.Digits())
	_, _, err = w.service.CreateLink(context.Background(), late, newReply(t))
	errs = append(errs, err, w.service.Ping(context.Background()))
	w.proxy.up()

	logs := w.logs.String() + output()
	require.Contains(t, logs, "signed in", "the logs are there")
	require.Contains(t, logs, "interrupted")
	for _, err := range errs {
		logs += fmt.Sprintf("%v %+v %#v\n", err, err, err)
	}
	secrets = append(secrets, seenByTheCore(w.proxy)...)
	require.Greater(t, len(secrets), 100)
	for _, secret := range secrets {
		if len(secret) >= 8 {
			require.NotContains(t, logs, secret)
		}
	}
	stored, err := json.Marshal(w.store.links)
	require.NoError(t, err)
	for _, l := range w.store.links {
		stored = append(stored, l.Sealed...)
	}
	for i := range w.store.audit {
		stored = append(stored, fmt.Sprintf("%+v", w.store.audit[i])...)
	}
	require.NotContains(t, string(stored), m.code, "at rest links are sealed only")
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
