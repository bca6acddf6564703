package queue

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// recover reads what an earlier process left and makes the tail writable.
func (q *Queue) recover() error {
	if err := q.loadCursor(); err != nil {
		return err
	}
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if first, ok := parseSegmentName(e.Name()); ok {
			q.segments = append(q.segments, newSegment(q.path(e.Name()), e.Name(), first))
		}
	}
	slices.SortFunc(q.segments, func(a, b *segment) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	for _, s := range q.segments {
		info, err := os.Stat(s.path)
		if err != nil {
			return err
		}
		s.bytes = info.Size()
	}
	q.durable = q.acked
	if last := q.lastSegment(); last != nil {
		if err := q.recoverTail(last); err != nil {
			return err
		}
	}
	if len(q.segments) > 0 {
		// Where the cursor was lost or is old, what is gone was acknowledged or dropped.
		q.acked = max(q.acked, q.segments[0].first-1)
	}
	q.durable = max(q.durable, q.acked)
	last := q.lastSegment()
	if q.tail == nil || last == nil || q.durable == q.acked && last.first != q.durable+1 {
		// Nothing to go on with, or nothing left to read in it: begin anew. This
		// also keeps positions right where the cursor is ahead of the tail.
		return q.roll(q.durable + 1)
	}
	for _, s := range q.takeAcked() {
		if err := s.remove(); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) loadCursor() error {
	b, err := os.ReadFile(q.path(cursorFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pos, err := parseMark(b, cursorMagic)
	if errors.Is(err, errBad) {
		// Acknowledged items come again, which readers expect after a crash.
		q.onEvent(Event{Kind: Corrupt, File: cursorFile, Reason: "the cursor is damaged; reading begins at the oldest item"})
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", cursorFile, err)
	}
	q.acked, q.saved = pos, pos
	return nil
}

// recoverTail finds the end of the last segment and cuts off what is behind it.
func (q *Queue) recoverTail(s *segment) error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0o640)
	if err != nil {
		return err
	}
	var mark [segmentHeaderBytes]byte
	n, err := f.ReadAt(mark[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return err
	}
	pos, err := parseMark(mark[:n], segmentMagic)
	if err == nil && pos != s.first {
		err = errBad
	}
	if errors.Is(err, errBad) {
		// The process ended while it made the segment, before any item of it was
		// acknowledged as durable; its name still says which position is next.
		f.Close()
		if s.bytes > segmentHeaderBytes {
			q.onEvent(Event{Kind: Corrupt, File: s.name, Bytes: s.bytes, Reason: "the segment's header is damaged; its items cannot be read"})
		}
		q.durable = max(q.durable, s.first-1)
		s.close()
		q.segments = q.segments[:len(q.segments)-1]
		return os.Remove(s.path)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", s.name, err)
	}
	items, end, err := scan(f, s)
	if err != nil {
		f.Close()
		return err
	}
	if end < s.bytes {
		q.onEvent(Event{Kind: TornTail, File: s.name, Bytes: s.bytes - end, Reason: "an append was cut short; its bytes were cut off"})
		if err := f.Truncate(end); err != nil {
			f.Close()
			return err
		}
		if err := f.Sync(); err != nil {
			f.Close()
			return err
		}
		s.bytes = end
	}
	q.durable = max(q.durable, s.first+items-1)
	q.tail = f
	return nil
}

// scan counts the items of a segment up to the first torn one. An item whose
// payload is damaged counts where whole ones follow: reading passes over it.
func scan(f *os.File, s *segment) (items uint64, end int64, err error) {
	m := mark{s.first, segmentHeaderBytes}
	good := m
	var buf bytes.Buffer
	for {
		var head [frameHeaderBytes]byte
		if _, err := f.ReadAt(head[:], m.off); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, 0, err
		}
		h, ok := parseFrameHeader(head[:], m.pos)
		if !ok {
			break
		}
		buf.Reset()
		n, err := io.Copy(&buf, io.NewSectionReader(f, m.off+frameHeaderBytes, int64(h.length)))
		if err != nil {
			return 0, 0, err
		}
		if n < int64(h.length) {
			break
		}
		m = mark{m.pos + 1, m.off + frameHeaderBytes + int64(h.length)}
		if crc32.Checksum(buf.Bytes(), castagnoli) == h.crc {
			good = m
			s.remember(m, false)
		}
	}
	return good.pos - s.first, good.off, nil
}
