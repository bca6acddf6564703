package text

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"unicode/utf8"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// Limits of the format. Rows beyond what a template may be are stored raw.
const (
	Version = 2       // 1 was without the threes of letters
	RowsMax = 1 << 16 // rows of a column

	rowTemplateMax = 32 << 10 // bytes of a row that is split
	varsMax        = 255      // variables of a template
	templateRows   = 4        // rows a template needs, so that it is worth storing
)

// Marks stand in a template where a variable or a field was cut out. They do not
// occur in UTF-8, and rows that are not UTF-8 are stored raw.
const (
	markVar   = 0xff
	markField = 0xfe
)

// span is a part of the data that is being encoded.
type span struct{ from, to uint32 }

// found is a template of the first pass: what a row is without its variables.
type found struct {
	hash     uint64
	from, to uint32 // its text in Encoder.texts
	rows     uint32
	cluster  uint32 // 1 + cluster, 0 for none
}

// final is a template as it is stored. parts are its variables and fields.
type final struct {
	text  []byte
	parts int
	rows  []uint32
	group bool // of a cluster; otherwise all rows are of one found template
}

// Encoder makes columns. Its zero value is ready; it keeps its buffers, so that
// one that is used again does not allocate. Not for concurrent use.
type Encoder struct {
	zw    *zstd.Encoder
	seed  maphash.Seed
	sub   *Encoder // for fields; nil until needed
	depth int      // of fields in fields

	times []int64 // of the rows, nil if there are none

	// The first pass.
	key    []byte
	texts  []byte
	found  []found
	table  []uint32 // 1 + index of found, by hash
	found0 []uint32 // found template of each row, rawID for those that have none
	spans  []span   // variables of all rows
	first  []uint32 // where those of each row begin
	counts []uint32

	// The second.
	ids      []uint32 // template of each row, len(finals) for raw ones
	finals   []final
	clusters clusters
	order    []uint32 // rows by template
	raws     []uint32

	// What is written.
	meta, bits, text, raw, packed, scratch []byte
	vals                                   []span
	ints, deltas, planeInts                []uint64
	plane                                  []byte
	huff                                   *huff0.Scratch
	distinct                               distinct
	static, other                          gramSet
}

const rawID = ^uint32(0)

// Encode appends the column of len(off)-1 rows to dst; row i is
// data[off[i]:off[i+1]]. There are at most RowsMax rows. The same rows give the
// same bytes.
func (e *Encoder) Encode(dst []byte, off []uint32, data []byte) []byte {
	return e.EncodeAt(dst, off, data, nil)
}

// EncodeAt is Encode for rows with times of their own, in nanoseconds since 1970:
// times of day in the rows that are near them take less. What it makes is opened
// by DecodeAt.
func (e *Encoder) EncodeAt(dst []byte, off []uint32, data []byte, times []int64) []byte {
	e.times = times
	n := max(len(off)-1, 0)
	if n > RowsMax {
		panic("text: a column of more than RowsMax rows")
	}
	e.split(off, data, n)
	e.choose(n)

	e.meta, e.bits, e.text, e.raw = e.meta[:0], e.bits[:0], e.text[:0], e.raw[:0]
	e.static, e.other = gramSet{}, gramSet{}
	for i := range e.finals {
		e.template(&e.finals[i], off, data)
	}
	for _, row := range e.raws {
		e.raw = binary.AppendUvarint(e.raw, uint64(off[row+1]-off[row]))
	}
	for _, row := range e.raws {
		e.raw = append(e.raw, data[off[row]:off[row+1]]...)
		e.other.add(data[off[row]:off[row+1]])
	}

	dst = append(dst, Version)
	dst = binary.AppendUvarint(dst, uint64(n))
	if n == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(off[n]-off[0]))
	dst = binary.AppendUvarint(dst, uint64(len(e.finals)))
	dst = binary.AppendUvarint(dst, uint64(len(e.raws)))
	dst = e.appendGrams(dst, int(off[n]-off[0]))
	dst = e.appendRegion(dst, e.meta)
	dst = e.appendIDs(dst, n)
	dst = e.appendRegion(dst, e.text)
	dst = e.appendRegion(dst, e.raw)
	return append(dst, e.bits...)
}

