package auth_test

import (
	"bytes"
	"context"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const apiVersion = "/apiversion"

func TestPingSaysWhatIsWrong(t *testing.T) {
	const tenant = "/recipe/multitenancy/tenant"
	for name, c := range map[string]struct {
		fault func(*world)
		says  string
	}{
		"refused":    {func(w *world) { w.down() }, "cannot be reached"},
		"wrong key":  {func(w *world) { w.proxy.set(func(p *proxy) { p.fail[tenant] = 401 }) }, "auth.api_key"},
		"not a core": {func(w *world) { w.proxy.set(func(p *proxy) { p.fail[apiVersion] = 404 }) }, "auth.core_uri"},
		"a web page": {func(w *world) { w.proxy.set(func(p *proxy) { p.garbage[apiVersion] = "<html>" }) }, "no version"},
		"too old":    {func(w *world) { w.proxy.set(func(p *proxy) { p.garbage[apiVersion] = `{"versions":["2.7"]}` }) }, "no version"},
		"garbage":    {func(w *world) { w.proxy.set(func(p *proxy) { p.garbage[tenant] = "<html>" }) }, "unexpected answer"},
		"no tenant": {func(w *world) {
			w.proxy.set(func(p *proxy) { p.garbage[tenant] = `{"status":"TENANT_NOT_FOUND_ERROR"}` })
		}, "auth.tenant"},
		"switched off": {func(w *world) {
			w.proxy.set(func(p *proxy) { p.garbage[tenant] = `{"status":"OK","tenantId":"public"}` })
		}, "switched off"},
		"overloaded":    {func(w *world) { w.proxy.set(func(p *proxy) { p.fail[tenant] = 429 }) }, "too many requests"},
		"broken inside": {func(w *world) { w.proxy.set(func(p *proxy) { p.fail[tenant] = 500 }) }, "status 500"},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			c.fault(w)
			err := w.service.Ping(context.Background())
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, w.proxy.addr, "which core")
			require.NotContains(t, err.Error(), "broken on purpose", "what the core says is not repeated")
			var e *auth.CoreError
			require.ErrorAs(t, err, &e)
			w.proxy.set(func(p *proxy) { clear(p.fail); clear(p.garbage) })
			if name == "refused" {
				w.proxy.up()
			}
			require.NoError(t, w.service.Ping(context.Background()), "and it recovers")
		})
	}
}

func TestWrongAPIKey(t *testing.T) {
	w := setup(t, func(c *auth.Config) { c.APIKey = "wrong-key-0123456789012" })
	require.ErrorContains(t, w.service.Ping(context.Background()), "auth.api_key")
	_, err := w.service.CreateLink(context.Background(), asked(newNumber(t), newReply(t)))
	require.ErrorContains(t, err, "auth.api_key")
	require.NotContains(t, err.Error(), "wrong-key")
	w.stop()
	w.cfg.APIKey = w.core.key
	w.start()
	require.NoError(t, w.service.Ping(context.Background()), "a later Service does not inherit the key")
}

// While the core hangs, every caller is back when its time is over, however many there are: the SDK alone would let
// them wait in a row.
func TestHangingCoreHoldsNobodyLongerThanTheTimeout(t *testing.T) {
	for _, path := range []string{apiVersion, "/recipe/signinup/code"} {
		t.Run(path, func(t *testing.T) {
			w := setup(t, func(c *auth.Config) { c.CoreTimeout = 500 * time.Millisecond })
			hang := make(chan struct{})
			defer close(hang)
			w.proxy.set(func(p *proxy) { p.hang[path] = hang })
			begun := time.Now()
			var all sync.WaitGroup
			errs := make([]error, 30)
			for i := range errs {
				all.Go(func() {
					_, errs[i] = w.service.CreateLink(context.Background(), asked(newNumber(t), newReply(t)))
				})
			}
			all.Wait()
			for _, err := range errs {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "auth.core_timeout")
			}
			require.Less(t, time.Since(begun), 30*w.cfg.CoreTimeout, "not one after the other")
		})
	}
}

// A caller may leave at once, but its call goes on; only the client's own timeout ends that.
func TestCloseWaitsForAHangingCoreNoLongerThanTheTimeout(t *testing.T) {
	const create = "/recipe/signinup/code"
	calling := func() bool { // some goroutine is inside a call to the core
		all := make([]byte, 8<<20)
		return bytes.Contains(all[:runtime.Stack(all, true)], []byte("auth.recovered("))
	}
	w := setup(t, func(c *auth.Config) { c.CoreTimeout = 2 * time.Second })
	require.NoError(t, w.service.Ping(context.Background()), "so that the SDK knows the core")
	hang, reached := make(chan struct{}), make(chan struct{})
	defer close(hang)
	w.proxy.set(func(p *proxy) { p.hang[create], p.before[create] = hang, func() { close(reached) } })
	ctx, leave := context.WithCancel(context.Background())
	go func() { <-reached; leave() }()
	_, err := w.service.CreateLink(ctx, asked(newNumber(t), newReply(t)))
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, calling(), "the call goes on without its caller")
	closed := make(chan error, 1)
	go func() { closed <- w.service.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(10 * w.cfg.CoreTimeout):
		require.Fail(t, "Close waits for a core that does not answer")
	}
	require.False(t, calling(), "nothing is left of the call")
}

