package metrics

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

// nameLabel is under what a selector has the name of the metric.
const nameLabel = "__name__"

// ruleFile is what Prometheus reads.
type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         time.Duration     `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// everything is a Metrics in which each metric has at least one time series.
func everything(t *testing.T) *Metrics {
	t.Helper()
	m := setup(t, Config{
		Line: func() Line { return Line{State: "connected", Since: now()} },
		Queue: func(context.Context) ([]Backlog, error) {
			return []Backlog{{Kind: "k", Waiting: 1}}, nil
		},
		Cases:  func(context.Context) (int, error) { return 0, nil },
		Checks: func(context.Context) map[string]bool { return map[string]bool{"core": true} },
	})
	m.Count("login", "link")
	m.Refused("used")
	m.TurnedAway("guest", "client")
	m.JobRun("k", "done", time.Second)
	m.Call("core", nil, time.Second)
	return m
}

// known are the names of our time series with the labels that they have, and what Prometheus adds.
func known(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"up": {"job", "instance"}}
	series := regexp.MustCompile(`^([a-z_:]+)(?:\{(.*)\})? `)
	name := regexp.MustCompile(`(\w+)="`)
	for line := range strings.Lines(scraped(t, everything(t))) {
		found := series.FindStringSubmatch(line)
		if found == nil || strings.HasPrefix(line, "#") {
			continue
		}
		has := []string{"job", "instance"}
		for _, l := range name.FindAllStringSubmatch(found[2], -1) {
			has = append(has, l[1])
		}
		all[found[1]] = has
	}
	return all
}

// selectors are the time series that an expression asks for; an error when it is no PromQL.
func selectors(expr string) (asked []*parser.VectorSelector, err error) {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			asked = append(asked, s)
		}
		return nil
	})
	return asked, nil
}

// TestEveryAlertAsksForWhatThereIs: a misspelt metric or label would be an alert that never fires.
func TestEveryAlertAsksForWhatThereIs(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/ops/alerts.yaml")
	require.NoError(t, err)
	var file ruleFile
	require.NoError(t, yaml.UnmarshalWithOptions(raw, &file, yaml.Strict()))
	books, err := os.ReadFile("../../docs/ops/runbooks.md")
	require.NoError(t, err)
	headings := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(books), -1) {
		headings[strings.ReplaceAll(strings.ToLower(h[1]), " ", "-")] = true
	}
	there := known(t)
	require.NotEmpty(t, file.Groups)
	seen := map[string]bool{}
	for _, rule := range file.Groups[0].Rules {
		require.False(t, seen[rule.Alert], rule.Alert)
		seen[rule.Alert] = true
		asked, err := selectors(rule.Expr)
		require.NoError(t, err, rule.Alert)
		require.NotEmpty(t, asked, rule.Alert)
		for _, s := range asked {
			require.Contains(t, there, s.Name, rule.Alert)
			require.Regexp(t, "^(konsulin_.*|up)$", s.Name, "%s: what the libraries measure depends on what the unit lets them see", rule.Alert)
			for _, m := range s.LabelMatchers {
				if m.Name != nameLabel {
					require.Contains(t, there[s.Name], m.Name, "%s: label of %s", rule.Alert, s.Name)
				}
			}
		}
		require.Contains(t, []string{"critical", "warning", "info"}, rule.Labels["severity"], rule.Alert)
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		book, anchor, _ := strings.Cut(rule.Annotations["runbook"], "#")
		require.Equal(t, "docs/ops/runbooks.md", book, rule.Alert)
		require.True(t, headings[anchor], "%s: no runbook %q", rule.Alert, anchor)
		require.Contains(t, string(books), "`"+rule.Alert+"`", "a runbook says what to do about it")
	}
	_, err = selectors("rate(konsulin_messages_total[5m] >")
	require.Error(t, err, "the check can fail")
	for _, name := range regexp.MustCompile("`(konsulin_[a-z_]+)`").FindAllStringSubmatch(string(books), -1) {
		_, plain := there[name[1]]
		_, histogram := there[name[1]+"_bucket"]
		require.True(t, plain || histogram, name[1])
	}
}