// split is the first pass: it finds the template of every row, and its variables.
func (e *Encoder) split(off []uint32, data []byte, n int) {
	if e.table == nil {
		e.table = make([]uint32, 1024)
		e.seed = maphash.MakeSeed()
	}
	clear(e.table)
	e.texts, e.found, e.spans = e.texts[:0], e.found[:0], e.spans[:0]
	e.found0, e.first = e.found0[:0], e.first[:0]
	for i := range n {
		e.first = append(e.first, uint32(len(e.spans)))
		id := rawID
		if e.cut(data, off[i], off[i+1]) {
			id = e.lookup()
		} else {
			e.spans = e.spans[:e.first[i]]
		}
		e.found0 = append(e.found0, id)
	}
}

// cut puts the template of a row into key and its variables into spans; false
// where the row has to be stored raw.
func (e *Encoder) cut(data []byte, from, to uint32) bool {
	if to-from > rowTemplateMax {
		return false
	}
	row := data[:to]
	key := e.key[:0]
	last := from
	vars := 0
	checked := false
	for i := from; i < to; {
		k := classes[row[i]]
		if k == 0 {
			i++
			continue
		}
		start, all := i, k
		for i++; i < to && k != classWide; i++ {
			if k = classes[row[i]]; k == 0 {
				break
			}
			all |= k
		}
		if all&classWide != 0 {
			if !checked {
				if !utf8.Valid(row[from:]) {
					e.key = key
					return false
				}
				checked = true
			}
			a, b := NextToken(view(row), int(start))
			start, i = uint32(a), uint32(b)
			if !HasDigit(view(row[a:b])) {
				continue
			}
		} else if all&classDigit == 0 {
			continue
		}
		if vars++; vars > varsMax {
			e.key = key
			return false
		}
		key = append(append(key, row[last:start]...), markVar)
		e.spans = append(e.spans, span{start, i})
		last = i
	}
	e.key = append(key, row[last:]...)
	return true
}

// lookup gives the template whose text is in key, a new one where there is none.
func (e *Encoder) lookup() uint32 {
	h := maphash.Bytes(e.seed, e.key)
	mask := uint64(len(e.table) - 1)
	at := h & mask
	for ; e.table[at] != 0; at = (at + 1) & mask {
		id := e.table[at] - 1
		if t := &e.found[id]; t.hash == h && bytes.Equal(e.texts[t.from:t.to], e.key) {
			t.rows++
			return id
		}
	}
	id := uint32(len(e.found))
	from := uint32(len(e.texts))
	e.texts = append(e.texts, e.key...)
	e.found = append(e.found, found{h, from, uint32(len(e.texts)), 1, 0})
	e.table[at] = id + 1
	if 2*len(e.found) > len(e.table) {
		e.grow()
	}
	return id
}

func (e *Encoder) grow() {
	e.table = make([]uint32, 4*len(e.table))
	mask := uint64(len(e.table) - 1)
	for id := range e.found {
		at := e.found[id].hash & mask
		for e.table[at] != 0 {
			at = (at + 1) & mask
		}
		e.table[at] = uint32(id) + 1
	}
}

