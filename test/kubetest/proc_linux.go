package kubetest

import "syscall"

// dieWithParent makes the kernel kill a server whose test process is gone, even
// one that was killed itself.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
