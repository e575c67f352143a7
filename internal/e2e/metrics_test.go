package e2e_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/stretchr/testify/require"
)

// scrape is what Prometheus reads.
func (w *world) scrape() string {
	w.t.Helper()
	b := &browser{base: "http://" + w.cfg.Metrics.Listen, http: &http.Client{Timeout: 10 * time.Second}}
	a, err := b.try(context.WithoutCancel(w.t.Context()), http.MethodGet, "/metrics", nil)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, a.StatusCode)
	return a.Text
}

// awaitMetrics waits until a scrape has all of these lines.
func (w *world) awaitMetrics(lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		require.Eventually(w.t, func() bool { return strings.Contains(w.scrape(), line) }, 30*time.Second, 50*time.Millisecond, line)
	}
}

// TestMetricsTellWhatHappened drives logins with everything that an operator wants to see, and scrapes.
func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newBehind(t)
			w := newWorld(t, engine, s.join, func(cfg *app.Config) { cfg.Metrics.Listen = freePort(t) })
			b := w.pairAndStart()
			u := w.user()
			l := w.requestLink(u)
			br := newBrowser(t, b.URL())
			br.signIn(t, l)
			br.confirm(t, l) // a second time
			w.awaitMetrics(
				`konsulin_messages_total{event="login",outcome="accepted"} 1`,
				`konsulin_messages_total{event="login",outcome="link"} 1`,
				`konsulin_message_to_link_seconds_count 1`,
				`konsulin_link_to_sign_in_seconds_count 1`,
				`konsulin_sign_ins_total{found="at_once",user="new"} 1`,
				`konsulin_sign_ins_refused_total{reason="used"} 1`,
				`konsulin_line_state{state="connected"} 1`,
				`konsulin_line_state{state="logged_out"} 0`,
				`konsulin_check_ok{check="core"} 1`,
				`konsulin_check_ok{check="line"} 1`,
				`konsulin_check_ok{check="storage"} 1`,
				`konsulin_cases_open 0`,
				`konsulin_job_runs_total{kind="fhir.sync",outcome="done"} 1`,
				`konsulin_job_runs_total{kind="contact.sync",outcome="done"} 1`,
				`konsulin_remote_call_seconds_count{outcome="ok",system="core"} `,
				`konsulin_remote_call_seconds_count{outcome="ok",system="fhir"} `,
				`konsulin_remote_call_seconds_count{outcome="ok",system="webhook"} 1`,
				`konsulin_remote_call_seconds_count{outcome="ok",system="whatsapp"} 1`,
			)
			require.NotContains(t, w.scrape(), u.Phone())
		})
	}
}
