package supertokens_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
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
	client   http.Client
}

const testKey = "conformance-key-0123456789"

// setupTarget takes the core of the environment. The stand-in's clock is moved where the other one must be waited for.
func setupTarget(t *testing.T) *target {
	t.Helper()
	g := &target{client: http.Client{Timeout: 10 * time.Second}, wait: time.Sleep}
	if g.url, g.key = os.Getenv("SUPERTOKENS_URI"), os.Getenv("SUPERTOKENS_API_KEY"); g.url != "" {
		g.real = true
		return g
	}
	c := &clock{}
	core, err := supertokens.New(supertokens.Options{APIKey: testKey, Now: c.now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, core.Close()) })
	g.url, g.key, g.wait = core.URL(), testKey, c.add
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
	return time.Now().Add(c.ahead) //nolint:forbidigo // the clock of these tests
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

// TestExpiry is for what only time shows. A real core must have been started with short lifetimes; with longer ones
// than that nothing can be shown in a test, and it says so.
func TestExpiry(t *testing.T) {
	sideBySide(t)
	g := setupTarget(t)
	raw, err := os.ReadFile("testdata/expiry.txt")
	require.NoError(t, err)
	for _, s := range parseScenarios(t, string(raw)) {
		vars := map[string]string{"phone": "62" + randomDigits(t), "user": randomDigits(t)}
		for _, x := range s.exchanges {
			g.try(t, x, vars)
			if after := vars["lifetime"]; after != "" {
				ms, err := time.ParseDuration(after + "ms")
				require.NoError(t, err)
				if g.real && ms > 5*time.Second {
					t.Logf("%s: this core's lifetimes are too long to wait for", s.name)
					break
				}
				g.wait(ms + time.Second)
				delete(vars, "lifetime")
			}
		}
	}
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
	defer res.Body.Close()
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
