package supertokens_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
)

// target is the core that the exchanges are tried on: the stand-in, or the one that SUPERTOKENS_URI names.
type target struct {
	url, key string
	real     bool
	wait     func(time.Duration)
	now      func() time.Time
	client   http.Client
}

const testKey = "conformance-key-0123456789"

// setupTarget takes the core of the environment. The stand-in's clock is moved where the other one must be waited for.
func setupTarget(t *testing.T) *target {
	t.Helper()
	g := &target{client: http.Client{Timeout: 10 * time.Second}, wait: time.Sleep, now: (&clock{}).now}
	if g.url, g.key = os.Getenv("SUPERTOKENS_URI"), os.Getenv("SUPERTOKENS_API_KEY"); g.url != "" {
		g.real = true
		return g
	}
	c := &clock{}
	core, err := supertokens.New(supertokens.Options{APIKey: testKey, Now: c.now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, core.Close()) })
	g.url, g.key, g.wait, g.now = core.URL(), testKey, c.add, c.now
	return g
}

// clock is the time, and something.
type clock struct {
	sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.Lock()
	defer c.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) add(d time.Duration) {
	c.Lock()
	defer c.Unlock()
	c.ahead += d
}

// sideBySide lets scenarios run at the same time, but for a real core that keeps everything in memory: its tables
// lock each other out.
func sideBySide(t *testing.T) {
	t.Helper()
	if os.Getenv("SUPERTOKENS_URI") == "" {
		t.Parallel()
	}
}

// TestExchanges tries every exchange of testdata/exchanges. Run with SUPERTOKENS_URI (and SUPERTOKENS_API_KEY) it
// proves that a real core answers the same.
func TestExchanges(t *testing.T) {
	sideBySide(t)
	files, err := filepath.Glob("testdata/exchanges/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, s := range parseScenarios(t, string(raw)) {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+s.name, func(t *testing.T) {
				sideBySide(t)
				g := setupTarget(t)
				vars := map[string]string{}
				for _, name := range []string{"phone", "phone2", "role", "role2", "user"} {
					vars[name] = "62" + randomDigits(t)
				}
				for _, x := range s.exchanges {
					g.try(t, x, vars)
				}
			})
		}
	}
}

// longestWait is what a test may wait for a real core.
const longestWait = 10 * time.Second

// TestExpiry tries what only time shows. A real core shows it when it was started with short lifetimes; of one with
// longer ones only the beginnings can be tried, and the test says so.
func TestExpiry(t *testing.T) {
	sideBySide(t)
	raw, err := os.ReadFile("testdata/expiry.txt")
	require.NoError(t, err)
	for _, s := range parseScenarios(t, string(raw)) {
		t.Run(s.name, func(t *testing.T) {
			g := setupTarget(t)
			vars := map[string]string{"phone": "62" + randomDigits(t), "user": randomDigits(t)}
			for _, x := range s.exchanges {
				g.try(t, x, vars)
				pause := g.pause(t, vars)
				if g.real && pause > longestWait {
					t.Logf("not tried to its end: this core lets live for %v", pause)
					return
				}
				g.wait(pause)
			}
		})
	}
}

// pause is how long it takes until what an answer named is over, and a moment more.
func (g *target) pause(t *testing.T, vars map[string]string) time.Duration {
	t.Helper()
	read := func(name string) int64 {
		ms, err := strconv.ParseInt(vars[name], 10, 64)
		require.NoError(t, err)
		delete(vars, name)
		return ms
	}
	switch {
	case vars["lifetime"] != "":
		return time.Duration(read("lifetime"))*time.Millisecond + 50*time.Millisecond
	case vars["until"] != "":
		return time.UnixMilli(read("until")).Sub(g.now()) + 50*time.Millisecond
	}
	return 0
}

// try sends one request and compares the answer: the status, every field, and no field more.
func (g *target) try(t *testing.T, x exchange, vars map[string]string) {
	t.Helper()
	fill := func(s string) string { return fillIn(t, s, vars) }
	req, err := http.NewRequestWithContext(t.Context(), x.method, g.url+fill(x.path), bytes.NewBufferString(fill(x.body)))
	require.NoError(t, err)
	req.Header.Set("api-key", g.key)
	req.Header.Set("cdi-version", "3.1")
	req.Header.Set("rid", "passwordless")
	for name, value := range x.header {
		if req.Header.Set(name, fill(value)); value == "" {
			req.Header.Del(name)
		}
	}
	res, err := g.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	got := readAll(t, res.Body)
	at := x.method + " " + x.path + " " + x.body
	require.Equal(t, x.status, res.StatusCode, "%s\nanswered %s", at, got)
	if !strings.HasPrefix(x.answer, "{") || strings.HasPrefix(x.answer, "{{") {
		compare(t, at, x.answer, strings.TrimSuffix(got, "\n"), vars)
		return
	}
	var want, have any
	require.NoError(t, json.Unmarshal([]byte(x.answer), &want), x.answer)
	require.NoError(t, json.Unmarshal([]byte(got), &have), "%s\nanswered %s", at, got)
	compare(t, at+"\nanswered "+got, want, have, vars)
}
