// Package queue is a bounded first-in first-out queue on disk. An item is
// durable when Append returns, is read in order any number of times, and goes
// away once it is acknowledged, or once the queue is full and it is the oldest.
//
//	q, err := queue.Open(dir, queue.Options{BytesMax: 1 << 30})
//	pos, err := q.Append(ctx, item)      // fsynced, together with its neighbours
//	for pos := q.Acked(); ; {
//		item, p, err := q.Next(ctx, pos) // blocks until there is one
//		send(item)
//		pos = p
//		q.Ack(pos)
//	}
//
// Positions are given from 1 upwards and never reused, also over restarts. The
// format is docs/format/queue.md. One process at a time may have a directory
// open; the lock of the data directory sees to that.
package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/internal/clock"
)

// EventKind tells what happened to a queue.
type EventKind uint8

// The kinds of events.
const (
	_        EventKind = iota
	Dropped            // the oldest items went, because the queue was full
	TornTail           // bytes of an append that was cut short were cut off
	Corrupt            // items that could not be read were passed over
)

// String gives the kind as a metric's label spells it.
func (k EventKind) String() string {
	switch k {
	case Dropped:
		return "dropped"
	case TornTail:
		return "torn_tail"
	case Corrupt:
		return "corrupt"
	}
	return "unknown"
}

// Event is something the owner of a queue should count or log.
type Event struct {
	Kind   EventKind
	Reason string // one sentence
	File   string // base name of the segment
	Items  int64  // items lost; 0 where unknown
	Bytes  int64
	// Records are what the lost items held, as Options.Records counts it.
	Records int64
}

// Options of a queue.
type Options struct {
	// BytesMax bounds what the queue takes on disk; 0 means 1 GiB. The oldest
	// segment goes when an append would exceed it.
	BytesMax int64
	// Budget bounds what several queues take on disk together; nil: nothing does. The
	// queue that an append would exceed it in gives its own oldest items away.
	Budget *Budget
	// OnEvent is called with no lock held, never concurrently for one queue's
	// appends, but possibly from Next. May be nil.
	OnEvent func(Event)
	// Records, where set, counts what an item holds, of those that are dropped.
	Records func(item []byte) int64
	// Clock stamps items, for Oldest; nil means the machine's.
	Clock clock.Clock
}

// Budget is a bound on what several queues take on disk together, but for the newest
// item of each. Safe for concurrent use.
type Budget struct {
	max  int64
	used atomic.Int64
}

// NewBudget makes a Budget of max bytes.
func NewBudget(max int64) *Budget { return &Budget{max: max} }

// Used gives the bytes that the queues take.
func (b *Budget) Used() int64 { return b.used.Load() }

// add notes that a queue takes n bytes more, or less. A nil Budget has no bound.
func (b *Budget) add(n int64) {
	if b != nil {
		b.used.Add(n)
	}
}

func (b *Budget) over(n int64) bool { return b != nil && b.used.Load()+n > b.max }

// Errors that callers branch on.
var (
	ErrClosed   = errors.New("queue is closed")
	ErrTooLarge = errors.New("item is too large for the queue")
)

const (
	bytesMaxDefault = 1 << 30
	cursorAge       = time.Second // how long an Ack may stay unwritten
)

// Queue is safe for concurrent use.
type Queue struct {
	dir             string
	bytesMax        int64
	segmentBytesMax int64
	budget          *Budget
	onEvent         func(Event)
	records         func([]byte) int64
	clock           clock.Clock

	wake   chan struct{} // capacity 1: something to commit
	stop   chan struct{} // closed by Close
	done   chan struct{} // closed when the committer has ended
	tail   *os.File      // the last segment; the committer's alone
	closer sync.Once

	mu       sync.Mutex // guards what follows
	segments []*segment // by position; the last one is being written
	durable  uint64     // position of the last durable item
	acked    uint64
	saved    uint64 // acked as the cursor file has it
	pending  *commit
	grown    chan struct{} // closed and replaced when durable moves
	closed   bool
	closeErr error
}

// commit is a group of items that become durable together.
type commit struct {
	buf   []byte
	items []int // frame lengths
	done  chan struct{}
	// What follows is set when it is done.
	first  uint64 // position of items[0]
	stored int    // how many of the items are durable; err is the others'
	err    error
}

// Open makes or recovers the queue in dir. What an interrupted append left at
// the end is cut off; what cannot be read is passed over and reported.
func Open(dir string, o Options) (*Queue, error) {
	if o.BytesMax <= 0 {
		o.BytesMax = bytesMaxDefault
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	q := &Queue{
		dir: dir, bytesMax: o.BytesMax, onEvent: o.OnEvent, records: o.Records, clock: o.Clock,
		segmentBytesMax: min(max(o.BytesMax/16, segmentBytesFloor), segmentBytesCeil),
		wake:            make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		grown: make(chan struct{}),
	}
	if err := atomicfile.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open queue %s: %w", dir, err)
	}
	if err := q.recover(); err != nil {
		q.closeFiles()
		return nil, fmt.Errorf("open queue %s: %w", dir, err)
	}
	q.budget = o.Budget
	q.budget.add(q.size())
	go q.run()
	return q, nil
}

