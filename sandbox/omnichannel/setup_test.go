package omnichannel_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

const (
	synchronous  = "/api/v1/hook/synchronous/modify-profile"
	asynchronous = "/api/v1/hook/modify-profile"
	plain        = `{"name":"Sari","phoneNumber":"+6281234567890"}`
)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bundle is a stand-in and its clock.
type bundle struct {
	*omnichannel.Server
	clock *clock
	t     *testing.T
}

func setup(t *testing.T, o omnichannel.Options) bundle {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	o.Now = c.Now
	s, err := omnichannel.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return bundle{s, c, t}
}

// reply is an answer with its body read.
type reply struct {
	status     int
	body       string
	retryAfter string
}

// post sends a body with headers in pairs.
func (b bundle) post(path, body string, headers ...string) (reply, error) {
	return b.send(http.MethodPost, path, body, headers...)
}

func (b bundle) send(method, path, body string, headers ...string) (reply, error) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.URL()+path, strings.NewReader(body))
	require.NoError(b.t, err)
	r.GetBody = nil // so that nobody repeats a request by itself
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, string(text), res.Header.Get("Retry-After")}, err
}

// must is post where an answer has to come.
func (b bundle) must(path, body string, headers ...string) reply {
	b.t.Helper()
	got, err := b.post(path, body, headers...)
	require.NoError(b.t, err)
	return got
}
