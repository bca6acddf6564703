package segment

import (
	"hash/maphash"
	"slices"
	"unsafe"

	"github.com/oriel-project/oriel/internal/colenc"
)

// The forms of a column in memory.
type form uint8

const (
	formDict    form = iota // values, codes
	formPlain               // off, data
	formNumbers             // mant, frac
	formBool                // codes
	formTimes               // layout; mant, nil as long as they are the records' own times
	formAlias               // as an own column
)

// A column leaves the dictionary when it has more than a quarter as many values
// as rows, not before dictRowsMin rows; or where nearly all of its first rows
// differ, more than dictRowsFew.
const (
	dictRowsMin = 256
	dictRowsFew = 32
)

// memColumn is a column that rows are appended to. What was appended is never
// changed, so that slices of it can be read while it grows.
type memColumn struct {
	form     form
	spelled  bool // the strings are numbers as they were written
	alias    int32
	layout   colenc.Layout
	room     int // rows that are expected
	lastCode uint16
	last     string // the value of the last row, in dictionary form
	values   []string
	codes    []uint16 // nil as long as there is one value
	table    []uint16 // of the dictionary: code + 1 at the value's hash
	off      []uint32
	data     []byte
	mant     []int64
	frac     []uint8 // nil as long as there are no digits after a point
}

// appendOwn appends the string of row n, whose record has the time ns. A column
// whose strings are times keeps those.
func (c *memColumn) appendOwn(seed maphash.Seed, s []byte, n int, times []int64) {
	switch {
	case c.form == formTimes:
		if c.appendTime(s, n, times) {
			return
		}
		c.untime(seed, n, times)
	case n == 0 && len(s) >= timeBytesMin && c.form == formDict:
		if ns, layout, ok := colenc.ParseTime(unsafe.String(unsafe.SliceData(s), len(s))); ok {
			c.form, c.layout = formTimes, layout
			if ns != times[0] {
				c.mant = append(c.mant, ns)
			}
			return
		}
	}
	c.appendString(seed, s, n)
}

// timeBytesMin is the length of the shortest time.
const timeBytesMin = len("2006-01-02T15:04:05Z")

func (c *memColumn) appendTime(s []byte, n int, times []int64) bool {
	ns, layout, ok := colenc.ParseTime(unsafe.String(unsafe.SliceData(s), len(s)))
	if !ok {
		return false
	}
	if layout != c.layout && !c.layout.Fits(string(s), ns) {
		// What was written with as many digits as it needs has fewer now and then.
		shortest := c.layout.Shortest()
		if !shortest.Fits(string(s), ns) || !c.refits(shortest, n, times) {
			return false
		}
		c.layout = shortest
	}
	if c.mant == nil && ns != times[n] {
		c.mant = append(make([]int64, 0, max(2*n, 16)), times[:n]...)
	}
	if c.mant != nil {
		c.mant = push(c.mant, ns, n)
	}
	return true
}

// refits reports whether n times are written the same in another layout.
func (c *memColumn) refits(l colenc.Layout, n int, times []int64) bool {
	if c.mant != nil {
		times = c.mant
	}
	var a, b [64]byte
	for _, ns := range times[:n] {
		if string(colenc.AppendTime(a[:0], ns, c.layout)) != string(colenc.AppendTime(b[:0], ns, l)) {
			return false
		}
	}
	return true
}

// untime turns n times into strings.
func (c *memColumn) untime(seed maphash.Seed, n int, times []int64) {
	old := *c
	if old.mant != nil {
		times = old.mant
	}
	*c = memColumn{room: old.room}
	var b []byte
	for i, ns := range times[:n] {
		b = colenc.AppendTime(b[:0], ns, old.layout)
		c.appendString(seed, b, i)
	}
}

// appendText is appendString of a string.
func (c *memColumn) appendText(seed maphash.Seed, s string, n int) {
	c.appendString(seed, unsafe.Slice(unsafe.StringData(s), len(s)), n)
}

// appendString appends the string of row n.
func (c *memColumn) appendString(seed maphash.Seed, s []byte, n int) {
	switch c.form {
	case formDict:
		if string(s) == c.last && n > 0 {
			if c.codes != nil {
				c.codes = push(c.codes, c.lastCode, n)
			}
			return
		}
		c.appendCode(seed, s, n)
	case formPlain:
		c.appendPlain(s, n)
	}
}

func (c *memColumn) appendPlain(s []byte, n int) {
	if free := cap(c.data) - len(c.data); free < len(s) {
		// What is there says how much there will be.
		want := 2*cap(c.data) + len(s)
		if rows := cap(c.off); n > 64 && rows > n {
			want = max(len(c.data)+len(s), min(want, (len(c.data)/n+1)*(rows+rows/16)))
		}
		c.data = append(make([]byte, 0, want), c.data...)
	}
	c.data = append(c.data, s...)
	c.off = push(c.off, uint32(len(c.data)), n+1)
}

// push appends v behind n others, with room for twice as many rows where there
// is none left.
func push[T any](s []T, v T, n int) []T {
	if len(s) == cap(s) {
		s = append(make([]T, 0, min(max(2*n, 16), max(RowsMax, n+1)+1)), s...)
	}
	return append(s, v)
}

