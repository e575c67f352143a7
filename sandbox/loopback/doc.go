// Package loopback serves a stand-in over HTTP on this machine alone, and takes it down and up again as a process that
// stops and starts. It owns the listener and its connections; it must not know what is served.
package loopback
