// Package filelock lets processes wait for each other.
package filelock

import (
	"fmt"
	"os"
	"syscall"
)

// Lock waits for the exclusive flock(2) of a file, which it makes where it is
// missing. The kernel gives the lock back if the process dies.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
