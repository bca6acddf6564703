//go:build unix && !linux

package kubetest

import "syscall"

// dieWithParent is known to Linux alone: elsewhere a killed test process leaves
// its servers behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
