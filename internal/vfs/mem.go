package vfs

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Mem is a file system in memory that remembers what of it is durable, and can
// crash. The zero value is not usable: see NewMem.
type Mem struct {
	mu    sync.Mutex // guards everything, the files too
	dirs  map[string]bool
	names map[string]*memNode // as seen now
	safe  map[string]*memNode // as it would be after a crash
}

type memNode struct {
	data []byte
	safe []byte // as of the last Sync
}

// sector is what a disk writes whole or not at all.
const sector = 512

// NewMem makes an empty file system.
func NewMem() *Mem {
	return &Mem{dirs: map[string]bool{}, names: map[string]*memNode{}, safe: map[string]*memNode{}}
}

// Crash gives the file system as it may be after the machine lost power: what
// was synced is there. With rnd, of the rest some sectors and some names are
// too, as they happened to have reached the disk; without, nothing is.
// The old file system is left as it is.
func (m *Mem) Crash(rnd *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem()
	for d := range m.dirs {
		after.dirs[d] = true
	}
	keep := map[string]*memNode{}
	for name, n := range m.safe {
		if m.names[name] == n || rnd == nil || rnd.IntN(2) == 0 { // else the removal got through
			keep[name] = n
		}
	}
	for name, n := range m.names {
		if _, ok := keep[name]; !ok && rnd != nil && rnd.IntN(2) == 0 {
			keep[name] = n
		}
	}
	for name, n := range keep {
		data := n.survives(rnd)
		node := &memNode{data: data, safe: slices.Clone(data)}
		after.names[name], after.safe[name] = node, node
	}
	return after
}

// Kill gives the file system as it is after the process that used it was killed:
// everything written is there, and what was not synced is still lost when the
// machine loses power. The old file system is left as it is.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem()
	for d := range m.dirs {
		after.dirs[d] = true
	}
	nodes := map[*memNode]*memNode{}
	node := func(n *memNode) *memNode {
		if nodes[n] == nil {
			nodes[n] = &memNode{data: slices.Clone(n.data), safe: slices.Clone(n.safe)}
		}
		return nodes[n]
	}
	for name, n := range m.names {
		after.names[name] = node(n)
	}
	for name, n := range m.safe {
		after.safe[name] = node(n)
	}
	return after
}

func (n *memNode) survives(rnd *rand.Rand) []byte {
	out := slices.Clone(n.safe)
	if rnd == nil {
		return out
	}
	low, high := min(len(n.safe), len(n.data)), max(len(n.safe), len(n.data))
	size := low + rnd.IntN(high-low+1)
	out = append(out, make([]byte, high-len(out))...)[:size]
	for from := 0; from < size; from += sector {
		if from < len(n.data) && rnd.IntN(2) == 0 {
			copy(out[from:min(from+sector, size)], n.data[from:min(from+sector, len(n.data))])
		}
	}
	return out
}

// MkdirAll implements FS. Directories are durable at once.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dirs[filepath.Clean(dir)] = true
	return nil
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	if m.names[name] != nil {
		return nil, &os.PathError{Op: "create", Path: name, Err: os.ErrExist}
	}
	if !m.dirs[filepath.Dir(name)] {
		return nil, &os.PathError{Op: "create", Path: name, Err: os.ErrNotExist}
	}
	m.names[name] = &memNode{}
	return &memFile{m, m.names[name]}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[filepath.Clean(name)]
	if n == nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	return &memFile{m, n}, nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	if m.names[name] == nil {
		return &os.PathError{Op: "remove", Path: name, Err: os.ErrNotExist}
	}
	delete(m.names, name)
	return nil
}

// Rename implements FS.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to = filepath.Clean(from), filepath.Clean(to)
	if m.names[from] == nil || !m.dirs[filepath.Dir(to)] {
		return &os.PathError{Op: "rename", Path: from, Err: os.ErrNotExist}
	}
	m.names[to] = m.names[from]
	delete(m.names, from)
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	if !m.dirs[dir] {
		return nil, &os.PathError{Op: "list", Path: dir, Err: os.ErrNotExist}
	}
	var names []string
	for name := range m.names {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	for name := range m.safe {
		if filepath.Dir(name) == dir && m.names[name] == nil {
			delete(m.safe, name)
		}
	}
	for name, n := range m.names {
		if filepath.Dir(name) == dir {
			m.safe[name] = n
		}
	}
	return nil
}

type memFile struct {
	fs *Mem
	n  *memNode
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off < 0 || off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if end := int(off) + len(p); end > len(f.n.data) {
		f.n.data = append(f.n.data, make([]byte, end-len(f.n.data))...)
	}
	return copy(f.n.data[off:], p), nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.n.safe = append(f.n.safe[:0], f.n.data...)
	return nil
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if size <= int64(len(f.n.data)) {
		f.n.data = slices.Clip(f.n.data[:size])
	} else {
		f.n.data = append(f.n.data, make([]byte, size-int64(len(f.n.data)))...)
	}
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.n.data)), nil
}

func (f *memFile) Close() error { return nil }