// Append stores one item and returns its position once it is durable. The item
// may be reused afterwards. Where ctx ends first the item may be stored or not.
// ErrTooLarge wraps for an item that can never fit, ErrClosed after Close; any
// other error is the disk's, and the item is not stored.
func (q *Queue) Append(ctx context.Context, item []byte) (pos uint64, err error) {
	size := int64(frameHeaderBytes + len(item))
	if len(item) > itemBytesMax || size+segmentHeaderBytes > q.bytesMax {
		return 0, fmt.Errorf("append %d bytes to queue %s with %d bytes at most: %w", len(item), q.dir, q.bytesMax, ErrTooLarge)
	}
	now := q.clock()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return 0, ErrClosed
	}
	if q.pending == nil {
		q.pending = &commit{done: make(chan struct{})}
	}
	c := q.pending
	i := len(c.items)
	c.buf = appendFrame(c.buf, now, item) // the position is filled in by the committer
	c.items = append(c.items, int(size))
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	select {
	case <-c.done:
		if i >= c.stored {
			return 0, c.err
		}
		return c.first + uint64(i), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Next gives the first item behind the position after, and its position. It
// blocks until there is one, ctx ends, or the queue is closed (ErrClosed). The
// item is the caller's. Start with Acked.
func (q *Queue) Next(ctx context.Context, after uint64) (item []byte, pos uint64, err error) {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil, 0, ErrClosed
		}
		grown := q.grown
		seg, end := q.segmentBehind(after)
		q.mu.Unlock()
		if seg != nil {
			item, pos, err := q.read(seg, max(after+1, seg.first), end)
			switch {
			case err == nil:
				return item, pos, nil
			case errors.Is(err, errPassed):
				// Nothing (readable) in this segment any more: go on behind it.
				if pos > after {
					after = pos
				}
				continue
			case errors.Is(err, os.ErrClosed):
				continue // dropped or acknowledged meanwhile
			}
			return nil, 0, err
		}
		select {
		case <-grown:
		case <-q.stop:
			return nil, 0, ErrClosed
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// More reports whether there is an item behind after, so that Next would not
// have to wait (unless that item turns out to be damaged).
func (q *Queue) More(after uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.durable > after
}

// segmentBehind finds the segment that holds the first durable position behind
// after, and the last durable position in it. q.mu is held.
func (q *Queue) segmentBehind(after uint64) (seg *segment, end uint64) {
	for i, s := range q.segments {
		end = q.durable
		if i+1 < len(q.segments) {
			end = q.segments[i+1].first - 1
		}
		if end > after && end >= s.first {
			return s, end
		}
	}
	return nil, 0
}

// Acked is the position up to which everything is acknowledged.
func (q *Queue) Acked() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.acked
}

// Ack acknowledges everything up to and including pos, which may be deleted
// now. The cursor reaches the disk within a second and at Close: after a crash
// some acknowledged items may come again. Going back is not possible and no error.
func (q *Queue) Ack(pos uint64) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	if pos > q.durable {
		q.mu.Unlock()
		return fmt.Errorf("acknowledge position %d of queue %s: the last one is %d", pos, q.dir, q.durable)
	}
	q.acked = max(q.acked, pos)
	gone := q.takeAcked()
	q.mu.Unlock()
	for _, s := range gone {
		q.budget.add(-s.bytes)
		if err := s.remove(); err != nil {
			return fmt.Errorf("acknowledge in queue %s: %w", q.dir, err)
		}
	}
	return nil
}

// takeAcked takes the segments that hold acknowledged items only out of the
// list, never the last one. q.mu is held.
func (q *Queue) takeAcked() []*segment {
	n := 0
	for n+1 < len(q.segments) && q.segments[n+1].first-1 <= q.acked {
		n++
	}
	gone := q.segments[:n:n]
	q.segments = q.segments[n:]
	return gone
}

// Len gives the number of items that are not acknowledged and about how many
// bytes they take on disk.
func (q *Queue) Len() (items int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, s := range q.segments {
		end := q.durable
		if i+1 < len(q.segments) {
			end = q.segments[i+1].first - 1
		}
		if end <= q.acked || end < s.first {
			continue
		}
		all := end - s.first + 1
		left := end - max(q.acked, s.first-1)
		items += int(left)
		bytes += int64(float64(s.bytes-segmentHeaderBytes) * float64(left) / float64(all))
	}
	return items, bytes
}

// Oldest is when the oldest item that is not acknowledged was appended; zero
// for an empty queue.
func (q *Queue) Oldest() time.Time { return q.At(0) }

// At is when the first item behind the position after was appended, or the first
// one that is not acknowledged where that lies further on; zero where there is none.
func (q *Queue) At(after uint64) time.Time {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return time.Time{}
	}
	after = max(after, q.acked)
	seg, end := q.segmentBehind(after)
	pos := after + 1
	q.mu.Unlock()
	if seg == nil {
		return time.Time{}
	}
	h, _, err := seg.seek(max(pos, seg.first), end)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, h.nanos).UTC()
}

// Close makes what was appended and acknowledged durable and ends the queue.
// Appends that wait are finished first.
func (q *Queue) Close() error {
	q.closer.Do(func() {
		q.mu.Lock()
		q.closed = true
		q.mu.Unlock()
		close(q.stop)
		<-q.done
		q.budget.add(-q.size())
		q.closeErr = errors.Join(q.saveCursor(), q.closeFiles())
	})
	return q.closeErr
}

func (q *Queue) closeFiles() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var err error
	if q.tail != nil {
		err = q.tail.Close()
		q.tail = nil
	}
	for _, s := range q.segments {
		s.close()
	}
	return err
}

// size is what the segments take on disk.
func (q *Queue) size() (n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.segments {
		n += s.bytes
	}
	return n
}

func (q *Queue) path(name string) string { return filepath.Join(q.dir, name) }
