//go:build !linux

package pgtest

import "syscall"

// childAttributes has nothing to offer here: a server whose test process was killed must be stopped by hand.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
