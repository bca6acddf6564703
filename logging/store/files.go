package store

import (
	"container/list"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging/segment"
)

const segmentSuffix = ".seg"

func segmentName(number uint64) string { return fmt.Sprintf("%08d%s", number, segmentSuffix) }

// numbered reads the name of a segment or a key table.
func numbered(name string) (number uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		if digits, ok = strings.CutSuffix(name, keysSuffix); !ok {
			return 0, false
		}
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil
}

// segmentFile is a file of parts. It is opened when somebody reads it.
type segmentFile struct {
	number uint64
	name   string
	bytes  int64
	parts  []*part
	dead   int // parts that the present version does not have; guarded by Store.mu
}

func (s *Store) newSegmentFile(info *segmentInfo) *segmentFile {
	f := &segmentFile{number: info.number, name: filepath.Join(s.dir, segmentName(info.number)), bytes: info.bytes, parts: make([]*part, len(info.parts))}
	for i := range info.parts {
		f.parts[i] = &part{partInfo: info.parts[i], file: f, index: i}
	}
	return f
}

// files keeps segment files open, the last used ones: a bounded number of
// handles, and of the directories and indices read from them a bounded number
// of bytes. Safe for concurrent use.
type files struct {
	fs       vfs.FS
	openMax  int
	bytesMax int64

	mu      sync.Mutex // guards what follows
	handles map[*segmentFile]*handle
	recent  list.List // of *handle, the last used one first
	opened  map[*segmentFile]*opened
	used    list.List // of *opened, the last used one first
	bytes   int64     // of opened
}

type handle struct {
	of      *segmentFile
	f       vfs.File
	readers int
	closing bool // nobody shall find it: the last reader closes it
	at      *list.Element
}

type opened struct {
	of    *segmentFile
	once  sync.Once
	f     *segment.File
	err   error
	bytes int64
	at    *list.Element
}

func newFiles(fs vfs.FS, openMax int, bytesMax int64) *files {
	return &files{fs: fs, openMax: openMax, bytesMax: bytesMax, handles: map[*segmentFile]*handle{}, opened: map[*segmentFile]*opened{}}
}

// acquire gives a handle that stays open until it is released.
func (x *files) acquire(of *segmentFile) (*handle, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if h := x.handles[of]; h != nil {
		h.readers++
		x.recent.MoveToFront(h.at)
		return h, nil
	}
	f, err := x.fs.Open(of.name)
	if err != nil {
		return nil, err
	}
	h := &handle{of: of, f: f, readers: 1}
	h.at = x.recent.PushFront(h)
	x.handles[of] = h
	for len(x.handles) > x.openMax {
		x.drop(x.recent.Back().Value.(*handle))
	}
	return h, nil
}

// drop takes a handle away; the lock is held.
func (x *files) drop(h *handle) {
	x.recent.Remove(h.at)
	delete(x.handles, h.of)
	h.closing = true
	if h.readers == 0 {
		_ = h.f.Close() // it was only read
	}
}

func (x *files) release(h *handle) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if h.readers--; h.closing && h.readers == 0 {
		_ = h.f.Close() // it was only read
	}
}

// forget lets go of a file that is to be deleted.
func (x *files) forget(of *segmentFile) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if h := x.handles[of]; h != nil {
		x.drop(h)
	}
	if o := x.opened[of]; o != nil {
		x.close(o)
	}
}

func (x *files) close(o *opened) {
	x.used.Remove(o.at)
	delete(x.opened, o.of)
	x.bytes -= o.bytes
}

// closeAll lets go of everything.
func (x *files) closeAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, h := range x.handles {
		x.drop(h)
	}
	for _, o := range x.opened {
		x.close(o)
	}
}

// count gives how many handles are open.
func (x *files) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.handles)
}

// open gives a file's directory, read and checked when it is first asked for.
// An error is not remembered: it may pass.
func (x *files) open(of *segmentFile) (*segment.File, error) {
	x.mu.Lock()
	o := x.opened[of]
	if o == nil {
		o = &opened{of: of, bytes: memoryOf(of)}
		o.at = x.used.PushFront(o)
		x.opened[of] = o
		x.bytes += o.bytes
		for x.bytes > x.bytesMax && x.used.Len() > 1 {
			x.close(x.used.Back().Value.(*opened))
		}
	} else {
		x.used.MoveToFront(o.at)
	}
	x.mu.Unlock()
	o.once.Do(func() { o.f, o.err = segment.Open(&reading{x, of}) })
	if o.err != nil {
		x.mu.Lock()
		if x.opened[of] == o {
			x.close(o)
		}
		x.mu.Unlock()
	}
	return o.f, o.err
}

// memoryOf estimates what an open file holds in memory: its directory, and the
// indices of its parts once all of them were asked for.
func memoryOf(of *segmentFile) int64 {
	n := int64(1024)
	for _, p := range of.parts {
		n += 512 + int64(p.blocks)*512
	}
	return n
}

// reading is a segment file that is opened when it is read.
type reading struct {
	files *files
	of    *segmentFile
}

var _ vfs.File = (*reading)(nil)

// ReadAt implements vfs.File.
func (r *reading) ReadAt(p []byte, off int64) (int, error) {
	h, err := r.files.acquire(r.of)
	if err != nil {
		return 0, lost(err)
	}
	defer r.files.release(h)
	n, err := h.f.ReadAt(p, off)
	return n, lost(err)
}

// lost makes corruption of the errors that do not pass: a file that is gone, and
// bytes that the disk cannot read. What is left of the segment goes on without.
func lost(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.EIO) {
		return fmt.Errorf("%w: %w", segment.ErrCorrupt, err)
	}
	return err
}

// Size implements vfs.File.
func (r *reading) Size() (int64, error) {
	h, err := r.files.acquire(r.of)
	if err != nil {
		return 0, lost(err)
	}
	defer r.files.release(h)
	n, err := h.f.Size()
	return n, lost(err)
}

var errReadOnly = fmt.Errorf("segments are not changed: %w", os.ErrPermission)

// WriteAt implements vfs.File.
func (*reading) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }

// Sync implements vfs.File.
func (*reading) Sync() error { return errReadOnly }

// Truncate implements vfs.File.
func (*reading) Truncate(int64) error { return errReadOnly }

// Close implements vfs.File.
func (*reading) Close() error { return nil }

// removeIfThere removes a file that may be gone already.
func removeIfThere(fs vfs.FS, name string) error {
	if err := fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
