//go:build !linux

package bench_test

import "syscall"

// childAttributes has nothing to offer here.
func childAttributes() *syscall.SysProcAttr { return nil }
