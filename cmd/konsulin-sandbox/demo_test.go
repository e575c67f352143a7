package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDemoStartsServesAndStops is `make demo` without the browser: it is up in one go, and leaves nothing behind.
func TestDemoStartsServesAndStops(t *testing.T) {
	f := flags(t)
	ctx, stop := context.WithCancel(t.Context())
	var out, log safeBuffer
	done := make(chan error, 1)
	go func() { done <- demo(ctx, f, &out, &log) }()
	require.Eventually(t, func() bool { return status(t, "http://"+f.site+"/readyz") == http.StatusOK }, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, http.StatusOK, status(t, "http://"+f.page+"/"))
	require.Contains(t, out.String(), "http://"+f.page)
	stop()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("the demo must stop when it is told to")
	}
	_, err := net.DialTimeout("tcp", f.page, time.Second)
	require.Error(t, err, "nothing listens any more")

	again := flags(t)
	again.data = f.data
	require.ErrorContains(t, demo(t.Context(), again, io.Discard, io.Discard), "is not empty")
}

func TestDemoRefusesWhatIsNotLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:8090", ":8090", "192.0.2.1:80", "example.org:80", "8090", ""} {
		require.Error(t, loopback(addr), addr)
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:8090", "[::1]:8090"} {
		require.NoError(t, loopback(addr), addr)
	}
}

func TestDemoSaysWhichPortIsTaken(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	f := flags(t)
	f.page, f.data = l.Addr().String(), ""
	err = demo(t.Context(), f, io.Discard, io.Discard)
	require.ErrorContains(t, err, "--page")
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left, "a demo that could not start leaves no directory")
}

// TestDemoRefusesEachAddressThatIsNotLoopback: none of the servers may be reached by others.
func TestDemoRefusesEachAddressThatIsNotLoopback(t *testing.T) {
	t.Parallel()
	for _, set := range []func(*demoFlags){
		func(f *demoFlags) { f.page = "0.0.0.0:0" }, func(f *demoFlags) { f.site = "0.0.0.0:0" },
		func(f *demoFlags) { f.line = "0.0.0.0:0" }, func(f *demoFlags) { f.core = "0.0.0.0:0" },
		func(f *demoFlags) { f.fhir = "0.0.0.0:0" }, func(f *demoFlags) { f.omnichannel = "0.0.0.0:0" },
		func(f *demoFlags) { f.gateway = "0.0.0.0:0" },
	} {
		f := flags(t)
		set(&f)
		require.ErrorContains(t, demo(t.Context(), f, io.Discard, io.Discard), "not on loopback")
	}
}

func flags(t *testing.T) demoFlags {
	t.Helper()
	return demoFlags{page: free(t), site: free(t), line: "127.0.0.1:0", core: "127.0.0.1:0", fhir: "127.0.0.1:0",
		omnichannel: "127.0.0.1:0", gateway: "127.0.0.1:0", data: filepath.Join(t.TempDir(), "data")}
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

func status(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer func() { require.NoError(t, resp.Body.Close()) }()
	return resp.StatusCode
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Clone(s.b.String())
}
