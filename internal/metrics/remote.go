package metrics

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// The outcomes of a call that got no status.
const (
	outcomeOK        = "ok"
	outcomeTimeout   = "timeout"
	outcomeUnreached = "unreached"
	outcomeCancelled = "cancelled" // whoever asked went away
)

// Transport measures the calls that go through base: until the head of the answer is there. It hands on requests and
// answers as they are. A nil base is [http.DefaultTransport].
func (m *Metrics) Transport(system string, now func() time.Time, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if m == nil {
		return base
	}
	return &transport{m: m, system: system, now: now, base: base}
}

// Call measures a call that does not speak HTTP.
func (m *Metrics) Call(system string, err error, took time.Duration) {
	if m == nil {
		return
	}
	outcome := outcomeOK
	if err != nil {
		outcome = failure(err)
	}
	observe(m.remote.WithLabelValues(system, outcome), took)
}

type transport struct {
	m      *Metrics
	system string
	now    func() time.Time
	base   http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	began := t.now()
	resp, err := t.base.RoundTrip(r)
	var outcome string
	if err != nil {
		outcome = failure(err)
	} else {
		outcome = class(resp.StatusCode)
	}
	observe(t.m.remote.WithLabelValues(t.system, outcome), t.now().Sub(began))
	return resp, err
}

// CloseIdleConnections is what [http.Client] looks for.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// class is ok, 3xx, 4xx or 5xx.
func class(status int) string {
	if status >= 200 && status < 300 {
		return outcomeOK
	}
	return strconv.Itoa(status/100) + "xx"
}

func failure(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return outcomeCancelled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return outcomeTimeout
	}
	return outcomeUnreached
}
