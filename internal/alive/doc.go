// Package alive knows whether the process still does its work, and tells the service manager.
//
// It owns the rule when a process counts as stuck, and the protocol of systemd (readiness, watchdog, status); it is the
// only importer of the systemd library. It must not know what the rooms do: each tells only when it last moved. Being
// alive is not being ready: a line that is logged out is alive, and a restart would not bring it back.
package alive
