package segment

import (
	"hash/maphash"
	"strings"
	"sync"

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

	mu      sync.RWMutex // guards what follows, and the chunks of all rows
	streams map[uint64][]*stream
	order   []*stream // as they were opened
	shaped  int
	rows    int
	held    int64
}

type stream struct {
	Rows
	day int32
}

// NewTable makes an empty table.
func NewTable(t tenant.ID) *Table { return newTable(t, new(shape.Scanner), maphash.MakeSeed()) }

func newTable(t tenant.ID, s *shape.Scanner, seed maphash.Seed) *Table {
	return &Table{tenant: t, scanner: s, seed: seed, streams: make(map[uint64][]*stream)}
}

// Next makes an empty table that knows the shapes of this one, to which nothing
// must be appended any more.
func (t *Table) Next() *Table { return newTable(t.tenant, t.scanner, t.seed) }

// Append adds records; they have their seq. Nothing of them is kept but copies.
func (t *Table) Append(recs []logging.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range recs {
		rec := &recs[i]
		sh, spans, escaped, ok := t.scanner.Scan(rec.Source)
		if !ok {
			sh = nil
		}
		s := t.stream(rec, sh)
		t.held += s.append(rec, spans, escaped)
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
	s := &stream{Rows: *newRows(t.tenant, l, sh, &t.mu, t.seed), day: day}
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
	if sh != nil {
		h = h*31 + maphash.Comparable(t.seed, sh)
	}
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
