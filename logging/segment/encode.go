package segment

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/oriel-project/oriel/internal/colenc"
	"github.com/oriel-project/oriel/internal/iddict"
	"github.com/oriel-project/oriel/internal/text"
)

// blockEncoder makes the chunks of one block and what the index says of them.
// Its memory is used again for the next block.
type blockEncoder struct {
	z       *colenc.Zstd
	text    text.Encoder
	strings func(string) uint64 // the place of a string in the index

	data []byte // chunks
	meta []byte // of the columns, as in the index
	cols int

	times   []int64      // of the rows
	dicts   []dictColumn // of this block, for those that follow from them
	free    [][]uint16
	list    []string
	seen    []uint16
	table   []uint16
	bits    []uint64
	off     []uint32
	plain   []byte
	attempt []byte

	index  map[string]uint16
	values []string
	codes  []uint16
	ints   []int64
}

// dictColumn is a column with a dictionary whose codes come in the order in
// which they first occur.
type dictColumn struct {
	number int
	codes  []uint16
	values int
}

func (e *blockEncoder) begin() {
	e.data, e.meta, e.cols = e.data[:0], e.meta[:0], 0
	for _, d := range e.dicts {
		e.free = append(e.free, d.codes)
	}
	e.dicts = e.dicts[:0]
}

// chunk begins a column that has one; end ends it.
func (e *blockEncoder) chunk(enc encoding) (from int) {
	e.meta = append(e.meta, byte(enc))
	return len(e.data)
}

func (e *blockEncoder) end(from int) {
	e.meta = binary.AppendUvarint(e.meta, uint64(len(e.data)-from))
	e.meta = binary.LittleEndian.AppendUint32(e.meta, checksum(e.data[from:]))
	e.cols++
}

// fewMost is the number of different integers up to which a column of them may
// have a list.
const fewMost = 64

// few stores integers of which few are different, such as status codes, where
// that takes less than bits; false where it does not.
func (e *blockEncoder) few(vals []int64) bool {
	if len(vals) < repeatRows {
		return false
	}
	e.ints = e.ints[:0]
	e.codes = e.codes[:0]
	last, code := vals[0], uint16(0)
	e.ints = append(e.ints, last)
	for _, v := range vals {
		if v != last {
			at := slices.Index(e.ints, v)
			if at < 0 {
				if len(e.ints) == fewMost {
					return false
				}
				at = len(e.ints)
				e.ints = append(e.ints, v)
			}
			last, code = v, uint16(at)
		}
		e.codes = append(e.codes, code)
	}
	e.attempt = colenc.AppendInts(e.attempt[:0], vals)
	from := e.chunk(encFew)
	e.data = colenc.AppendInts(e.data, e.ints)
	list := len(e.data) - from
	e.data = colenc.AppendCodes(e.data, e.codes, uint16(len(e.ints)-1), e.z)
	if len(e.data)-from >= len(e.attempt) {
		e.data, e.meta = e.data[:from], e.meta[:len(e.meta)-1]
		return false
	}
	e.end(from)
	e.bounds(vals)
	e.meta = binary.AppendUvarint(e.meta, uint64(len(e.ints)))
	e.meta = binary.AppendUvarint(e.meta, uint64(list))
	return true
}

// int64s stores times or positions.
func (e *blockEncoder) int64s(vals []int64) {
	from := e.chunk(encInts)
	e.data = colenc.AppendInts(e.data, vals)
	e.end(from)
	// Every column of integers says its bounds.
	e.bounds(vals)
}

func (e *blockEncoder) bounds(vals []int64) {
	e.meta = binary.AppendVarint(e.meta, slices.Min(vals))
	e.meta = binary.AppendVarint(e.meta, slices.Max(vals))
}

func (e *blockEncoder) alias(number int) {
	e.meta = binary.AppendUvarint(append(e.meta, byte(encAlias)), uint64(number))
	e.cols++
}

// ids stores ordinals.
func (e *blockEncoder) ids(ordinals []uint32, f iddict.Format) {
	from := e.chunk(encIDs)
	e.data = colenc.AppendOrdinals(e.data, ordinals)
	e.end(from)
	e.meta = append(e.meta, byte(f))
}

