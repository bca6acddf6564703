package text

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"
)

// distinct finds the different ones among values; its buffers are used again.
type distinct struct {
	seed  maphash.Seed
	ready bool
	table []uint32 // 1 + index, by hash
	vals  []uint64
	code  []uint64
	spn   []span
}

const spread = 0x9e3779b97f4a7c15 // odd, near 2^64 divided by the golden ratio

// reset gives an empty table for up to limit values, at most half full, and how
// far a hash has to be shifted to be an index of it.
func (d *distinct) reset(limit int) (shift int) {
	size := 4
	for size < 2*limit {
		size *= 2
	}
	d.table = slices.Grow(d.table[:0], size)[:size]
	clear(d.table)
	return 64 - bits.TrailingZeros(uint(size))
}

// ints gives the different values in ascending order, false if there are more
// than limit.
func (d *distinct) ints(vals []uint64, limit int) ([]uint64, bool) {
	if limit < 2 {
		return nil, false
	}
	shift := d.reset(limit + 1)
	d.vals = d.vals[:0]
	for _, v := range vals {
		at := v * spread >> shift
		for d.table[at] != 0 && d.vals[d.table[at]-1] != v {
			if at++; at == uint64(len(d.table)) {
				at = 0
			}
		}
		if d.table[at] == 0 {
			if len(d.vals) == limit {
				return nil, false
			}
			d.vals = append(d.vals, v)
			d.table[at] = uint32(len(d.vals))
		}
	}
	slices.Sort(d.vals)
	clear(d.table)
	for i, v := range d.vals {
		at := v * spread >> shift
		for d.table[at] != 0 {
			if at++; at == uint64(len(d.table)) {
				at = 0
			}
		}
		d.table[at] = uint32(i + 1)
	}
	return d.vals, true
}

// intCode is the index of a value in what ints gave.
func (d *distinct) intCode(v uint64) uint64 {
	shift := 64 - bits.TrailingZeros(uint(len(d.table)))
	at := v * spread >> shift
	for d.vals[d.table[at]-1] != v {
		if at++; at == uint64(len(d.table)) {
			at = 0
		}
	}
	return uint64(d.table[at] - 1)
}

// spans gives the different values in the order in which they come, and which of
// them each value is; false if there are more than limit.
func (d *distinct) spans(vals []span, data []byte, limit int) (codes []uint64, different []span, ok bool) {
	if !d.ready {
		d.seed, d.ready = maphash.MakeSeed(), true
	}
	shift := d.reset(limit + 1)
	d.code, d.spn = d.code[:0], d.spn[:0]
	for _, s := range vals {
		v := data[s.from:s.to]
		at := maphash.Bytes(d.seed, v) >> shift
		for d.table[at] != 0 {
			if o := d.spn[d.table[at]-1]; bytes.Equal(data[o.from:o.to], v) {
				break
			}
			if at++; at == uint64(len(d.table)) {
				at = 0
			}
		}
		if d.table[at] == 0 {
			if len(d.spn) == limit {
				return nil, nil, false
			}
			d.spn = append(d.spn, s)
			d.table[at] = uint32(len(d.spn))
		}
		d.code = append(d.code, uint64(d.table[at]-1))
	}
	return d.code, d.spn, true
}
