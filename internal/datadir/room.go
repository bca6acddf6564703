package datadir

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrFull wraps in the errors of Room.
var ErrFull = errors.New("the disk is full")

// What telemetry may not take of the file system: the lesser of a share and a
// bound. It is kept for what must be written so that reading goes on, or so that
// room comes back: journals, compaction, the memory of series that are mapped.
const (
	reserveShare    = 20
	reserveBytesMax = 256 << 20
)

// Room tells whether so many more bytes of telemetry may be written now: nil, or
// an error that wraps ErrFull. It costs a system call. Where the file system
// does not say, writing will tell.
func (d *Dir) Room(bytes int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.path, &st); err == nil {
		free := int64(st.Bavail * uint64(st.Bsize))
		reserve := min(int64(st.Blocks*uint64(st.Bsize)/reserveShare), reserveBytesMax)
		if free-bytes < reserve {
			return fmt.Errorf("%w: %s has %d MiB left, and nothing more is taken in below %d: free space, or give it a larger disk", ErrFull, d.path, free>>20, (reserve+bytes)>>20)
		}
	}
	return nil
}
