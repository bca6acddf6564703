// Package vfs is the part of a file system that durable stores need, so that
// tests can run them on one that loses what was not synced (Mem), or that fails
// on purpose (Faulty).
//
//	fs := vfs.OS{}
//	f, err := fs.Create("logs/1.wal")
//	...
//	err = f.Sync()            // the bytes are durable,
//	err = fs.SyncDir("logs")  // and so is the name
package vfs

import (
	"io"
	"os"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// FS is a file system. Safe for concurrent use.
type FS interface {
	MkdirAll(dir string) error
	// Create makes a new file; it fails with os.ErrExist where there is one.
	Create(name string) (File, error)
	// Open opens an existing file; it fails with os.ErrNotExist where there is none.
	Open(name string) (File, error)
	// Remove removes the name; those who have the file open keep it.
	Remove(name string) error
	// Rename gives a file another name, in place of the file that had it, if any;
	// SyncDir of both directories makes that durable.
	Rename(from, to string) error
	// List gives the names of the files in a directory, in order.
	List(dir string) ([]string, error)
	// SyncDir makes the names in a directory durable: created and removed ones.
	SyncDir(dir string) error
}

// File is an open file. Reads are safe for concurrent use with everything but Close.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the file's bytes and size durable. After an error it is not
	// known which of the bytes written since the last Sync are.
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// OS is the operating system's file system.
type OS struct{}

// MkdirAll implements FS.
func (OS) MkdirAll(dir string) error { return atomicfile.MkdirAll(dir, 0o700) }

// Create implements FS.
func (OS) Create(name string) (File, error) {
	return osFile(os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600))
}

// Open implements FS.
func (OS) Open(name string) (File, error) { return osFile(os.OpenFile(name, os.O_RDWR, 0)) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// List implements FS.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// SyncDir implements FS.
func (OS) SyncDir(dir string) error { return atomicfile.SyncDir(dir) }

type realFile struct{ *os.File }

func osFile(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return realFile{f}, nil
}

func (f realFile) Sync() error { return dataSync(f.File) }

func (f realFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
