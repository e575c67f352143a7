package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/stretchr/testify/require"
)

// proxy stands before whichever core there is and fails on command.
type proxy struct {
	t *testing.T

	mu     sync.Mutex
	away   bool
	delay  time.Duration
	after  map[string]func() // by the end of the path: called when the core has answered, before the bot hears it
	calls  map[string]int
	server *httptest.Server
	to     http.Handler
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	return &proxy{t: t, after: map[string]func(){}, calls: map[string]int{}}
}

// before puts the proxy into a configuration.
func (p *proxy) before(cfg *app.Config) {
	core, err := url.Parse(cfg.Auth.CoreURI)
	require.NoError(p.t, err)
	reverse := httputil.NewSingleHostReverseProxy(core)
	reverse.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	reverse.ModifyResponse = func(r *http.Response) error {
		p.mu.Lock()
		var then func()
		for suffix, f := range p.after {
			if strings.HasSuffix(r.Request.URL.Path, suffix) {
				then = f
			}
		}
		p.mu.Unlock()
		if then != nil {
			then()
		}
		return nil
	}
	p.to = reverse
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	p.t.Cleanup(p.server.Close)
	cfg.Auth.CoreURI = p.server.URL
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	away, delay := p.away, p.delay
	p.calls[r.URL.Path]++
	p.mu.Unlock()
	if away {
		panic(http.ErrAbortHandler) // the connection breaks, as with a host that is down
	}
	time.Sleep(delay)
	p.to.ServeHTTP(w, r)
}

func (p *proxy) down(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// slow lets every request wait before it reaches the core; 0 ends that.
func (p *proxy) slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// then runs f when the core has done the work of a path and before the bot hears of it.
func (p *proxy) then(suffix string, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after[suffix] = f
}

// called counts the calls of a path.
func (p *proxy) called(suffix string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for path, c := range p.calls {
		if strings.HasSuffix(path, suffix) {
			n += c
		}
	}
	return n
}
