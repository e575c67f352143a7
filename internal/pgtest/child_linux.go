package pgtest

import "syscall"

// childAttributes lets the kernel stop the server when the test process dies without saying goodbye.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
