package logging

import (
	"cmp"
	"math"
	"strings"
)

const (
	noID    = math.MaxUint32     // the value makes no bucket
	unasked = math.MaxUint32 - 1 // of a code whose id is not looked up yet
)

// termIDs numbers the keys of a Terms from 0, over all the buckets it is in.
// There may be millions of strings: they are told apart by their StringKeys, found
// by open addressing, and lie in large pieces of memory, or stay in the columns
// they came in.
type termIDs struct {
	keys  []StringKey // by id; of what is no string anything
	where []termPlace // by id
	table keyTable

	strs    []string
	columns []func(code uint32) (string, error) // values of columns that ids came in
	piece   *strings.Builder                    // never grows: strings made of it stay

	rest map[termKey]uint32
	vals []Value // of rest
}

// termPlace says where the value of an id is.
type termPlace struct {
	kind termPlaceKind
	at   uint32 // in strs, vals, or columns
	code uint32 // of the column
}

type termPlaceKind uint8

const (
	inStrings termPlaceKind = iota
	inValues
	inColumns
)

const pieceBytes = 1 << 14

func newTermIDs() termIDs {
	return termIDs{rest: map[termKey]uint32{}, piece: &strings.Builder{}}
}

// n is the number of ids.
func (t *termIDs) n() int { return len(t.keys) }

// value gives the key of an id.
func (t *termIDs) value(id uint32) (Value, error) {
	switch w := t.where[id]; w.kind {
	case inValues:
		return t.vals[w.at], nil
	case inColumns:
		s, err := t.columns[w.at](w.code)
		return String(s), err
	default:
		return String(t.strs[w.at]), nil
	}
}

// key gives the key of an id; ok is false where that is no string.
func (t *termIDs) key(id uint32) (k StringKey, ok bool) {
	return t.keys[id], t.where[id].kind != inValues
}

// byPlace orders ids such that their values are cheap one after the other.
func (t *termIDs) byPlace(a, b uint32) int {
	x, y := t.where[a], t.where[b]
	return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.at, y.at), cmp.Compare(x.code, y.code))
}

func (t *termIDs) add(k StringKey, w termPlace) uint32 {
	t.keys, t.where = append(t.keys, k), append(t.where, w)
	return uint32(len(t.keys) - 1)
}

// of numbers a value.
func (t *termIDs) of(v Value, b *aggBounds, field string) (uint32, error) {
	if v.Kind == KindString {
		return t.ofString(v.Str, b, field)
	}
	k := keyOf(v)
	if id, ok := t.rest[k]; ok {
		return id, nil
	}
	if k.kind == KindInt {
		v = Int(k.num)
	}
	t.vals = append(t.vals, v)
	id := t.add(StringKey{}, termPlace{kind: inValues, at: uint32(len(t.vals) - 1)})
	t.rest[k] = id
	return id, b.hold(keyBytes, "terms of", field)
}

// ofString numbers a string, which is copied if it is new.
func (t *termIDs) ofString(s string, b *aggBounds, field string) (uint32, error) {
	k := KeyOfString(s)
	slot, id, err := t.table.find(k, t.keys, b)
	if slot < 0 {
		return id, err
	}
	t.strs = append(t.strs, t.keep(s))
	id = t.add(k, termPlace{kind: inStrings, at: uint32(len(t.strs) - 1)})
	t.table.put(slot, id)
	return id, b.hold(stringBytes+len(s), "terms of", field)
}

// column takes a column in, for ofCode.
func (t *termIDs) column(of Keyed) uint32 {
	t.columns = append(t.columns, of.Value)
	return uint32(len(t.columns) - 1)
}

// forget takes back the column that was taken in last, of which no id is.
func (t *termIDs) forget(column uint32) { t.columns = t.columns[:column] }

// ofCode numbers the string of a code of a column.
func (t *termIDs) ofCode(column, code uint32, k StringKey, b *aggBounds, field string) (uint32, error) {
	slot, id, err := t.table.find(k, t.keys, b)
	if slot < 0 {
		return id, err
	}
	id = t.add(k, termPlace{kind: inColumns, at: column, code: code})
	t.table.put(slot, id)
	return id, b.hold(stringBytes, "terms of", field)
}

// keep copies a string.
func (t *termIDs) keep(s string) string {
	if len(s) > pieceBytes/8 {
		return strings.Clone(s)
	}
	if t.piece.Cap()-t.piece.Len() < len(s) {
		t.piece = &strings.Builder{}
		t.piece.Grow(min(pieceBytes, max(len(s), 64, 16*len(t.strs))))
	}
	from := t.piece.Len()
	t.piece.WriteString(s)
	return t.piece.String()[from:]
}
