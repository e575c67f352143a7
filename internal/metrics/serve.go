package metrics

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// path is where Prometheus looks by default.
const path = "/metrics"

// maxScrapes is how many scrapes may run at once: each asks the database.
const maxScrapes = 2

// Handler serves the metrics under /metrics and nothing else.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+path, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes,
	}))
	return mux
}

// Server is an HTTP server for the metrics that no slow reader can hold up.
func (m *Metrics) Server() *http.Server {
	return &http.Server{
		Handler: m.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
		WriteTimeout: scrapeTime + 10*time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

// CheckListen refuses an address that other machines could reach. Metrics name nobody, but they tell a stranger how many
// people log in and when something is broken; a scraper on another machine comes through a proxy that knows it.
func CheckListen(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("must be host:port, such as 127.0.0.1:9464")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("must be on loopback, such as 127.0.0.1:9464; let a scraper on another machine come through a proxy")
	}
	return nil
}
