package vfs

// Op is an operation that can be made to fail.
type Op string

// The operations.
const (
	OpMkdir    Op = "mkdir"
	OpCreate   Op = "create"
	OpOpen     Op = "open"
	OpRemove   Op = "remove"
	OpRename   Op = "rename"
	OpList     Op = "list"
	OpSyncDir  Op = "syncdir"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpSync     Op = "sync"
	OpTruncate Op = "truncate"
)

// Faulty is a file system that fails when told to. A write that fails has
// written the first half of its bytes.
type Faulty struct {
	FS FS
	// Fail is asked before every operation; a nil error lets it through. It may
	// be called concurrently.
	Fail func(op Op, name string) error
}

// MkdirAll implements FS.
func (f *Faulty) MkdirAll(dir string) error {
	if err := f.Fail(OpMkdir, dir); err != nil {
		return err
	}
	return f.FS.MkdirAll(dir)
}

// Create implements FS.
func (f *Faulty) Create(name string) (File, error) {
	if err := f.Fail(OpCreate, name); err != nil {
		return nil, err
	}
	return f.wrap(name, f.FS.Create)
}

// Open implements FS.
func (f *Faulty) Open(name string) (File, error) {
	if err := f.Fail(OpOpen, name); err != nil {
		return nil, err
	}
	return f.wrap(name, f.FS.Open)
}

func (f *Faulty) wrap(name string, open func(string) (File, error)) (File, error) {
	in, err := open(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{in, f, name}, nil
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	if err := f.Fail(OpRemove, name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// Rename implements FS.
func (f *Faulty) Rename(from, to string) error {
	if err := f.Fail(OpRename, from); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

// List implements FS.
func (f *Faulty) List(dir string) ([]string, error) {
	if err := f.Fail(OpList, dir); err != nil {
		return nil, err
	}
	return f.FS.List(dir)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(dir string) error {
	if err := f.Fail(OpSyncDir, dir); err != nil {
		return err
	}
	return f.FS.SyncDir(dir)
}

type faultyFile struct {
	File
	fs   *Faulty
	name string
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.Fail(OpRead, f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.Fail(OpWrite, f.name); err != nil {
		n, werr := f.File.WriteAt(p[:len(p)/2], off)
		if werr != nil {
			return n, werr
		}
		return n, err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.Fail(OpSync, f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.fs.Fail(OpTruncate, f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}
