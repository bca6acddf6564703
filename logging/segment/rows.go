package segment

import (
	"bytes"
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// chunkBytesMax is the size of the documents from which on a chunk is full: it
// bounds what decoding one block takes, and keeps offsets far below 4 GiB.
const chunkBytesMax = 16 << 20

// Rows gathers the records of one stream and one UTC day in memory, in chunks
// that are the blocks to come. There is one writer; Blocks and what it gives may
// be used by anybody while the writer goes on.
type Rows struct {
	tenant tenant.ID
	labels Labels
	shape  *shape.Shape // nil: irregular
	types  []shape.Type
	seed   maphash.Seed

	mu       *sync.RWMutex // guards chunks; shared by the Rows of a Table
	chunks   []*chunk
	rows     int
	expected *expectation // nil: none

	vals    [][]byte // of the row at hand: the string of each hole
	scratch []byte
}

// chunk is a block that grows.
type chunk struct {
	n        int
	times    []int64
	seqs     []uint64
	received []int64
	stamps   [stampCount]memColumn
	own      []memColumn // irregular: one, the documents

	timeMin, timeMax int64
	seqMin, seqMax   uint64
	unsorted         bool
	given            int
	sourceBytes      int64
	held             int64 // bytes, as last counted
}

// heldEvery is the number of rows after which the memory is counted again.
const heldEvery = 64

// NewRows makes the rows of a stream; l and t are those of every record, s is
// the shape of their documents, nil for those that have none.
func NewRows(t tenant.ID, l Labels, s *shape.Shape) *Rows {
	return newRows(t, l, s, new(sync.RWMutex), maphash.MakeSeed())
}

func newRows(t tenant.ID, l Labels, s *shape.Shape, mu *sync.RWMutex, seed maphash.Seed) *Rows {
	r := &Rows{tenant: t, labels: l, shape: s, mu: mu, seed: seed}
	if s != nil {
		holes := s.Holes()
		r.types = make([]shape.Type, len(holes))
		for i := range holes {
			r.types[i] = holes[i].Type
		}
		r.vals = make([][]byte, len(holes))
	}
	return r
}

// Len is the number of rows.
func (r *Rows) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.rows
}

// Bytes is the memory held, about.
func (r *Rows) Bytes() int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var n int64
	for _, c := range r.chunks {
		n += c.held
	}
	return n
}

// Append adds a record; spans are those of its source where the rows have a
// shape. Nothing of the record is kept but copies.
func (r *Rows) Append(rec *logging.Record, spans []shape.Span, escaped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.append(rec, spans, escaped)
}

// append adds a record and gives by how much the memory held grew.
func (r *Rows) append(rec *logging.Record, spans []shape.Span, escaped bool) int64 {
	var c *chunk
	if n := len(r.chunks); n > 0 {
		c = r.chunks[n-1]
	}
	var grown int64
	if c == nil || c.n == RowsMax || c.sourceBytes+int64(len(rec.Source)) > chunkBytesMax && c.n > 0 {
		if c != nil {
			grown = c.close()
		}
		c = r.newChunk()
		r.chunks = append(r.chunks, c)
	}
	n := c.n
	ns, seq := rec.Time.UnixNano(), rec.Seq
	if n > 0 && (ns < c.times[n-1] || ns == c.times[n-1] && seq < c.seqs[n-1]) {
		c.unsorted = true
	}
	c.times = push(c.times, ns, n)
	c.seqs = push(c.seqs, seq, n)
	c.received = push(c.received, floorMilli(rec.Received.UnixNano()), n)
	c.timeMin, c.timeMax = min(c.timeMin, ns), max(c.timeMax, ns)
	c.seqMin, c.seqMax = min(c.seqMin, seq), max(c.seqMax, seq)
	c.sourceBytes += int64(len(rec.Source))

	if r.shape == nil {
		c.own[0].appendString(r.seed, rec.Source, n)
	} else {
		r.appendOwn(c, rec.Source, spans, escaped)
	}
	id := rec.ID
	if id != "" && isDerived(id, seq) {
		id = ""
	}
	if id != "" {
		c.given++
	}
	for s, v := range [stampCount]string{rec.Pod, rec.Node, rec.Level, rec.Stream, rec.Message, rec.Original, id} {
		col := &c.stamps[s]
		switch {
		case col.form == formDict && n > 0 && v == col.last: // most often
			if col.codes != nil {
				col.codes = push(col.codes, col.lastCode, n)
			}
		case col.form == formAlias && v == string(r.vals[col.alias]):
		default:
			r.appendStamp(c, s, v)
		}
	}
	c.n++
	r.rows++
	if c.n%heldEvery == 1 {
		grown += c.count()
	}
	return grown
}

