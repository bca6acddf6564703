package queue

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
)

// indexEvery is how far apart the remembered offsets of a segment are.
const indexEvery = 128 << 10

// errPassed says that a segment holds nothing more to read.
var errPassed = errors.New("nothing more in this segment")

// segment is one file of consecutive items.
type segment struct {
	path  string
	name  string
	first uint64 // position of its first item; also its name
	bytes int64  // guarded by Queue.mu: length of the durable part

	mu   sync.Mutex // guards what follows
	file *os.File   // for reading; opened when first needed
	gone bool
	// marks are offsets of some items, by position: where seeking starts.
	marks []mark
	next  mark // behind the item read last: where reading in order goes on
}

type mark struct {
	pos uint64
	off int64
}

func newSegment(path, name string, first uint64) *segment {
	start := mark{first, segmentHeaderBytes}
	return &segment{path: path, name: name, first: first, marks: []mark{start}, next: start}
}

func (s *segment) open() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, os.ErrClosed
	}
	if s.file == nil {
		f, err := os.Open(s.path)
		if err != nil {
			return nil, err
		}
		s.file = f
	}
	return s.file, nil
}

func (s *segment) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// remove deletes the file. Readers that are at it get os.ErrClosed.
func (s *segment) remove() error {
	s.close()
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// nearest gives the last known offset at or before pos.
func (s *segment) nearest(pos uint64) mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.marks[0]
	for i := len(s.marks) - 1; i > 0; i-- {
		if s.marks[i].pos <= pos {
			m = s.marks[i]
			break
		}
	}
	if s.next.pos <= pos && s.next.pos > m.pos {
		m = s.next
	}
	return m
}

func (s *segment) remember(m mark, read bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := s.marks[len(s.marks)-1]; m.pos > last.pos && m.off-last.off >= indexEvery {
		s.marks = append(s.marks, m)
	}
	if read {
		s.next = m
	}
}

// seek finds the frame of pos, at most end. errBad is given where a header on the
// way cannot be read, which ends the segment.
func (s *segment) seek(pos, end uint64) (h frameHeader, off int64, err error) {
	f, err := s.open()
	if err != nil {
		return h, 0, err
	}
	var buf [frameHeaderBytes]byte
	for m := s.nearest(pos); m.pos <= end; {
		if _, err := f.ReadAt(buf[:], m.off); err != nil {
			if errors.Is(err, io.EOF) {
				return h, m.off, errBad
			}
			return h, m.off, err
		}
		h, ok := parseFrameHeader(buf[:], m.pos)
		if !ok {
			return h, m.off, errBad
		}
		if m.pos == pos {
			return h, m.off, nil
		}
		m = mark{m.pos + 1, m.off + frameHeaderBytes + int64(h.length)}
		s.remember(m, false)
	}
	return h, 0, errPassed
}

// read gives the first readable item from pos on, at most end. With errPassed
// the second result is the position to go on behind.
func (q *Queue) read(s *segment, pos, end uint64) ([]byte, uint64, error) {
	for ; pos <= end; pos++ {
		h, off, err := s.seek(pos, end)
		if errors.Is(err, errBad) {
			q.onEvent(Event{Kind: Corrupt, File: s.name, Items: int64(end - pos + 1),
				Reason: fmt.Sprintf("the header of item %d is damaged at offset %d; the rest of the segment cannot be read", pos, off)})
			return nil, end, errPassed
		}
		if err != nil {
			return nil, end, err
		}
		f, err := s.open()
		if err != nil {
			return nil, 0, err
		}
		item, err := readItem(f, off+frameHeaderBytes, h)
		s.remember(mark{pos + 1, off + frameHeaderBytes + int64(h.length)}, true)
		if errors.Is(err, errBad) {
			q.onEvent(Event{Kind: Corrupt, File: s.name, Items: 1, Bytes: int64(h.length),
				Reason: fmt.Sprintf("item %d is damaged at offset %d", pos, off)})
			continue
		}
		return item, pos, err
	}
	return nil, end, errPassed
}

// readItem reads and checks a payload. What the header claims was checked, but
// the file may be shorter: nothing is allocated for more than is there.
func readItem(f *os.File, off int64, h frameHeader) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if off+int64(h.length) > info.Size() {
		return nil, errBad
	}
	item := make([]byte, h.length)
	if _, err := f.ReadAt(item, off); err != nil {
		return nil, err
	}
	if crc32.Checksum(item, castagnoli) != h.crc {
		return nil, errBad
	}
	return item, nil
}