// column stores a column.
func (e *blockEncoder) column(c *Column) {
	switch c.Kind {
	case KindInts:
		if !e.few(c.Mant) {
			e.int64s(c.Mant)
		}
	case KindDecimal:
		e.decimals(c)
	case KindBool:
		from := e.chunk(encBool)
		e.bits = slices.Grow(e.bits[:0], colenc.BitWords(c.N))[:colenc.BitWords(c.N)]
		clear(e.bits)
		for i, v := range c.Codes {
			e.bits[i/64] |= uint64(v&1) << (i % 64)
		}
		e.data = colenc.AppendBools(e.data, e.bits, c.N)
		e.end(from)
	case KindTimes:
		e.timeStrings(c)
	case KindText:
		off, data := c.Text.AppendAll(e.off[:0], e.plain[:0])
		e.off, e.plain = off, data
		e.plainStrings(&Column{Kind: KindPlain, N: c.N, Off: off, Data: data}, 0)
	case KindSpelled:
		e.stringColumn(c, encSpelled)
	default:
		e.stringColumn(c, 0)
	}
}

func (e *blockEncoder) decimals(c *Column) {
	from := e.chunk(encDecimal)
	e.data = colenc.AppendDecimals(e.data, c.Mant, c.Frac)
	e.end(from)
	low, high := math.Inf(1), math.Inf(-1)
	for i, m := range c.Mant {
		x := colenc.DecimalFloat(m, c.Frac[i])
		low, high = min(low, x), max(high, x)
	}
	e.meta = binary.LittleEndian.AppendUint64(e.meta, math.Float64bits(low))
	e.meta = binary.LittleEndian.AppendUint64(e.meta, math.Float64bits(high))
}

func (e *blockEncoder) timeStrings(c *Column) {
	if slices.Equal(c.Times, e.times) {
		e.meta = binary.LittleEndian.AppendUint16(append(e.meta, byte(encRowTime)), uint16(c.Layout))
		e.cols++
		return
	}
	from := e.chunk(encTimes)
	e.data = colenc.AppendInts(e.data, c.Times)
	e.end(from)
	e.meta = binary.LittleEndian.AppendUint16(e.meta, uint16(c.Layout))
}

func (e *blockEncoder) constant(s string, spelled encoding) {
	e.meta = append(e.meta, byte(encConst|spelled))
	e.meta = binary.AppendUvarint(e.meta, e.strings(s))
	e.cols++
}

// dictFew is the number of values up to which a column always has a dictionary.
const dictFew = 64

func (e *blockEncoder) stringColumn(c *Column, spelled encoding) {
	if c.Off != nil {
		e.plainStrings(c, spelled)
		return
	}
	if c.Codes == nil {
		e.constant(c.Values[0], spelled)
		return
	}
	codes := e.canonical(c)
	switch n := len(e.list); {
	case n == 1:
		e.free = append(e.free, codes)
		e.constant(e.list[0], spelled)
	case n > dictFew && n*4 > c.N && spelled == 0:
		e.free = append(e.free, codes)
		e.off, e.plain = append(e.off[:0], 0), e.plain[:0]
		for _, code := range c.Codes {
			e.plain = append(e.plain, c.Values[code]...)
			e.off = append(e.off, uint32(len(e.plain)))
		}
		e.plainStrings(&Column{Kind: KindPlain, N: c.N, Off: e.off, Data: e.plain}, spelled)
	default:
		e.dict(codes, spelled)
	}
}

// canonical numbers the values by their first row and leaves out those that do
// not occur: e.list has them then. What it returns is the caller's until it is
// put to e.free.
func (e *blockEncoder) canonical(c *Column) []uint16 {
	var codes []uint16
	if n := len(e.free); n > 0 {
		codes, e.free = e.free[n-1][:0], e.free[:n-1]
	}
	e.list = e.list[:0]
	e.seen = slices.Grow(e.seen[:0], len(c.Values))[:len(c.Values)]
	clear(e.seen)
	for _, old := range c.Codes {
		if e.seen[old] == 0 {
			e.list = append(e.list, c.Values[old])
			e.seen[old] = uint16(len(e.list))
		}
		codes = append(codes, e.seen[old]-1)
	}
	return codes
}

