package e2e_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
)

// theOtherCore is the core of SUPERTOKENS_URI, nil when there is none. One request at a time of this process's tests
// gets through to it, as to the stand-in: a core that keeps everything in memory trips over two, and a code that it
// stumbles at may be neither consumed nor there.
var theOtherCore = sync.OnceValue(func() *httptest.Server {
	uri := os.Getenv("SUPERTOKENS_URI")
	if uri == "" {
		return nil
	}
	core, err := url.Parse(uri)
	if err != nil {
		panic(err)
	}
	reverse := httputil.NewSingleHostReverseProxy(core)
	reverse.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	var one sync.Mutex
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		// A bot that was killed does not stop the core from working, so the next one waits. The plain writer keeps the
		// connection's end from the reverse proxy, which would leave then.
		plain := struct{ http.ResponseWriter }{w}
		reverse.ServeHTTP(plain, r.WithContext(context.WithoutCancel(r.Context())))
	}))
})
