package colenc

import (
	"encoding/binary"
	"math/bits"
)

// The kinds of a column of truth values, in its first byte.
const (
	boolsFalse = 0
	boolsTrue  = 1
	boolsBits  = 2
	boolsRuns  = 3
)

// BitWords returns how many words hold n bits.
func BitWords(n int) int { return (n + 63) / 64 }

// AppendBools appends n truth values: value i is bit i%64 of set[i/64]. Bits
// from n on are of no matter.
func AppendBools(dst []byte, set []uint64, n int) []byte {
	if n == 0 {
		return dst
	}
	set = set[:BitWords(n)]
	trues := 0
	edges := 0 // rows that differ from the row before; before the first is false
	before := uint64(0)
	for i, w := range set {
		if last := n - 64*i; last < 64 {
			w &= 1<<last - 1
			edges += bits.OnesCount64((w ^ (w<<1 | before)) & (1<<last - 1))
		} else {
			edges += bits.OnesCount64(w ^ (w<<1 | before))
		}
		trues += bits.OnesCount64(w)
		before = w >> 63
	}
	switch {
	case trues == 0:
		return append(dst, boolsFalse)
	case trues == n:
		return append(dst, boolsTrue)
	case edges*2+2 < n/8:
		return appendBoolRuns(append(dst, boolsRuns), set, n)
	}
	dst = append(dst, boolsBits)
	for i, w := range set {
		if last := n - 64*i; last < 64 {
			w &= 1<<last - 1
			for ; last > 0; last -= 8 {
				dst = append(dst, byte(w))
				w >>= 8
			}
			break
		}
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	return dst
}

// appendBoolRuns appends the lengths of the runs, false first.
func appendBoolRuns(dst []byte, set []uint64, n int) []byte {
	from, value := 0, uint64(0)
	for i := range n {
		if v := set[i/64] >> (i % 64) & 1; v != value {
			dst = binary.AppendUvarint(dst, uint64(i-from))
			from, value = i, v
		}
	}
	return binary.AppendUvarint(dst, uint64(n-from))
}

// DecodeBools returns the n values of AppendBools as words, in into where they
// fit. Bits from n on are zero.
func DecodeBools(b []byte, n int, into []uint64) ([]uint64, error) {
	if err := checkRows("bools", n); err != nil {
		return nil, err
	}
	out := resize(into, BitWords(n))
	clear(out)
	if n == 0 {
		if len(b) > 0 {
			return nil, corrupt("bools: bytes of no rows")
		}
		return out, nil
	}
	c := cursor{b: b}
	switch kind := c.byte(); kind {
	case boolsFalse:
	case boolsTrue:
		setBits(out, 0, n)
	case boolsBits:
		raw := c.bytes(uint64(n+7) / 8)
		if c.bad {
			break
		}
		for i := range out {
			var word [8]byte
			copy(word[:], raw[8*i:])
			out[i] = binary.LittleEndian.Uint64(word[:])
		}
		if n%64 != 0 && out[len(out)-1]>>(n%64) != 0 {
			return nil, corrupt("bools: bits beyond row %d", n)
		}
	case boolsRuns:
		for at, value := 0, false; at < n && !c.bad; value = !value {
			run := c.uvarint()
			if run > uint64(n-at) {
				c.fail()
				break
			}
			if value {
				setBits(out, at, at+int(run))
			}
			at += int(run)
		}
	default:
		return nil, corrupt("bools: kind %d", kind)
	}
	if c.bad || len(c.b) > 0 {
		return nil, corrupt("bools: not as long as %d rows need", n)
	}
	return out, nil
}

// setBits sets the bits from until to, exclusive.
func setBits(set []uint64, from, to int) {
	for from < to {
		end := min(to, from/64*64+64)
		set[from/64] |= ^uint64(0) >> (64 - (end - from)) << (from % 64)
		from = end
	}
}