func (c *memColumn) appendCode(seed maphash.Seed, s []byte, n int) {
	if v := len(c.values); n >= dictRowsMin && v*4 > n || n >= dictRowsFew && v*8 > n*7 {
		c.toPlain(n)
		c.appendPlain(s, n)
		return
	}
	if 2*len(c.values) >= len(c.table) {
		c.growTable(seed)
	}
	mask := uint64(len(c.table) - 1)
	at := maphash.Bytes(seed, s) & mask
	for c.table[at] != 0 && c.values[c.table[at]-1] != string(s) {
		at = (at + 1) & mask
	}
	code := c.table[at]
	if code == 0 {
		c.values = append(c.values, string(s))
		code = uint16(len(c.values))
		c.table[at] = code
	}
	c.lastCode = code - 1
	c.last = c.values[c.lastCode]
	if c.codes == nil && c.lastCode != 0 {
		c.codes = make([]uint16, n, max(2*n, c.room, 16))
	}
	if c.codes != nil {
		c.codes = push(c.codes, c.lastCode, n)
	}
}

func (c *memColumn) growTable(seed maphash.Seed) {
	c.table = make([]uint16, max(8, 2*len(c.table)))
	mask := uint64(len(c.table) - 1)
	for i, v := range c.values {
		at := maphash.String(seed, v) & mask
		for c.table[at] != 0 {
			at = (at + 1) & mask
		}
		c.table[at] = uint16(i + 1)
	}
}

// toPlain turns n rows of a dictionary into plain strings.
func (c *memColumn) toPlain(n int) {
	size := 0
	for i := range n {
		size += len(c.values[c.code(i)])
	}
	c.off = make([]uint32, 1, max(2*n, c.room)+1)
	c.data = make([]byte, 0, (size/n+1)*max(2*n, c.room))
	for i := range n {
		c.data = append(c.data, c.values[c.code(i)]...)
		c.off = append(c.off, uint32(len(c.data)))
	}
	c.form, c.values, c.codes, c.table, c.last = formPlain, nil, nil, nil, ""
}

func (c *memColumn) code(row int) int {
	if c.codes == nil {
		return 0
	}
	return int(c.codes[row])
}

// appendNumber appends the number of row n.
func (c *memColumn) appendNumber(seed maphash.Seed, s []byte, n int) {
	if c.form == formNumbers {
		mant, frac, ok := colenc.ParseDecimal(s)
		if ok {
			c.mant = push(c.mant, mant, n)
			if c.frac == nil && frac != 0 {
				c.frac = make([]uint8, n, max(cap(c.mant), 16))
			}
			if c.frac != nil {
				c.frac = push(c.frac, frac, n)
			}
			return
		}
		c.spell(seed, n)
	}
	c.appendString(seed, s, n)
}

// spell turns n numbers into the strings they were written as.
func (c *memColumn) spell(seed maphash.Seed, n int) {
	mant, frac := c.mant, c.frac
	*c = memColumn{form: formDict, spelled: true, room: c.room}
	var b []byte
	for i := range n {
		var f uint8
		if frac != nil {
			f = frac[i]
		}
		b = colenc.AppendDecimal(b[:0], mant[i], f)
		c.appendString(seed, b, i)
	}
}

func (c *memColumn) appendBool(v bool, n int) {
	var b uint16
	if v {
		b = 1
	}
	c.codes = push(c.codes, b, n)
}

// view gives rows [0, n) as a Column; times are those of the records.
func (c *memColumn) view(n int, times []int64) *Column {
	out := &Column{N: n}
	switch c.form {
	case formDict:
		out.Kind, out.Values = KindDict, c.values
		if c.codes != nil {
			out.Codes = c.codes[:n:n]
		}
	case formPlain:
		out.Kind, out.Off = KindPlain, c.off[:n+1:n+1]
		out.Data = c.data[:out.Off[n]:out.Off[n]]
	case formNumbers:
		out.Kind, out.Mant = KindInts, c.mant[:n:n]
		if c.frac != nil {
			out.Kind, out.Frac = KindDecimal, c.frac[:n:n]
		}
	case formTimes:
		out.Kind, out.Layout, out.Times = KindTimes, c.layout, times[:n:n]
		if c.mant != nil {
			out.Times = c.mant[:n:n]
		}
	case formBool:
		out.Kind, out.Codes = KindBool, c.codes[:n:n]
	}
	if c.spelled {
		out.Kind = KindSpelled
	}
	return out
}

// kind gives the kind that view will have.
func (c *memColumn) kind() Kind {
	switch {
	case c.spelled:
		return KindSpelled
	case c.form == formDict:
		return KindDict
	case c.form == formPlain:
		return KindPlain
	case c.form == formTimes:
		return KindTimes
	case c.form == formBool:
		return KindBool
	case c.frac != nil:
		return KindDecimal
	}
	return KindInts
}

// bytes is the memory held, about.
func (c *memColumn) bytes() int64 {
	n := 2*(cap(c.codes)+cap(c.table)) + 4*cap(c.off) + cap(c.data) + 8*cap(c.mant) + cap(c.frac) + 16*cap(c.values)
	for _, v := range c.values[:min(len(c.values), 16)] {
		n += len(v) * max(1, len(c.values)/16)
	}
	return int64(n)
}

// numberRange bounds the first n numbers.
func (c *memColumn) numberRange(n int) (low, high float64, ok bool) {
	if c.form != formNumbers || c.frac != nil || n == 0 {
		return 0, 0, false
	}
	return float64(slices.Min(c.mant[:n])), float64(slices.Max(c.mant[:n])), true
}