func TestNothingBeginsForACallerThatIsGone(t *testing.T) {
	w := setup(t)
	require.NoError(t, w.service.Ping(context.Background()), "so that the SDK knows the core")
	before := w.proxy.count("")
	gone, leave := context.WithCancel(context.Background())
	leave()
	for range 20 {
		require.ErrorIs(t, w.service.Ping(gone), context.Canceled)
	}
	w.stop() // waits for what is on its way
	require.Equal(t, before, w.proxy.count(""))
}

func TestStartsWithoutTheCore(t *testing.T) {
	w := setup(t)
	w.down()
	w.stop()
	w.start()
	_, err := w.service.CreateLink(context.Background(), asked(newNumber(t), newReply(t)))
	require.ErrorContains(t, err, "cannot be reached")
	w.proxy.up()
	require.Equal(t, "OK", w.browser().consume(w.fresh()).says("status"))
}

func TestOneServicePerProcess(t *testing.T) {
	w := setup(t)
	_, err := auth.New(context.Background(), w.cfg)
	require.ErrorContains(t, err, "close it before")
	require.Equal(t, "OK", w.browser().consume(w.fresh()).says("status"), "the living one is not disturbed")
	w.stop()
	other := setup(t)
	m := other.fresh()
	require.Zero(t, w.proxy.count("/recipe/signinup/code")-1, "the next one speaks with its own core")
	require.Equal(t, "OK", other.browser().consume(m).says("status"))
}

func TestClosedServiceRefuses(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	service := w.service
	routes := service.Routes(http.NotFoundHandler())
	w.stop()
	_, err := service.CreateLink(context.Background(), asked(newNumber(t), newReply(t)))
	require.ErrorContains(t, err, "closed")
	require.Error(t, service.Ping(context.Background()))
	require.NotNil(t, routes)
	w.start()
	require.NoError(t, service.Close(), "closing it again does not disturb the next one")
	require.Equal(t, m, w.link(m.number, m.reply))
}

func TestConfigurationIsChecked(t *testing.T) {
	w := setup(t)
	w.stop()
	for name, change := range map[string]func(*auth.Config){
		"no core":                 func(c *auth.Config) { c.CoreURI = "" },
		"a core without scheme":   func(c *auth.Config) { c.CoreURI = "127.0.0.1:3567" },
		"no tenant":               func(c *auth.Config) { c.Tenant = "" },
		"no app name":             func(c *auth.Config) { c.AppName = "" },
		"no role":                 func(c *auth.Config) { c.DefaultRole = "" },
		"no links":                func(c *auth.Config) { c.Links = nil },
		"no sign-ins":             func(c *auth.Config) { c.SignIns = nil },
		"no timeout":              func(c *auth.Config) { c.CoreTimeout = 0 },
		"no key":                  func(c *auth.Config) { c.SealKey = nil },
		"a short key":             func(c *auth.Config) { c.SealKey = bytes.Repeat([]byte{1}, 16) },
		"an API domain with path": func(c *auth.Config) { c.APIDomain = "https://a.example/api" },
		"no website":              func(c *auth.Config) { c.WebsiteDomain = "" },
		"a website without host":  func(c *auth.Config) { c.WebsiteDomain = "https://" },
		"a foreign redirect":      func(c *auth.Config) { c.RedirectToPath = "//evil.example" },
		"an unknown same-site":    func(c *auth.Config) { c.CookieSameSite = "sometimes" },
		"same-site none, no TLS":  func(c *auth.Config) { c.CookieSameSite, c.APIDomain = "none", "http://a.example" },
	} {
		cfg := w.cfg
		change(&cfg)
		_, err := auth.New(context.Background(), cfg)
		require.Error(t, err, name)
	}
	w.start()
	require.NoError(t, w.service.Ping(context.Background()), "a refused configuration leaves nothing behind")
}

// Links, sign-ins, refreshes and checks side by side: for the race detector.
func TestManyAtOnce(t *testing.T) {
	w := setup(t)
	var all sync.WaitGroup
	for range 8 {
		n, b := newNumber(t), w.browser()
		all.Go(func() {
			for range 3 {
				link, err := w.service.CreateLink(context.Background(), asked(n, newReply(t)))
				if err != nil {
					t.Errorf("create link: %v", err)
					return
				}
				if a := b.consume(withNumber(taken(link.URL), n)); a.says("status") != "OK" {
					t.Errorf("consume: %s", a.raw)
				}
				if a := b.do(http.MethodPost, "/api/v1/auth/session/refresh", nil, "rid", "session"); a.status != http.StatusOK {
					t.Errorf("refresh: %s", a.raw)
				}
				if b.whoami() == "" {
					t.Error("nobody is signed in")
				}
				if _, err := w.service.Reconcile(context.Background(), w.clock.Now()); err != nil {
					t.Errorf("reconcile: %v", err)
				}
			}
			if a := b.do(http.MethodPost, "/api/v1/auth/signout", nil, "rid", "session"); a.says("status") != "OK" {
				t.Errorf("sign out: %s", a.raw)
			}
		})
	}
	all.Wait()
	require.Len(t, w.store.recorded(), 24)
}

func TestClosedServiceLeavesNothingRunning(t *testing.T) {
	w := setup(t)
	w.stop()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	others := goleak.IgnoreCurrent()
	w.start()
	b := w.browser()
	require.Equal(t, "OK", b.consume(w.fresh()).says("status"))
	require.NotEmpty(t, b.whoami(), "so the SDK holds the core's keys, and a goroutine for them")
	w.stop()
	var left error
	for range 20 { // Find itself waits a little
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // of the tests' own clients
		if left = goleak.Find(others); left == nil {
			break
		}
	}
	require.NoError(t, left)
}
