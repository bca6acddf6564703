// Package atomicfile replaces small files whole or not at all, also when the
// power fails:
//
//	err := atomicfile.Write(filepath.Join(dir, "VERSION"), b, 0o600)
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Write puts b in place of the file, with that mode whatever the umask is, and
// returns when it is durable. After an error or a crash the file is as it was
// before or, where the error came last, as it should be.
//
// What is in the making stands beside it, as temp names it; the next Write
// takes away what a crash left of it. One writer of a name at a time.
func Write(name string, b []byte, mode fs.FileMode) error {
	temp := temp(name)
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// O_EXCL: where others may write into the directory, no link is followed.
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(filepath.Dir(name))
}

// temp begins with a dot and has an ending of its own, so that nobody who lists
// the directory takes it for one of its files.
func temp(name string) string {
	dir, base := filepath.Split(name)
	return filepath.Join(dir, "."+strings.TrimPrefix(base, ".")+".tmp")
}

// SyncDir makes the names in a directory durable: created, renamed and removed
// ones.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MkdirAll makes a directory and those above it that are missing, and makes
// their names durable: what is synced in a directory is lost with its name.
func MkdirAll(dir string, perm fs.FileMode) error {
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(dir, perm) // says what is wrong
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MkdirAll(above, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(above)
}
