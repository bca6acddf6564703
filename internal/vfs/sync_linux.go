package vfs

import (
	"errors"
	"os"
	"syscall"
)

// dataSync makes bytes and size durable, without the times that nobody needs.
func dataSync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
