package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// now is the tests' clock.
func now() time.Time { return time.UnixMilli(1_000_000_000) }

func setup(t *testing.T, cfg Config) *Metrics {
	t.Helper()
	cfg.Now = now
	m := New(cfg)
	problems, err := testutil.GatherAndLint(m.registry)
	require.NoError(t, err)
	require.Empty(t, problems, "names follow Prometheus' conventions")
	return m
}

// scraped is what a scraper reads.
func scraped(t *testing.T, m *Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, rec.Code)
	return rec.Body.String()
}

func TestWhatHappensIsCountedByReason(t *testing.T) {
	t.Parallel()
	m := setup(t, Config{Version: "1.2.3"})
	m.Count("login", "link")
	m.Count("login", "link")
	m.Count("login", "stale")
	m.LinkSent(1500 * time.Millisecond)
	m.LinkSent(-time.Second) // the user's clock is ahead of ours
	m.SignedIn(true, false, 20*time.Second)
	m.SignedIn(false, true, 0)
	m.Refused("expired")
	m.JobRun("fhir.sync", "done", 30*time.Millisecond)
	text := scraped(t, m)
	for _, line := range []string{
		`konsulin_messages_total{event="login",outcome="link"} 2`,
		`konsulin_start_timestamp_seconds 1e+06`,
		`konsulin_messages_total{event="login",outcome="stale"} 1`,
		`konsulin_message_to_link_seconds_bucket{le="0.25"} 1`,
		`konsulin_message_to_link_seconds_bucket{le="2"} 2`,
		`konsulin_sign_ins_total{found="at_once",user="new"} 1`,
		`konsulin_sign_ins_total{found="reconciled",user="known"} 1`,
		`konsulin_link_to_sign_in_seconds_count 1`,
		`konsulin_sign_ins_refused_total{reason="expired"} 1`,
		`konsulin_job_runs_total{kind="fhir.sync",outcome="done"} 1`,
		`konsulin_job_run_seconds_count{kind="fhir.sync"} 1`,
		`version="1.2.3"} 1`,
		"go_goroutines ",
		"process_open_fds ",
	} {
		require.Contains(t, text, line)
	}
}

func TestAScrapeAsksWhatIsTrueNow(t *testing.T) {
	t.Parallel()
	state := "logged out"
	m := setup(t, Config{
		Line:       func() Line { return Line{State: state, Since: now().Add(-time.Minute)} },
		LineStates: []string{"connected", "logged out"},
		Queue: func(context.Context) ([]Backlog, error) {
			return []Backlog{{Kind: "fhir.sync", Waiting: 3, Running: 2, Dead: 1, Due: now().Add(-time.Minute), Oldest: now().Add(-time.Hour)},
				{Kind: "login.answer", Waiting: 1}}, nil
		},
		Cases:  func(context.Context) (int, error) { return 4, nil },
		Checks: func(context.Context) map[string]bool { return map[string]bool{"core": false, "storage": true} },
	})
	text := scraped(t, m)
	for _, line := range []string{
		`konsulin_line_state{state="connected"} 0`,
		`konsulin_line_state{state="logged_out"} 1`,
		`konsulin_line_state_since_timestamp_seconds 999940`,
		`konsulin_jobs_waiting{kind="fhir.sync"} 3`,
		`konsulin_jobs_running{kind="fhir.sync"} 2`,
		`konsulin_jobs_dead{kind="fhir.sync"} 1`,
		`konsulin_jobs_overdue_seconds{kind="fhir.sync"} 60`,
		`konsulin_jobs_oldest_seconds{kind="fhir.sync"} 3600`,
		`konsulin_jobs_overdue_seconds{kind="login.answer"} 0`,
		`konsulin_cases_open 4`,
		`konsulin_check_ok{check="core"} 0`,
		`konsulin_check_ok{check="storage"} 1`,
	} {
		require.Contains(t, text, line)
	}
	state = "a state of a later version"
	require.Contains(t, scraped(t, m), `konsulin_line_state{state="a_state_of_a_later_version"} 1`)
}

func TestAScrapeSurvivesADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	m := setup(t, Config{
		Queue:  func(context.Context) ([]Backlog, error) { return nil, away },
		Cases:  func(context.Context) (int, error) { return 0, away },
		Checks: func(context.Context) map[string]bool { return map[string]bool{"storage": false} },
	})
	text := scraped(t, m)
	require.Contains(t, text, `konsulin_check_ok{check="storage"} 0`)
	require.NotContains(t, text, "konsulin_jobs_waiting")
	require.NotContains(t, text, "konsulin_cases_open")
}

func TestCallsAreMeasuredByOutcomeAndNameNoHost(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == 0 {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	m := setup(t, Config{})
	client := &http.Client{Transport: m.Transport("fhir", time.Now, nil), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(ctx context.Context, address string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		require.NoError(t, err)
		resp, err := client.Do(req)
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
	}
	for _, status = range []int{http.StatusOK, http.StatusNoContent, http.StatusFound, http.StatusNotFound, http.StatusBadGateway} {
		get(t.Context(), server.URL)
	}
	status = 0
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	get(short, server.URL)
	left, leave := context.WithCancel(t.Context())
	leave()
	get(left, server.URL)
	get(t.Context(), "http://"+closedPort(t))
	m.Call("whatsapp", nil, time.Second)
	m.Call("whatsapp", errors.New("no"), time.Second)
	text := scraped(t, m)
	for labels, n := range map[string]string{
		`outcome="ok",system="fhir"`: "2", `outcome="3xx",system="fhir"`: "1", `outcome="4xx",system="fhir"`: "1",
		`outcome="5xx",system="fhir"`: "1", `outcome="timeout",system="fhir"`: "1", `outcome="cancelled",system="fhir"`: "1",
		`outcome="unreached",system="fhir"`: "1", `outcome="ok",system="whatsapp"`: "1", `outcome="unreached",system="whatsapp"`: "1",
	} {
		require.Contains(t, text, "konsulin_remote_call_seconds_count{"+labels+"} "+n)
	}
	host, err := url.Parse(server.URL)
	require.NoError(t, err)
	require.NotContains(t, text, host.Host)
	client.CloseIdleConnections()
}

func TestNilCountsNothing(t *testing.T) {
	t.Parallel()
	var m *Metrics
	require.NotPanics(t, func() {
		m.Count("login", "link")
		m.LinkSent(time.Second)
		m.SignedIn(true, true, time.Second)
		m.Refused("used")
		m.JobRun("k", "done", time.Second)
		m.Call("whatsapp", nil, time.Second)
	})
	require.Equal(t, http.DefaultTransport, m.Transport("core", nil, nil))
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestOnlyMetricsAreServed(t *testing.T) {
	t.Parallel()
	m := setup(t, Config{})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := m.Server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/": http.StatusNotFound, "/debug/pprof/": http.StatusNotFound} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+path, nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode, path)
	}
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

func TestOnlyLoopbackIsAccepted(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:9464", "[::1]:9464", "localhost:0", "127.5.6.7:1"} {
		require.NoError(t, CheckListen(address), address)
	}
	for _, address := range []string{":9464", "0.0.0.0:9464", "[::]:9464", "192.168.1.4:9464", "example.org:9464", "127.0.0.1", "localhost.example.org:1"} {
		err := CheckListen(address)
		require.Error(t, err, address)
		require.True(t, strings.HasPrefix(err.Error(), "must be"), "an error that completes the name of the key")
	}
}
