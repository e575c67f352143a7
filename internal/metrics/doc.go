// Package metrics counts what happens and shows it to Prometheus, on a listener of its own.
//
// It owns the names and the labels of all metrics and is the only importer of the Prometheus library. It must not know
// any other room: what they count arrives as plain words from small fixed sets, and what is true only at the moment of
// a scrape is asked through functions. Nothing here may name a person, an address or a host.
package metrics
