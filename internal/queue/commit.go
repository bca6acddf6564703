package queue

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// run commits groups of appended items, and writes the cursor, until Close.
func (q *Queue) run() {
	defer close(q.done)
	tick := time.NewTicker(cursorAge)
	defer tick.Stop()
	for {
		select {
		case <-q.wake:
			q.commitPending()
		case <-tick.C:
			// A cursor that cannot be written now is written later; until then a
			// crash repeats more items than it has to, which the reader expects.
			_ = q.saveCursor()
		case <-q.stop:
			q.commitPending()
			return
		}
	}
}

// commitPending makes everything appended so far durable, with one fsync.
func (q *Queue) commitPending() {
	q.mu.Lock()
	c := q.pending
	q.pending = nil
	first := q.durable + 1
	q.mu.Unlock()
	if c == nil {
		return
	}
	at := 0
	for i, n := range c.items {
		setPosition(c.buf[at:at+n], first+uint64(i))
		at += n
	}
	// A group may be larger than a segment or than the whole queue: it is written
	// in parts that are not, each durable by itself.
	c.first = first
	for at, i := 0, 0; i < len(c.items) && c.err == nil; {
		n, size := 0, 0
		for i+n < len(c.items) && (n == 0 || int64(size+c.items[i+n]) <= q.segmentBytesMax) {
			size += c.items[i+n]
			n++
		}
		if c.err = q.write(c.buf[at:at+size], first+uint64(i), n); c.err == nil {
			c.stored = i + n
		}
		at, i = at+size, i+n
	}
	close(c.done)
}

// write appends n items to the tail and syncs it.
func (q *Queue) write(frames []byte, first uint64, n int) error {
	if err := q.makeRoom(int64(len(frames)), first); err != nil {
		return fmt.Errorf("append to queue %s: %w", q.dir, err)
	}
	q.mu.Lock()
	seg := q.segments[len(q.segments)-1]
	off := seg.bytes
	q.mu.Unlock()
	if _, err := q.tail.WriteAt(frames, off); err != nil {
		return q.abandon(seg, off, err)
	}
	if err := q.tail.Sync(); err != nil {
		return q.abandon(seg, off, err)
	}
	q.mu.Lock()
	seg.bytes = off + int64(len(frames))
	q.budget.add(int64(len(frames)))
	q.durable = first + uint64(n) - 1
	close(q.grown)
	q.grown = make(chan struct{})
	q.mu.Unlock()
	return nil
}

// abandon cuts off what a failed write or fsync left. After a failed fsync the
// kernel may have dropped the pages, so the file is not written any more: the
// next append begins a new segment.
func (q *Queue) abandon(seg *segment, off int64, cause error) error {
	err := fmt.Errorf("append to queue %s: %w", q.dir, cause)
	if terr := q.tail.Truncate(off); terr != nil {
		err = errors.Join(err, terr)
	}
	q.tail.Close()
	q.tail = nil
	return err
}

// makeRoom sees to a tail with room for n more bytes, dropping the oldest
// segments where the queue would grow over its bound.
func (q *Queue) makeRoom(n int64, next uint64) error {
	q.mu.Lock()
	last := q.lastSegment()
	var total int64
	for _, s := range q.segments {
		total += s.bytes
	}
	roll := q.tail == nil || last == nil ||
		last.bytes > segmentHeaderBytes && (last.bytes+n > q.segmentBytesMax || total+n > q.bytesMax || q.budget.over(n))
	q.mu.Unlock()
	if roll {
		if err := q.roll(next); err != nil {
			return err
		}
		total += segmentHeaderBytes
	}
	for total+n > q.bytesMax || q.budget.over(n) {
		q.mu.Lock()
		if len(q.segments) < 2 {
			q.mu.Unlock()
			return nil
		}
		s := q.segments[0]
		lastPos := q.segments[1].first - 1
		kept := max(q.acked, s.first-1)
		lost := int64(lastPos) - int64(kept)
		q.segments = q.segments[1:]
		q.acked = max(q.acked, lastPos)
		q.mu.Unlock()
		records := q.count(s, kept+1, lastPos)
		q.budget.add(-s.bytes)
		if err := s.remove(); err != nil {
			return err
		}
		total -= s.bytes
		if lost > 0 {
			q.onEvent(Event{Kind: Dropped, File: s.name, Items: lost, Bytes: s.bytes, Records: records,
				Reason: q.full(total)})
		}
	}
	return nil
}

// count counts what the items of a segment hold.
func (q *Queue) count(s *segment, from, to uint64) (n int64) {
	if q.records == nil {
		return 0
	}
	for from <= to {
		item, pos, err := q.read(s, from, to)
		if err != nil {
			break // what does not read is reported as damaged
		}
		n += q.records(item)
		from = pos + 1
	}
	return n
}

// full says which bound the queue met, with total bytes in it.
func (q *Queue) full(total int64) string {
	if q.budget != nil && total < q.bytesMax/2 {
		return fmt.Sprintf("this queue and others are full with %d bytes together; its oldest items were dropped", q.budget.max)
	}
	return fmt.Sprintf("the queue is full with %d bytes; its oldest items were dropped", q.bytesMax)
}

func (q *Queue) lastSegment() *segment {
	if len(q.segments) == 0 {
		return nil
	}
	return q.segments[len(q.segments)-1]
}

// roll begins a new segment whose first item is at position first. A tail
// without items under the same name is replaced.
func (q *Queue) roll(first uint64) error {
	if q.tail != nil {
		q.tail.Close()
		q.tail = nil
	}
	name := segmentName(first)
	f, err := os.OpenFile(q.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(appendMark(nil, segmentMagic, first))
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = atomicfile.SyncDir(q.dir)
	}
	if err != nil {
		f.Close()
		return err
	}
	s := newSegment(q.path(name), name, first)
	s.bytes = segmentHeaderBytes
	q.budget.add(s.bytes)
	q.mu.Lock()
	if last := q.lastSegment(); last != nil && last.first == first {
		q.budget.add(-last.bytes)
		last.close()
		q.segments = q.segments[:len(q.segments)-1]
	}
	q.segments = append(q.segments, s)
	gone := q.takeAcked()
	q.mu.Unlock()
	q.tail = f
	for _, g := range gone {
		q.budget.add(-g.bytes)
		if err := g.remove(); err != nil {
			return err
		}
	}
	return nil
}

// saveCursor writes the acknowledged position where it moved.
func (q *Queue) saveCursor() error {
	q.mu.Lock()
	pos := q.acked
	same := pos == q.saved
	q.mu.Unlock()
	if same {
		return nil
	}
	if err := atomicfile.Write(q.path(cursorFile), appendMark(nil, cursorMagic, pos), 0o600); err != nil {
		return fmt.Errorf("save cursor of queue %s: %w", q.dir, err)
	}
	q.mu.Lock()
	q.saved = pos
	q.mu.Unlock()
	return nil
}
