//go:build !linux

package demo

import "syscall"

// withParent has nothing to offer here: a parent that is killed leaves its
// children behind.
func withParent() *syscall.SysProcAttr { return nil }
