package bench_test

import "syscall"

// childAttributes lets the kernel end a program when the benchmark dies without saying goodbye.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
