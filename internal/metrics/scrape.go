package metrics

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTime is how long one scrape may ask the rooms, all questions together.
const scrapeTime = 4 * time.Second

// Line is the state of the line.
type Line struct {
	State string
	Since time.Time
}

// Backlog is the work of one kind that is not done.
type Backlog struct {
	Kind    string
	Waiting int
	Running int
	Dead    int
	Due     time.Time // since when the first that waits could have run; zero: none is due
	Oldest  time.Time // when the oldest that waits was added; zero: none waits
}

// scrape asks the rooms what is true now. What cannot be answered is left out of that scrape; that the database is away
// is told by check_ok.
type scrape struct {
	cfg Config

	lineState, lineSince, checkOK, cases                        *prometheus.Desc
	jobsWaiting, jobsRunning, jobsDead, jobsOverdue, jobsOldest *prometheus.Desc
}

func newScrape(cfg Config) *scrape {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &scrape{
		cfg:         cfg,
		lineState:   desc("line_state", "1 for the state that the WhatsApp line is in, 0 for the others.", "state"),
		lineSince:   desc("line_state_since_timestamp_seconds", "When the line came into its state."),
		checkOK:     desc("check_ok", "1 while what /readyz asks for works, by check.", "check"),
		cases:       desc("cases_open", "Questions about somebody's Patient that wait for a person."),
		jobsWaiting: desc("jobs_waiting", "Jobs that wait, by kind.", "kind"),
		jobsRunning: desc("jobs_running", "Jobs that are being worked on, by kind.", "kind"),
		jobsDead:    desc("jobs_dead", "Jobs that were laid aside for a person, by kind.", "kind"),
		jobsOverdue: desc("jobs_overdue_seconds", "How long the first job that waits could have run already, by kind.", "kind"),
		jobsOldest:  desc("jobs_oldest_seconds", "Age of the oldest job that waits, by kind.", "kind"),
	}
}

// Describe implements [prometheus.Collector].
func (s *scrape) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.lineState, s.lineSince, s.checkOK, s.cases, s.jobsWaiting, s.jobsRunning, s.jobsDead, s.jobsOverdue, s.jobsOldest,
	} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *scrape) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime) // the library passes no context
	defer cancel()
	s.collectLine(to)
	if s.cfg.Queue != nil {
		s.collectQueue(ctx, to)
	}
	if s.cfg.Cases != nil {
		if n, err := s.cfg.Cases(ctx); err == nil {
			to <- gauge(s.cases, float64(n))
		}
	}
	if s.cfg.Checks != nil {
		for name, ok := range s.cfg.Checks(ctx) {
			to <- gauge(s.checkOK, one(ok), name)
		}
	}
}

func (s *scrape) collectLine(to chan<- prometheus.Metric) {
	if s.cfg.Line == nil {
		return
	}
	line := s.cfg.Line()
	states := s.cfg.LineStates
	if !slices.Contains(states, line.State) {
		states = append(slices.Clone(states), line.State)
	}
	for _, state := range states {
		to <- gauge(s.lineState, one(state == line.State), label(state))
	}
	to <- gauge(s.lineSince, float64(line.Since.UnixMilli())/1000)
}

func (s *scrape) collectQueue(ctx context.Context, to chan<- prometheus.Metric) {
	queue, err := s.cfg.Queue(ctx)
	if err != nil {
		return
	}
	now := s.cfg.Now()
	for _, b := range queue {
		to <- gauge(s.jobsWaiting, float64(b.Waiting), b.Kind)
		to <- gauge(s.jobsRunning, float64(b.Running), b.Kind)
		to <- gauge(s.jobsDead, float64(b.Dead), b.Kind)
		to <- gauge(s.jobsOverdue, age(now, b.Due), b.Kind)
		to <- gauge(s.jobsOldest, age(now, b.Oldest), b.Kind)
	}
}

func age(now, since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since)).Seconds()
}

// label writes a state as a label: "logged out" becomes logged_out.
func label(state string) string { return strings.ReplaceAll(state, " ", "_") }

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