// dict stores e.list and codes, or how the codes follow from those of a column
// that is there already: a pod's name decides its node, its id and its labels.
func (e *blockEncoder) dict(codes []uint16, spelled encoding) {
	n := len(e.list)
	for _, d := range e.dicts {
		if d.values >= n && d.values*2 <= len(codes) && e.follows(codes, d) {
			from := e.chunk(encMapped | spelled)
			e.data = colenc.AppendStringList(e.data, e.list, e.z)
			e.endList(from, d, codes)
			return
		}
	}
	from := e.chunk(encDict | spelled)
	at := len(e.data)
	e.data = colenc.AppendStringList(e.data, e.list, e.z)
	size := len(e.data) - at
	e.data = colenc.AppendCodes(e.data, codes, uint16(n-1), e.z)
	e.end(from)
	e.meta = binary.AppendUvarint(e.meta, uint64(n))
	e.meta = binary.AppendUvarint(e.meta, uint64(size))
	e.dicts = append(e.dicts, dictColumn{e.cols - 1, codes, n})
}

// endList stores the code of each code of d, where they are not the same.
func (e *blockEncoder) endList(from int, d dictColumn, codes []uint16) {
	size, n := len(e.data)-from, len(e.list)
	if !identity(e.table[:d.values]) {
		e.data = colenc.AppendCodes(e.data, e.table[:d.values], uint16(n-1), e.z)
	}
	e.end(from)
	e.meta = binary.AppendUvarint(e.meta, uint64(n))
	e.meta = binary.AppendUvarint(e.meta, uint64(size))
	e.meta = binary.AppendUvarint(e.meta, uint64(d.number))
	e.free = append(e.free, codes)
}

// follows reports whether equal codes of d have equal codes here: e.table then
// has them.
func (e *blockEncoder) follows(codes []uint16, d dictColumn) bool {
	const unknown = math.MaxUint16
	e.table = slices.Grow(e.table[:0], d.values)[:d.values]
	for i := range e.table {
		e.table[i] = unknown
	}
	for i, code := range codes {
		at := d.codes[i]
		if e.table[at] == unknown {
			e.table[at] = code
		} else if e.table[at] != code {
			return false
		}
	}
	return true
}

func identity(codes []uint16) bool {
	for i, code := range codes {
		if int(code) != i {
			return false
		}
	}
	return true
}

// plainStrings stores strings that hardly repeat.
func (e *blockEncoder) plainStrings(c *Column, spelled encoding) {
	if c.N > 0 && allEqual(c) {
		e.constant(string(c.Data[c.Off[0]:c.Off[1]]), spelled)
		return
	}
	if d := e.repeats(c); d != nil {
		e.stringColumn(d, spelled)
		return
	}
	if spelled == 0 && c.N <= text.RowsMax {
		// Below this share of the bytes templates are taken without looking further.
		raw := int(c.Off[c.N] - c.Off[0])
		e.attempt = e.text.EncodeAt(e.attempt[:0], c.Off, c.Data, e.times)
		if len(e.attempt)*2 > raw {
			from := e.chunk(encPlain)
			e.data = colenc.AppendStrings(e.data, c.Off, c.Data, e.z)
			if len(e.data)-from < len(e.attempt) {
				e.end(from)
				return
			}
			e.data, e.meta = e.data[:from], e.meta[:len(e.meta)-1]
		}
		from := e.chunk(encText)
		e.data = append(e.data, e.attempt...)
		e.end(from)
		return
	}
	from := e.chunk(encPlain | spelled)
	e.data = colenc.AppendStrings(e.data, c.Off, c.Data, e.z)
	e.end(from)
}

// How many of a column's first rows are looked at to see whether values repeat,
// and how many may differ.
const (
	repeatRows = 128
	repeatMost = 48
)

// repeats gives a column of plain strings as one with a dictionary, where that is
// what it should have: nil else.
func (e *blockEncoder) repeats(c *Column) *Column {
	if c.N < repeatRows {
		return nil
	}
	if e.index == nil {
		e.index = make(map[string]uint16)
	}
	clear(e.index)
	e.values, e.codes = e.values[:0], e.codes[:0]
	for i := range c.N {
		s := c.Data[c.Off[i]:c.Off[i+1]]
		code, ok := e.index[string(s)]
		if !ok {
			if v := len(e.values); i < repeatRows && v == repeatMost || i >= repeatRows && (v+1)*8 > c.N {
				return nil
			}
			code = uint16(len(e.values))
			e.values = append(e.values, string(s))
			e.index[e.values[code]] = code
		}
		e.codes = append(e.codes, code)
	}
	return &Column{Kind: KindDict, N: c.N, Values: e.values, Codes: e.codes}
}

func allEqual(c *Column) bool {
	first := c.Data[c.Off[0]:c.Off[1]]
	for i := 1; i < c.N; i++ {
		if string(c.Data[c.Off[i]:c.Off[i+1]]) != string(first) {
			return false
		}
	}
	return true
}
