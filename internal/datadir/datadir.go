// Package datadir opens Oriel's data directory: one process at a time, and no
// format newer than this build knows.
//
// Layout of the two files it owns:
//
//	LOCK     flock(2)ed exclusively while open; holds the process id in decimal
//	VERSION  "oriel <n>\n": the generation of everything below the directory
package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// Version is the generation of the directory that this build reads and writes.
const Version = 1

const (
	lockName    = "LOCK"
	versionName = "VERSION"
)

// Dir is an open, locked data directory.
type Dir struct {
	path string
	lock *os.File
}

// Open makes the directory where it is missing (0700), locks it and checks its
// version. Every error is one sentence that says how to mend it.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := atomicfile.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %s cannot be made: %w; choose another with --data-dir, or make it writable for this user", path, cause(err))
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory %s is not writable: %w; choose another with --data-dir, or make it writable for this user", path, cause(err))
	}
	d := &Dir{path: path, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := readHolder(lock)
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by %s; stop that process, or choose another directory with --data-dir", path, holder)
		}
		return nil, fmt.Errorf("lock data directory %s: %w; the file system must support flock, choose another with --data-dir", path, err)
	}
	if err := d.checkVersion(); err != nil {
		lock.Close()
		return nil, err
	}
	if err := d.writeHolder(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("data directory %s is not writable: %w; free space or choose another with --data-dir", path, cause(err))
	}
	return d, nil
}

// Path joins names below the directory.
func (d *Dir) Path(names ...string) string {
	return filepath.Join(append([]string{d.path}, names...)...)
}

// Close gives the lock back.
func (d *Dir) Close() error { return d.lock.Close() }

func (d *Dir) writeHolder() error {
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func readHolder(f *os.File) string {
	b, _ := io.ReadAll(io.LimitReader(f, 32))
	if pid := strings.TrimSpace(string(b)); pid != "" {
		return "process " + pid
	}
	return "another process"
}

func (d *Dir) checkVersion() error {
	name := d.Path(versionName)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return atomicfile.Write(name, fmt.Appendf(nil, "oriel %d\n", Version), 0o600)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w; make it readable for this user", name, cause(err))
	}
	var v int
	if _, err := fmt.Sscanf(string(b), "oriel %d\n", &v); err != nil || v < 1 {
		return fmt.Errorf("%s does not say which version the data are (want \"oriel %d\"): is this Oriel's data directory? Choose another with --data-dir", name, Version)
	}
	if v > Version {
		return fmt.Errorf("%s says version %d, and this build knows versions up to %d: run the newer oriel that wrote it, or choose another directory with --data-dir", name, v, Version)
	}
	return nil
}

// cause drops the path that the message already names.
func cause(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}
