package app

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryRefusalIsAMetricAndDocumented: a reason that the code can count has a time series before it first happens, and a
// line in docs/limits.md; and that names no other.
func TestEveryRefusalIsAMetricAndDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/limits.md")
	require.NoError(t, err)
	words := metricWords()
	for heading, listed := range map[string][]string{"Messages": words.Outcomes, "Opened links": words.Refusals, "Browsers": words.Turned} {
		_, section, found := strings.Cut(string(raw), "\n## "+heading+":")
		require.True(t, found, heading)
		section, _, _ = strings.Cut(section, "\n## ")
		var documented []string
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
			documented = append(documented, row[1])
		}
		require.ElementsMatch(t, documented, listed, heading)
	}
	for _, word := range append(slices.Clone(words.Kinds), words.Routes...) {
		require.Contains(t, string(raw), "`"+word+"`")
	}
	a, err := New(t.Context(), bare(t), Options{LogTo: &bytes.Buffer{}})
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	rec := httptest.NewRecorder()
	a.metrics.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, rec.Code)
	counts := rec.Body.String()
	for _, kind := range words.Kinds {
		for _, outcome := range words.Outcomes {
			require.Contains(t, counts, `konsulin_messages_total{event="`+kind+`",outcome="`+outcome+`"}`)
		}
	}
	for _, reason := range words.Refusals {
		require.Contains(t, counts, `konsulin_sign_ins_refused_total{reason="`+reason+`"}`)
	}
	for _, route := range words.Routes {
		for _, reason := range words.Turned {
			require.Contains(t, counts, `konsulin_web_requests_refused_total{reason="`+reason+`",route="`+route+`"}`)
		}
	}
}
