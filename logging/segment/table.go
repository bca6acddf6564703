package segment

import (
	"hash/maphash"
	"strings"
	"sync"
	"unsafe"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// streamsMax is the number of streams with a shape that a table opens: beyond
// it, documents of streams that are not open stand as JSON in the irregular
// stream of their labels.
const streamsMax = 2000

// Table gathers one tenant's records of all streams. There is one writer;
// everything else may be called by anybody while it goes on.
type Table struct {
	tenant  tenant.ID
	scanner *shape.Scanner
	seed    maphash.Seed
	// expected is what streams were like in the table before, by hash.
	expected map[uint64]*expectation

	mu      sync.RWMutex // guards what follows, and the chunks of all rows
	streams map[uint64][]*stream
	order   []*stream // as they were opened
	shaped  int
	rows    int
	held    int64

	scans   []scanned
	spans   []shape.Span
	touched []*stream
}

type stream struct {
	Rows
	day  int32
	hash uint64

	first, last int32 // of the records at hand; first is -1 where there are none
}

// NewTable makes an empty table.
func NewTable(t tenant.ID) *Table { return newTable(t, new(shape.Scanner), maphash.MakeSeed()) }

func newTable(t tenant.ID, s *shape.Scanner, seed maphash.Seed) *Table {
	return &Table{tenant: t, scanner: s, seed: seed, streams: make(map[uint64][]*stream)}
}

// Next makes an empty table that knows the shapes of this one, to which nothing
// must be appended any more.
func (t *Table) Next() *Table {
	t.mu.RLock()
	defer t.mu.RUnlock()
	next := newTable(t.tenant, t.scanner, t.seed)
	next.expected = make(map[uint64]*expectation, len(t.order))
	for _, s := range t.order {
		if s.rows >= expectedMin {
			next.expected[s.hash] = s.expect()
		}
	}
	return next
}

// expectedMin is the number of rows from which on a stream's is worth knowing.
const expectedMin = 64

// Append adds records; they have their seq. Nothing of them is kept but copies.
func (t *Table) Append(recs []logging.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(recs) > 0 {
		n := min(len(recs), appendMax)
		t.appendSome(recs[:n])
		recs = recs[n:]
	}
}

// appendMax is the number of records that are taken apart before the first is
// put into its stream.
const appendMax = 1024

// scanned is a record that was taken apart.
type scanned struct {
	from, to int // its spans
	escaped  bool
	next     int32 // of the same stream; -1: none
}

// appendSome takes the records apart and puts them into their streams one stream
// after the other: the columns of one stream fit into the processor's cache, those
// of all streams do not.
func (t *Table) appendSome(recs []logging.Record) {
	t.scans, t.spans, t.touched = t.scans[:0], t.spans[:0], t.touched[:0]
	for i := range recs {
		rec := &recs[i]
		sh, spans, escaped, ok := t.scanner.Scan(rec.Source)
		if !ok {
			sh = nil
		}
		s := t.stream(rec, sh)
		from := len(t.spans)
		if s.shape != nil {
			t.spans = append(t.spans, spans...)
		}
		t.scans = append(t.scans, scanned{from, len(t.spans), escaped, -1})
		if s.first < 0 {
			s.first = int32(i)
			t.touched = append(t.touched, s)
		} else {
			t.scans[s.last].next = int32(i)
		}
		s.last = int32(i)
	}
	for _, s := range t.touched {
		for i := s.first; i >= 0; i = t.scans[i].next {
			sc := &t.scans[i]
			t.held += s.append(&recs[i], t.spans[sc.from:sc.to], sc.escaped)
		}
		s.first = -1
	}
	t.rows += len(recs)
}

// streamBytes is what an open stream takes beside its chunks, about.
const streamBytes = 1024

func (t *Table) stream(rec *logging.Record, sh *shape.Shape) *stream {
	day := DayOf(rec.Time.UnixNano())
	h := t.hash(rec, sh, day)
	for _, s := range t.streams[h] {
		if s.shape == sh && s.day == day && s.holds(rec) {
			return s
		}
	}
	if sh != nil {
		if t.shaped >= streamsMax {
			return t.stream(rec, nil)
		}
		t.shaped++
	}
	l := Labels{
		Index: strings.Clone(rec.Index), Cluster: strings.Clone(rec.Cluster), Region: strings.Clone(rec.Region),
		Cloud: strings.Clone(rec.Cloud), Namespace: strings.Clone(rec.Namespace), Container: strings.Clone(rec.Container),
	}
	s := &stream{Rows: *newRows(t.tenant, l, sh, &t.mu, t.seed), day: day, hash: h, first: -1}
	s.expected = t.expected[h]
	t.streams[h] = append(t.streams[h], s)
	t.order = append(t.order, s)
	t.held += streamBytes
	return s
}

// hash mixes what most often tells streams apart.
func (t *Table) hash(rec *logging.Record, sh *shape.Shape, day int32) uint64 {
	h := maphash.String(t.seed, rec.Namespace)
	h = h*31 + maphash.String(t.seed, rec.Container)
	h = h*31 + maphash.String(t.seed, rec.Index)
	// Shapes of one scanner are equal where their addresses are.
	h = h*31 + uint64(uintptr(unsafe.Pointer(sh)))*0x9e3779b97f4a7c15
	return h*31 + uint64(uint32(day))
}

// holds reports whether a record has the labels of the rows.
func (r *Rows) holds(rec *logging.Record) bool {
	l := &r.labels
	return l.Namespace == rec.Namespace && l.Container == rec.Container && l.Index == rec.Index &&
		l.Cluster == rec.Cluster && l.Region == rec.Region && l.Cloud == rec.Cloud
}

// Blocks gives what was appended up to now, one consistent moment of it: whole
// batches, in no particular order.
func (t *Table) Blocks() []Block {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]Block, 0, len(t.order)+t.rows/RowsMax)
	for _, s := range t.order {
		out = s.blocks(out)
	}
	return out
}

// Len is the number of rows.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rows
}

// Bytes is the memory held, about.
func (t *Table) Bytes() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.held
}

// Streams is the number of streams opened.
func (t *Table) Streams() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.order)
}