func (r *Rows) newChunk() *chunk {
	c := &chunk{timeMin: math.MaxInt64, timeMax: math.MinInt64, seqMin: math.MaxUint64}
	room := r.expected.room(r.rows)
	if room > 0 {
		c.times, c.seqs, c.received = make([]int64, 0, room), make([]uint64, 0, room), make([]int64, 0, room)
	}
	for s := range c.stamps {
		c.stamps[s].room = room
	}
	defer r.expected.prepare(c, room)
	if r.shape == nil {
		c.own = []memColumn{{form: formPlain, off: make([]uint32, 1, 9), room: room}}
		return c
	}
	c.own = make([]memColumn, len(r.types))
	for i, t := range r.types {
		col := &c.own[i]
		col.room = room
		switch t {
		case shape.Number:
			col.form = formNumbers
			if room > 0 {
				col.mant = make([]int64, 0, room)
			}
		case shape.Bool:
			col.form = formBool
			if room > 0 {
				col.codes = make([]uint16, 0, room)
			}
		}
	}
	return c
}

func (r *Rows) appendOwn(c *chunk, src []byte, spans []shape.Span, escaped bool) {
	r.scratch = r.scratch[:0]
	for i := range c.own {
		sp := spans[i]
		v := src[sp.From:sp.To]
		col := &c.own[i]
		switch r.types[i] {
		case shape.String:
			if col.form == formAlias {
				if root := spans[col.alias]; bytes.Equal(v, src[root.From:root.To]) {
					r.vals[i] = r.vals[col.alias]
					continue
				}
				r.unalias(c, col)
			}
			if escaped && bytes.IndexByte(v, '\\') >= 0 {
				from := len(r.scratch)
				r.scratch = shape.Unescape(r.scratch, v)
				v = r.scratch[from:len(r.scratch):len(r.scratch)]
			}
			r.vals[i] = v
			if c.n == 0 && col.form == formDict && len(v) >= aliasBytesMin {
				if col.alias = r.earlier(v, i); col.alias >= 0 {
					col.form = formAlias
					continue
				}
			}
			if col.form == formDict && c.n > 0 && string(v) == col.last { // most often
				if col.codes != nil {
					col.codes = push(col.codes, col.lastCode, c.n)
				}
				continue
			}
			col.appendOwn(r.seed, v, c.n, c.times)
		case shape.Number:
			col.appendNumber(r.seed, v, c.n)
		default:
			col.appendBool(len(v) == len("true"), c.n)
		}
	}
}

// aliasBytesMin is the length of the shortest string by which an own column becomes
// the alias of another one: a document has its message under several names.
const aliasBytesMin = 16

// earlier gives the first own column before i that has the string in the row at
// hand; -1: none.
func (r *Rows) earlier(v []byte, i int) int32 {
	for k, t := range r.types[:i] {
		if t == shape.String && bytes.Equal(r.vals[k], v) {
			return int32(k)
		}
	}
	return -1
}

// appendStamp adds a stamped string. A column is the alias of an own one as
// long as every string is that of the own one.
func (r *Rows) appendStamp(c *chunk, s int, v string) {
	col := &c.stamps[s]
	if col.form != formAlias && c.n > 0 {
		col.appendText(r.seed, v, c.n)
		return
	}
	if col.form == formAlias {
		r.unalias(c, col)
		col.appendText(r.seed, v, c.n)
		return
	}
	if v != "" {
		for i, t := range r.types {
			if t == shape.String && string(r.vals[i]) == v {
				col.form, col.alias = formAlias, int32(i)
				return
			}
		}
	}
	col.appendText(r.seed, v, c.n)
}

// unalias gives a column strings of its own: those that its alias has.
func (r *Rows) unalias(c *chunk, col *memColumn) {
	from := c.own[col.alias].view(c.n, c.times)
	*col = memColumn{room: col.room}
	var b []byte
	for i := range c.n {
		b = from.AppendString(b[:0], i)
		col.appendString(r.seed, b, i)
	}
}

