package logging

import (
	"hash/maphash"
	"math"
	"strings"
)

const (
	noID    = math.MaxUint32     // the value makes no bucket
	unasked = math.MaxUint32 - 1 // of a code whose id is not looked up yet
)

// termIDs numbers the keys of a Terms from 0, over all the buckets it is in.
// There may be millions of strings: they lie in large pieces of memory and are
// found by open addressing.
type termIDs struct {
	strs  []string // by id; "" for what is no string
	table []uint64 // 32 bits of the hash, then the id plus 1; 0 is free
	used  int
	seed  maphash.Seed
	piece *strings.Builder // never grows: strings made of it stay

	rest map[termKey]uint32
	vals map[uint32]Value // of rest, by id
}

const pieceBytes = 1 << 14

func newTermIDs() termIDs {
	return termIDs{seed: maphash.MakeSeed(), rest: map[termKey]uint32{}, vals: map[uint32]Value{}, piece: &strings.Builder{}}
}

// value gives the key of an id.
func (t *termIDs) value(id uint32) Value {
	if len(t.vals) > 0 {
		if v, ok := t.vals[id]; ok {
			return v
		}
	}
	return String(t.strs[id])
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
	id := uint32(len(t.strs))
	t.rest[k], t.vals[id] = id, v
	t.strs = append(t.strs, "")
	return id, b.hold(keyBytes, "terms of", field)
}

// ofString numbers a string, which is copied if it is new.
func (t *termIDs) ofString(s string, b *aggBounds, field string) (uint32, error) {
	hash := maphash.String(t.seed, s) >> 32
	if 2*(t.used+1) > len(t.table) {
		t.grow()
	}
	mask := uint64(len(t.table) - 1)
	i := hash & mask
	for ; t.table[i] != 0; i = (i + 1) & mask {
		if e := t.table[i]; e>>32 == hash && t.strs[uint32(e)-1] == s {
			return uint32(e) - 1, nil
		}
	}
	id := uint32(len(t.strs))
	t.table[i] = hash<<32 | uint64(id+1)
	t.used++
	t.strs = append(t.strs, t.keep(s))
	return id, b.hold(stringBytes+len(s), "terms of", field)
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

func (t *termIDs) grow() {
	old := t.table
	t.table = make([]uint64, max(16, 2*len(old)))
	mask := uint64(len(t.table) - 1)
	for _, e := range old {
		if e == 0 {
			continue
		}
		i := e >> 32 & mask
		for t.table[i] != 0 {
			i = (i + 1) & mask
		}
		t.table[i] = e
	}
}
