package demo

import "syscall"

// withParent makes a child die with the process that started it.
func withParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
