package loopback_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/loopback"
	"github.com/stretchr/testify/require"
)

func setup(t *testing.T, h http.HandlerFunc) *loopback.Server {
	t.Helper()
	s, err := loopback.Listen("")
	require.NoError(t, err)
	s.Serve(h)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func get(t *testing.T, s *loopback.Server) error {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("http://" + s.Addr())
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func TestAnOutageRefusesConnectionsAndEndsAtTheSameAddress(t *testing.T) {
	t.Parallel()
	s := setup(t, func(http.ResponseWriter, *http.Request) {})
	addr := s.Addr()
	for range 3 {
		require.NoError(t, get(t, s))
		require.NoError(t, s.Down(true))
		require.NoError(t, s.Down(true), "down is down")
		require.Error(t, get(t, s))
		require.NoError(t, s.Down(false))
		require.NoError(t, s.Down(false), "up is up")
		require.Equal(t, addr, s.Addr())
	}
}

func TestAnOutageCutsRequestsThatAreOnTheirWay(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	s := setup(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	failed := make(chan error, 1)
	go func() { failed <- get(t, s) }()
	<-arrived
	require.NoError(t, s.Down(true))
	require.Error(t, <-failed)
}

func TestWhatIsClosedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := setup(t, func(http.ResponseWriter, *http.Request) {})
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.NoError(t, s.Down(false))
	require.Error(t, get(t, s))
}

func TestAnOutageThatCannotEndSaysSo(t *testing.T) {
	t.Parallel()
	s := setup(t, func(http.ResponseWriter, *http.Request) {})
	require.NoError(t, s.Down(true))
	l, err := net.Listen("tcp", s.Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	require.ErrorContains(t, s.Down(false), "again")
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:0", "example.org:80", ":0", "no address", "[::]:0"} {
		_, err := loopback.Listen(addr)
		require.Error(t, err, addr)
	}
}
