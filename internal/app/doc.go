// Package app owns configuration and wiring: the one place that knows every room. It must not contain a rule of its
// own about logins; those live in the rooms that it connects.
package app