// expectation is what a stream was like in the table before: knowing it saves
// growing step by step, and looking for values that hardly repeat.
type expectation struct {
	rows  int
	plain []int32 // of own columns, then of stamped ones: bytes a row; -1: not plain
}

// expect says what a stream may be like next time.
func (r *Rows) expect() *expectation {
	c := r.chunks[len(r.chunks)-1]
	e := &expectation{rows: r.rows + r.rows/16, plain: make([]int32, 0, len(c.own)+len(c.stamps))}
	for _, cols := range [2][]memColumn{c.own, c.stamps[:]} {
		for i := range cols {
			bytes := int32(-1)
			if cols[i].form == formPlain && !cols[i].spelled {
				bytes = int32(min(len(cols[i].data)/c.n, 1<<16)) + 1
			}
			e.plain = append(e.plain, bytes)
		}
	}
	return e
}

// room is the number of rows to make room for behind those that are there.
func (e *expectation) room(rows int) int {
	if e == nil {
		return 0
	}
	return min(max(e.rows-rows, 0), RowsMax)
}

// prepare makes columns plain that were.
func (e *expectation) prepare(c *chunk, room int) {
	if e == nil || room == 0 {
		return
	}
	at := 0
	for _, cols := range [2][]memColumn{c.own, c.stamps[:]} {
		for i := range cols {
			if bytes := int(e.plain[at]); bytes >= 0 {
				cols[i].form, cols[i].off = formPlain, make([]uint32, 1, room+1)
				cols[i].data = make([]byte, 0, min(room*bytes, chunkBytesMax))
			}
			at++
		}
	}
}

// close drops what only a growing chunk needs, and gives by how much the memory
// held grew since it was counted.
func (c *chunk) close() (grown int64) {
	for i := range c.stamps {
		c.stamps[i].table = nil
	}
	for i := range c.own {
		c.own[i].table = nil
	}
	return c.count()
}

// column gives a column: of the own ones, then of the stamped ones.
func (c *chunk) column(at int) *memColumn {
	if at < len(c.own) {
		return &c.own[at]
	}
	return &c.stamps[at-len(c.own)]
}

// chunkBytes is what a chunk and a column of it take when empty, about.
const (
	chunkBytes  = 2048
	columnBytes = 208
)

// count counts the memory held and gives by how much it grew.
func (c *chunk) count() (grown int64) {
	before := c.held
	c.held = chunkBytes + int64(8*(cap(c.times)+cap(c.seqs)+cap(c.received))) + int64(len(c.own)*columnBytes)
	for i := range c.stamps {
		c.held += c.stamps[i].bytes()
	}
	for i := range c.own {
		c.held += c.own[i].bytes()
	}
	return c.held - before
}

// adjust corrects the size of the documents as they came: those of the last
// record were not the bytes that were appended.
func (r *Rows) adjust(bytes int64) {
	r.chunks[len(r.chunks)-1].sourceBytes += bytes
}

func floorMilli(ns int64) int64 {
	const ms = int64(time.Millisecond)
	rest := ns % ms
	if rest < 0 {
		rest += ms
	}
	return ns - rest
}

// isDerived reports whether the id is logging.DerivedID(seq).
func isDerived(id string, seq uint64) bool {
	const width = 11
	if len(id) != width {
		return false
	}
	for i := width - 1; i >= 0; i-- {
		if id[i] != "0123456789abcdefghijklmnopqrstuvwxyz"[seq%36] {
			return false
		}
		seq /= 36
	}
	return seq == 0
}

// Blocks gives the rows as they are now, a block a chunk.
func (r *Rows) Blocks() []Block {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.blocks(nil)
}

func (r *Rows) blocks(dst []Block) []Block {
	for _, c := range r.chunks {
		if c.n > 0 {
			dst = append(dst, r.snapshot(c))
		}
	}
	return dst
}

func (r *Rows) snapshot(c *chunk) *memBlock {
	return &memBlock{rows: r, chunk: c, info: Info{
		Tenant: r.tenant, Labels: r.labels, Shape: r.shape, Rows: c.n,
		TimeMin: c.timeMin, TimeMax: c.timeMax, SeqMin: c.seqMin, SeqMax: c.seqMax,
		Sorted: !c.unsorted, Given: c.given, SourceBytes: c.sourceBytes,
	}}
}
