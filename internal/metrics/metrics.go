package metrics

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// namespace is what the names of our own metrics begin with.
const namespace = "konsulin"

// Config says whom to ask at a scrape. Each function may be nil; none may block beyond the end of its context.
type Config struct {
	Version string
	// Line is the state of the line.
	Line func() Line
	// LineStates are the states that a line can have, so that each has a time series from the start.
	LineStates []string
	// Queue is the work that is not done.
	Queue func(ctx context.Context) ([]Backlog, error)
	// Cases is how many questions about somebody's Patient wait for a person.
	Cases func(ctx context.Context) (int, error)
	// Checks are the answers of /readyz by name.
	Checks func(ctx context.Context) map[string]bool
	// Words are the values that labels can have, so that each has a time series from the start.
	Words Words
	Now   func() time.Time // nil: time.Now
}

// Words are the small fixed sets of words that the rooms count by.
type Words struct {
	Kinds    []string // of messages
	Outcomes []string // of messages
	Refusals []string // of opened links
	Routes   []string // of requests that were turned away
	Turned   []string // why
}

// Metrics holds every metric, in a registry of its own. Its methods never block and may be called from anywhere; nil
// counts nothing, as in a terminal, which nobody scrapes.
type Metrics struct {
	registry *prometheus.Registry

	messages      *prometheus.CounterVec
	signIns       *prometheus.CounterVec
	refused       *prometheus.CounterVec
	turnedAway    *prometheus.CounterVec
	runs          *prometheus.CounterVec
	messageToLink prometheus.Histogram
	linkToSignIn  prometheus.Histogram
	runTime       *prometheus.HistogramVec
	remote        *prometheus.HistogramVec
}

// New makes the metrics.
func New(cfg Config) *Metrics {
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the default of the Now field
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		messages: counter("messages_total", "Messages, by kind (event) and by what became of them.", "event", "outcome"),
		signIns: counter("sign_ins_total",
			"Recorded sign-ins: of new users or known ones, seen by a browser or found later (reconciled).", "user", "found"),
		refused: counter("sign_ins_refused_total", "Opened links that did not become a sign-in, by reason.", "reason"),
		turnedAway: counter("web_requests_refused_total",
			"Requests of browsers that were turned away before a link was tried, by what they asked for and why.", "route", "reason"),
		runs: counter("job_runs_total", "Runs of durable jobs, by kind and outcome (done, retried, waiting, dead).", "kind", "outcome"),
		messageToLink: histogram("message_to_link_seconds", "From a login request, as its user sent it, to the sent link.",
			0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300),
		linkToSignIn: histogram("link_to_sign_in_seconds", "From a link being made to the sign-in with it.",
			2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900),
		runTime: histograms("job_run_seconds", "How long a run of a job takes, by kind.",
			[]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 90}, "kind"),
		remote: histograms("remote_call_seconds",
			"Calls to other systems until their answer begins, by system and outcome (ok, 3xx, 4xx, 5xx, timeout, unreached, cancelled).",
			[]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30}, "system", "outcome"),
	}
	m.registry.MustRegister(m.messages, m.signIns, m.refused, m.turnedAway, m.runs, m.messageToLink, m.linkToSignIn, m.runTime, m.remote,
		buildInfo(cfg.Version), started(cfg.Now()), newScrape(cfg),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, found := range []string{foundAtOnce, foundLater} { // so that a rate exists before the first sign-in
		m.signIns.WithLabelValues(userNew, found)
		m.signIns.WithLabelValues(userKnown, found)
	}
	m.start(cfg.Words)
	return m
}

// start makes every time series that is known beforehand: a rate needs a first value.
func (m *Metrics) start(w Words) {
	for _, kind := range w.Kinds {
		for _, outcome := range w.Outcomes {
			m.messages.WithLabelValues(kind, outcome)
		}
	}
	for _, reason := range w.Refusals {
		m.refused.WithLabelValues(reason)
	}
	for _, route := range w.Routes {
		for _, reason := range w.Turned {
			m.turnedAway.WithLabelValues(route, reason)
		}
	}
}

// The values of the labels of sign_ins_total.
const (
	userNew     = "new"
	userKnown   = "known"
	foundAtOnce = "at_once"
	foundLater  = "reconciled"
)

// Count counts what became of a message.
func (m *Metrics) Count(event, outcome string) {
	if m != nil {
		m.messages.WithLabelValues(event, outcome).Inc()
	}
}

// LinkSent measures a link from the request, by its user's clock, to the moment when it was sent.
func (m *Metrics) LinkSent(after time.Duration) {
	if m != nil {
		observe(m.messageToLink, after)
	}
}

// SignedIn counts a recorded sign-in. after is the age of its link; zero: not known.
func (m *Metrics) SignedIn(newUser, reconciled bool, after time.Duration) {
	if m == nil {
		return
	}
	user, found := userKnown, foundAtOnce
	if newUser {
		user = userNew
	}
	if reconciled {
		found = foundLater
	}
	m.signIns.WithLabelValues(user, found).Inc()
	if after > 0 {
		observe(m.linkToSignIn, after)
	}
}

// Refused counts an opened link that did not become a sign-in.
func (m *Metrics) Refused(reason string) {
	if m != nil {
		m.refused.WithLabelValues(reason).Inc()
	}
}

// TurnedAway counts a request that was turned away before a link was tried.
func (m *Metrics) TurnedAway(route, reason string) {
	if m != nil {
		m.turnedAway.WithLabelValues(route, reason).Inc()
	}
}

// JobRun counts and measures one run of a job.
func (m *Metrics) JobRun(kind, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	m.runs.WithLabelValues(kind, outcome).Inc()
	observe(m.runTime.WithLabelValues(kind), took)
}

// observe takes a duration between two clocks: one below zero is none.
func observe(h prometheus.Observer, d time.Duration) { h.Observe(max(0, d).Seconds()) }

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets ...float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// started is when the process began to measure. The library's own measure of it needs /proc/stat, which a hardened unit
// hides (ProcSubset=pid).
func started(at time.Time) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "start_timestamp_seconds", Help: "When this process started.",
	}, func() float64 { return float64(at.UnixMilli()) / 1000 })
}

func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1, with the version of konsulin-bot and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	}, func() float64 { return 1 })
}