// choose decides which templates are stored and which rows are raw. Afterwards
// ids are those of the stored templates, len(finals) for raw rows.
func (e *Encoder) choose(n int) {
	e.cluster()
	// Finals by number: first clusters, then found templates; 0 rows for those that
	// are not stored.
	c := &e.clusters
	e.counts = slices.Grow(e.counts[:0], len(c.list)+len(e.found))[:len(c.list)+len(e.found)]
	clear(e.counts)
	for id := range e.found {
		if t := &e.found[id]; t.cluster != 0 {
			e.counts[t.cluster-1] += t.rows
		} else if t.rows >= templateRows {
			e.counts[len(c.list)+id] = t.rows
		}
	}
	e.finals = e.finals[:0]
	e.order = slices.Grow(e.order[:0], n)[:n]
	at := uint32(0)
	for k, rows := range e.counts {
		if rows == 0 {
			e.counts[k] = rawID
			continue
		}
		f := final{rows: e.order[at : at : at+rows]}
		at += rows
		if k < len(c.list) {
			f.group = true
			f.text, f.parts = e.merge(k)
		} else {
			t := &e.found[k-len(c.list)]
			f.text = e.texts[t.from:t.to]
			f.parts = bytes.Count(f.text, []byte{markVar})
		}
		e.counts[k] = uint32(len(e.finals))
		e.finals = append(e.finals, f)
	}
	c.parts = c.parts[:0]
	c.partsAt = slices.Grow(c.partsAt[:0], len(e.found))[:len(e.found)]
	clear(c.partsAt)
	e.raws = e.raws[:0]
	for row, id := range e.found0 {
		k := rawID
		if id != rawID {
			if t := &e.found[id]; t.cluster != 0 {
				k = e.counts[t.cluster-1]
			} else {
				k = e.counts[uint32(len(c.list))+id]
			}
		}
		if k == rawID {
			e.raws = append(e.raws, uint32(row))
		} else {
			e.finals[k].rows = append(e.finals[k].rows, uint32(row))
		}
	}
	// Frequent templates first, so that their ids are small.
	slices.SortStableFunc(e.finals, func(a, b final) int { return len(b.rows) - len(a.rows) })
	e.ids = slices.Grow(e.ids[:0], n)[:n]
	for _, row := range e.raws {
		e.ids[row] = uint32(len(e.finals))
	}
	for id := range e.finals {
		for _, row := range e.finals[id].rows {
			e.ids[row] = uint32(id)
		}
	}
}

// template writes a template and its columns.
func (e *Encoder) template(t *final, off []uint32, data []byte) {
	e.meta = binary.AppendUvarint(e.meta, uint64(len(t.text)))
	e.meta = append(e.meta, t.text...)
	e.static.add(t.text)
	e.meta = binary.AppendUvarint(e.meta, uint64(len(t.rows)))
	if t.group {
		e.gather(t, off)
	}
	skip := 0
	for at, p := 0, 0; at < len(t.text); at++ {
		if t.text[at] < markField {
			continue
		}
		if skip == 0 && t.text[at] == markVar {
			skip = e.clock(t, at, p, data)
		}
		if skip > 0 {
			skip--
			p++
			continue
		}
		e.vals = e.vals[:0]
		for k := range t.rows {
			e.vals = append(e.vals, e.value(t, k, p))
		}
		if t.text[at] == markField {
			e.field(data)
		} else {
			e.capsule(data)
		}
		p++
	}
}

// How the ids of the rows' templates are written.
const (
	idsPacked = iota // in as few bits as the number of templates needs
	idsBytes         // a byte each
	idsPlanes        // all low bytes, then all high bytes
)

// appendIDs appends the region of the rows' templates: nothing where there is
// but one.
func (e *Encoder) appendIDs(dst []byte, n int) []byte {
	kinds := len(e.finals)
	if len(e.raws) > 0 {
		kinds++
	}
	if kinds == 1 {
		return e.appendRegion(dst, nil)
	}
	b := e.scratch[:0]
	if kinds <= 256 {
		b = append(b, idsBytes)
		for _, id := range e.ids {
			b = append(b, byte(id))
		}
	} else {
		b = append(b, idsPlanes)
		for _, id := range e.ids {
			b = append(b, byte(id))
		}
		for _, id := range e.ids {
			b = append(b, byte(id>>8))
		}
	}
	before := len(dst)
	dst = e.appendRegion(dst, b)
	if width := widthOf(uint64(kinds - 1)); packedLen(n, width)+4 < len(dst)-before {
		e.ints = e.ints[:0]
		for _, id := range e.ids {
			e.ints = append(e.ints, uint64(id))
		}
		b = pack(append(b[:0], idsPacked), e.ints, 0, width)
		dst = binary.AppendUvarint(dst[:before], uint64(len(b))<<1)
		dst = append(dst, b...)
	}
	e.scratch = b
	return dst
}
