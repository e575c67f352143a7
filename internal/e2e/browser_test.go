package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser opens links as a person's browser does: with cookies, and with what the page's script posts.
type browser struct {
	http *http.Client
	base string // of the bot's web server, whatever the link's own host says
	from string // its address, as a proxy on this machine tells it: many people are not one client
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	from := netip.AddrFrom4([4]byte{10, byte(rand.N(256)), byte(rand.N(256)), byte(rand.N(256))}) //nolint:gosec // any will do
	return &browser{base: base, from: from.String(), http: &http.Client{
		Jar: jar, Timeout: 30 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// restart is the same browser after it was closed and opened: only cookies that outlive a browser are left.
func (b *browser) restart(t *testing.T, answers ...*http.Response) *browser {
	t.Helper()
	fresh := newBrowser(t, b.base)
	at, err := url.Parse(b.base)
	require.NoError(t, err)
	for _, answer := range answers {
		for _, c := range answer.Cookies() {
			if c.MaxAge > 0 || c.Expires.After(time.Now()) {
				fresh.http.Jar.SetCookies(at, []*http.Cookie{c})
			}
		}
	}
	return fresh
}

// link is a magic link taken apart.
type link struct {
	URL              string
	PreAuthSessionID string
	TenantID         string
	Code             string
}

var linkInText = regexp.MustCompile(`https?://\S+/verify\?\S+#\S+`)

// linkIn finds the link in a reply.
func linkIn(text string) (link, bool) {
	found := linkInText.FindString(text)
	if found == "" {
		return link{}, false
	}
	u, err := url.Parse(found)
	if err != nil {
		return link{}, false
	}
	return link{
		URL: found, PreAuthSessionID: u.Query().Get("preAuthSessionId"), TenantID: u.Query().Get("tenantId"), Code: u.Fragment,
	}, true
}

func mustLink(t *testing.T, text string) link {
	t.Helper()
	l, ok := linkIn(text)
	require.True(t, ok, "no link in: %s", text)
	return l
}

// answer is a response whose body is read.
type answer struct {
	*http.Response
	Text string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.Text), &v), a.Text)
	return v
}

// try does one request; the error is the network's.
func (b *browser) try(ctx context.Context, method, path string, body any, header ...string) (answer, error) {
	var payload io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.base+path, payload)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-Forwarded-For", b.from)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return answer{resp, string(raw)}, err
}

func (b *browser) do(t *testing.T, method, path string, body any, header ...string) answer {
	t.Helper()
	a, err := b.try(t.Context(), method, path, body, header...)
	require.NoError(t, err)
	return a
}

// open is the GET that a tap on the link does; the fragment stays in the browser.
func (b *browser) open(t *testing.T, l link) answer {
	t.Helper()
	path, _, _ := strings.Cut(l.URL, "#")
	u, err := url.Parse(path)
	require.NoError(t, err)
	return b.do(t, http.MethodGet, u.RequestURI(), nil)
}

const consumePath = "/auth/signinup/code/consume"

// loginCookie holds the login that was begun in a browser, on plain HTTP.
const loginCookie = "login"

// begin is what the login page does. Without it a link opens only for the last digits of its number.
func (b *browser) begin(ctx context.Context) error {
	at, err := url.Parse(b.base)
	if err != nil {
		return err
	}
	for _, c := range b.http.Jar.Cookies(at) {
		if c.Name == loginCookie {
			return nil
		}
	}
	a, err := b.try(ctx, http.MethodPost, "/auth/login/start", struct{}{}, "Origin", b.base, "Sec-Fetch-Site", "same-origin")
	if err == nil && a.status() != "OK" {
		err = fmt.Errorf("begin a login: HTTP %d", a.StatusCode)
	}
	return err
}

// tryConfirm begins a login unless one is under way, and does what the button of the link's page does.
func (b *browser) tryConfirm(ctx context.Context, l link) (answer, error) {
	if err := b.begin(ctx); err != nil {
		return answer{}, err
	}
	return b.try(ctx, http.MethodPost, consumePath,
		map[string]string{"preAuthSessionId": l.PreAuthSessionID, "linkCode": l.Code},
		"rid", "passwordless", "st-auth-mode", "cookie", "Origin", b.base, "Sec-Fetch-Site", "same-origin")
}

func (b *browser) confirm(t *testing.T, l link) answer {
	t.Helper()
	a, err := b.tryConfirm(t.Context(), l)
	require.NoError(t, err)
	return a
}

// status of SuperTokens' JSON answers ("OK", "RESTART_FLOW_ERROR", …); "HTTP 503" where there is none.
func (a answer) status() string {
	var v struct{ Status string }
	if json.Unmarshal([]byte(a.Text), &v) != nil || v.Status == "" {
		return fmt.Sprintf("HTTP %d", a.StatusCode)
	}
	return v.Status
}

// signIn opens a link and presses the button.
func (b *browser) signIn(t *testing.T, l link) answer {
	t.Helper()
	page := b.open(t, l)
	require.Equal(t, http.StatusOK, page.StatusCode)
	a := b.confirm(t, l)
	require.Equal(t, "OK", a.status(), a.Text)
	return a
}

// session asks who is signed in.
func (b *browser) session(t *testing.T) answer {
	t.Helper()
	return b.do(t, http.MethodGet, "/auth/session", nil, "rid", "session", "st-auth-mode", "cookie")
}

func (b *browser) refresh(t *testing.T) answer {
	t.Helper()
	return b.do(t, http.MethodPost, "/auth/session/refresh", struct{}{}, "rid", "session", "st-auth-mode", "cookie")
}

func (b *browser) signOut(t *testing.T) answer {
	t.Helper()
	return b.do(t, http.MethodPost, "/auth/signout", struct{}{}, "rid", "session", "st-auth-mode", "cookie")
}
