package auth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy stands in front of whichever core the tests use, counts what passes, and breaks it on demand. Paths are
// written without the tenant.
type proxy struct {
	t    *testing.T
	core *url.URL
	key  string // that the core asks for
	addr string

	// one request at a time is with the core: one that keeps everything in memory trips over two, and what it makes of
	// a code that it stumbles at is no promise of ours.
	one sync.Mutex

	mu      sync.Mutex
	server  *http.Server
	calls   map[string]int
	fail    map[string]int                 // answer with this status instead of asking the core
	stumble map[string]int                 // answer 500 instead of asking the core, so many times
	half    map[string]int                 // let the core work, then answer 500, so many times
	lose    map[string]int                 // let the core work, then cut the connection, so many times
	cut     map[string]int                 // cut the connection without asking the core, so many times
	before  map[string]func()              // called before the core is asked
	garbage map[string]string              // let the core work, then answer 200 and this
	rewrite map[string]func([]byte) []byte // of what the core answers
	echo    bool                           // failures repeat what was sent
	seen    bytes.Buffer                   // every body in both directions
	hang    map[string]chan struct{}       // wait for the channel before the core is asked
}

func newProxy(t *testing.T, core, key string) *proxy {
	t.Helper()
	u, err := url.Parse(core)
	require.NoError(t, err)
	p := &proxy{
		t: t, core: u, key: key, calls: map[string]int{}, fail: map[string]int{}, lose: map[string]int{},
		cut: map[string]int{}, before: map[string]func(){}, garbage: map[string]string{}, hang: map[string]chan struct{}{},
		rewrite: map[string]func([]byte) []byte{}, stumble: map[string]int{}, half: map[string]int{},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.addr = l.Addr().String()
	p.serve(l)
	t.Cleanup(p.down)
	return p
}

func (p *proxy) URL() string { return "http://" + p.addr }

func (p *proxy) serve(l net.Listener) {
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	p.mu.Lock()
	p.server = server
	p.mu.Unlock()
	go func() { _ = server.Serve(l) }()
}

// down makes the port refuse connections.
func (p *proxy) down() {
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

func (p *proxy) up() {
	var l net.Listener
	require.Eventually(p.t, func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", p.addr)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	p.serve(l)
}

func (p *proxy) set(f func(p *proxy)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *proxy) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if path != "" {
		return p.calls[path]
	}
	sum := 0
	for _, n := range p.calls {
		sum += n
	}
	return sum
}

func withoutTenant(path string) string {
	if rest, ok := strings.CutPrefix(path, "/public/"); ok {
		return "/" + rest
	}
	return path
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := withoutTenant(r.URL.Path)
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	p.calls[path]++
	p.seen.Write(body)
	hook, status, hang, echo := p.before[path], p.fail[path], p.hang[path], p.echo
	cut := take(p.cut, path)
	if take(p.stumble, path) {
		status = http.StatusInternalServerError
	}
	p.mu.Unlock()
	if hook != nil {
		hook()
	}
	if hang != nil {
		<-hang
	}
	if cut {
		panic(http.ErrAbortHandler)
	}
	if status != 0 {
		http.Error(w, "broken on purpose", status)
		if echo {
			_, _ = fmt.Fprintf(w, "%s %s", body, r.URL)
		}
		return
	}
	// The API version is asked for without a key; a core that has none set lets anything pass, this one does not.
	if path != "/apiversion" && path != "/.well-known/jwks.json" && r.Header.Get("api-key") != p.key {
		http.Error(w, "Invalid API key", http.StatusUnauthorized)
		return
	}
	p.forward(w, r, path, body)
}

func (p *proxy) forward(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	answer := &recorded{header: http.Header{}}
	r = r.WithContext(context.WithoutCancel(r.Context())) // a core does not stop because nobody waits
	r.Body = io.NopCloser(bytes.NewReader(body))
	forward := httputil.ReverseProxy{
		Rewrite:  func(pr *httputil.ProxyRequest) { pr.SetURL(p.core) },
		ErrorLog: log.New(io.Discard, "", 0), // of requests that outlive their test
	}
	p.one.Lock()
	forward.ServeHTTP(answer, r)
	p.one.Unlock()
	p.mu.Lock()
	p.seen.Write(answer.body.Bytes())
	lost := take(p.lose, path)
	if take(p.half, path) {
		answer = &recorded{header: http.Header{}, status: http.StatusInternalServerError}
	}
	garbage, broken := p.garbage[path]
	rewrite := p.rewrite[path]
	p.mu.Unlock()
	if lost {
		panic(http.ErrAbortHandler)
	}
	if broken {
		_, _ = io.WriteString(w, garbage)
		return
	}
	for k, v := range answer.header {
		w.Header()[k] = v
	}
	out := answer.body.Bytes()
	if rewrite != nil {
		out = rewrite(out)
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(out)
}

func take(from map[string]int, path string) bool {
	if from[path] == 0 {
		return false
	}
	from[path]--
	return true
}

type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header { return r.header }
func (r *recorded) WriteHeader(s int)   { r.status = s }
func (r *recorded) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.body.Write(b)
}
