package colenc

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/oriel-project/oriel/internal/bitpack"
)

// The kinds of a column of integers, in its first byte.
const (
	intsConst = 0
	intsBased = 1
	intsDelta = 2
	intsRuns  = 3

	intsKind    = 0x0f
	intsDivisor = 0x10
)

// AppendInts appends vals, any numbers, in the way that takes the least space:
// one constant, runs, or bits above the least value or above the least
// difference of each 128, all of them divided by what divides them all.
func AppendInts(dst []byte, vals []int64) []byte { return appendInts(dst, vals) }

// DecodeInts returns the n values of AppendInts, in into where they fit.
func DecodeInts(b []byte, n int, into []int64) ([]int64, error) {
	return decodeInts("ints", b, n, into)
}

// intsStats is what one look at a column tells.
type intsStats struct {
	min, max int64
	divisor  uint64 // of all differences; 0: all are equal
	based    int    // bytes
	delta    int    // bytes; math.MaxInt where differences overflow
	runs     int    // bytes; math.MaxInt where there are too many
}

// appendInts is AppendInts for every type of numbers below 2^63.
func appendInts[T bitpack.Number](dst []byte, vals []T) []byte {
	if len(vals) == 0 {
		return dst
	}
	st := measure(vals)
	if st.divisor == 0 {
		return binary.AppendVarint(append(dst, intsConst), int64(vals[0]))
	}
	kind := byte(intsBased)
	if best := min(st.based, st.delta, st.runs); best == st.runs {
		kind = intsRuns
	} else if best == st.delta {
		kind = intsDelta
	}
	if st.divisor > 1 {
		dst = binary.AppendUvarint(append(dst, kind|intsDivisor), st.divisor)
	} else {
		dst = append(dst, kind)
	}
	switch kind {
	case intsRuns:
		return appendRuns(dst, vals, int64(st.divisor))
	case intsDelta:
		return appendDelta(dst, vals, int64(st.divisor))
	}
	return appendBased(dst, vals, st.min, st.divisor)
}

// measure finds what each kind costs, in one pass. The divisor is known only at
// its end: the bits that it saves are then taken off for every value alike.
func measure[T bitpack.Number](vals []T) intsStats {
	st := intsStats{min: int64(vals[0]), max: int64(vals[0])}
	first, prev := int64(vals[0]), int64(vals[0])
	runs, run := 0, 0
	// Bits of the groups, and how many values stand in groups with bits.
	var based, delta, groups, basedWide, deltaWide int
	for at := 0; at < len(vals); at += group {
		g := vals[at:min(at+group, len(vals))]
		lo, hi := int64(g[0]), int64(g[0])
		dlo, dhi := int64(math.MaxInt64), int64(math.MinInt64)
		for i, x := range g {
			v := int64(x)
			lo, hi = min(lo, v), max(hi, v)
			d := v - prev
			if at+i > 0 {
				dlo, dhi = min(dlo, d), max(dhi, d)
			}
			if d != 0 {
				if runs < len(vals) {
					runs += uvarintLen(zigzag(d)) + uvarintLen(uint64(at+i-run))
					run = at + i
				}
				if st.divisor != 1 {
					st.divisor = gcd(st.divisor, distance(first, v))
				}
			}
			prev = v
		}
		st.min, st.max = min(st.min, lo), max(st.max, hi)
		groups++
		if hi != lo {
			based += bits.Len64(uint64(hi)-uint64(lo)) * len(g)
			basedWide += len(g)
		}
		if dhi > dlo {
			delta += bits.Len64(uint64(dhi)-uint64(dlo)) * len(g)
			deltaWide += len(g)
		}
	}
	less := 0
	if st.divisor > 1 {
		less = bits.Len64(st.divisor) - 1
	}
	st.based = (based-less*basedWide)/8 + groups*(1+uvarintLen((uint64(st.max)-uint64(st.min))/max(st.divisor, 1))) + 4
	st.delta = (delta-less*deltaWide)/8 + groups*2
	st.runs = runs + uvarintLen(uint64(len(vals)-run))
	if runs >= len(vals) {
		st.runs = math.MaxInt
	}
	if uint64(st.max)-uint64(st.min) > math.MaxInt64 {
		st.delta, st.runs = math.MaxInt, math.MaxInt
	}
	return st
}

// distance returns how far a and b are apart.
func distance(a, b int64) uint64 { return uint64(max(a, b)) - uint64(min(a, b)) }

// gcd returns the greatest common divisor; gcd(0, b) is b.
func gcd(a, b uint64) uint64 {
	if a > 0 && b%a == 0 {
		return a
	}
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func appendBased[T bitpack.Number](dst []byte, vals []T, least int64, divisor uint64) []byte {
	dst = binary.AppendVarint(dst, least)
	var buf [group]uint64
	for len(vals) > 0 {
		n := min(group, len(vals))
		g := buf[:n]
		lo := ^uint64(0)
		for i, x := range vals[:n] {
			g[i] = uint64(x) - uint64(least)
			lo = min(lo, g[i])
		}
		for i := range g {
			g[i] -= lo
		}
		if divisor > 1 {
			for i := range g {
				g[i] /= divisor
			}
			lo /= divisor
		}
		dst = bitpack.AppendGroup(binary.AppendUvarint(dst, lo), g)
		vals = vals[n:]
	}
	return dst
}

func appendDelta[T bitpack.Number](dst []byte, vals []T, divisor int64) []byte {
	prev := int64(vals[0])
	dst = binary.AppendVarint(dst, prev)
	vals = vals[1:]
	var buf [group]uint64
	for len(vals) > 0 {
		n := min(group, len(vals))
		g := buf[:n]
		lo := int64(math.MaxInt64)
		for i, x := range vals[:n] {
			d := int64(x) - prev
			prev = int64(x)
			g[i] = uint64(d)
			lo = min(lo, d)
		}
		for i := range g {
			g[i] -= uint64(lo)
		}
		if divisor > 1 {
			for i := range g {
				g[i] /= uint64(divisor)
			}
			lo /= divisor
		}
		dst = bitpack.AppendGroup(binary.AppendVarint(dst, lo), g)
		vals = vals[n:]
	}
	return dst
}

// appendRuns appends, for each run, the difference to the run before and the
// length of it minus one.
func appendRuns[T bitpack.Number](dst []byte, vals []T, divisor int64) []byte {
	dst = binary.AppendVarint(dst, int64(vals[0]))
	prev := vals[0]
	for len(vals) > 0 {
		v, n := vals[0], 1
		for n < len(vals) && vals[n] == v {
			n++
		}
		dst = binary.AppendVarint(dst, (int64(v)-int64(prev))/divisor)
		dst = binary.AppendUvarint(dst, uint64(n-1))
		prev, vals = v, vals[n:]
	}
	return dst
}

func decodeInts[T bitpack.Number](what string, b []byte, n int, into []T) ([]T, error) {
	c := cursor{b: b}
	out, err := readInts(what, &c, n, into)
	if err == nil && len(c.b) > 0 {
		return nil, corrupt("%s: %d bytes too many", what, len(c.b))
	}
	return out, err
}

// readInts reads what appendInts wrote; it knows its own end. Values beyond T
// are cut to it.
func readInts[T bitpack.Number](what string, c *cursor, n int, into []T) ([]T, error) {
	if err := checkRows(what, n); err != nil {
		return nil, err
	}
	out := resize(into, n)
	if n == 0 {
		return out, nil
	}
	head := c.byte()
	divisor := uint64(1)
	if head&intsDivisor != 0 {
		divisor = c.uvarint()
	}
	first := uint64(c.varint())
	if c.bad || head > intsRuns|intsDivisor {
		return nil, corrupt("%s: kind %#x", what, head)
	}
	switch head & intsKind {
	case intsConst:
		for i := range out {
			out[i] = T(first)
		}
	case intsBased:
		readBased(c, out, first, divisor)
	case intsDelta:
		readDelta(c, out, first, divisor)
	case intsRuns:
		readRuns(c, out, first, divisor)
	default:
		return nil, corrupt("%s: kind %#x", what, head)
	}
	if c.bad {
		return nil, corrupt("%s: kind %#x: cut off, or wider than 64 bits", what, head)
	}
	return out, nil
}

// readGroup reads a group of len(out) values, to which base is added.
func readGroup[T bitpack.Number](c *cursor, out []T, base, divisor uint64) {
	rest, ok := bitpack.UnpackGroup(out, c.b, base, divisor)
	if c.b = rest; !ok {
		c.fail()
	}
}

func readBased[T bitpack.Number](c *cursor, out []T, least, divisor uint64) {
	for len(out) > 0 && !c.bad {
		n := min(group, len(out))
		base := c.uvarint()
		readGroup(c, out[:n], least+base*divisor, divisor)
		out = out[n:]
	}
}

func readDelta[T bitpack.Number](c *cursor, out []T, first, divisor uint64) {
	var diffs [group]uint64
	out[0] = T(first)
	out = out[1:]
	for at := first; len(out) > 0 && !c.bad; {
		n := min(group, len(out))
		base := uint64(c.varint())
		readGroup(c, diffs[:n], base*divisor, divisor)
		if o := out[:n]; n == group {
			at = sums((*[group]T)(o), &diffs, at)
		} else {
			for i := range o {
				at += diffs[i]
				o[i] = T(at)
			}
		}
		out = out[n:]
	}
}

// sums sets every out[i] to at plus the differences up to i, and returns the
// last.
func sums[T bitpack.Number](out *[group]T, diffs *[group]uint64, at uint64) uint64 {
	for i := 0; i < group; i += 4 {
		a := at + diffs[i]
		b := a + diffs[i+1]
		cc := b + diffs[i+2]
		at = cc + diffs[i+3]
		out[i], out[i+1], out[i+2], out[i+3] = T(a), T(b), T(cc), T(at)
	}
	return at
}

func readRuns[T bitpack.Number](c *cursor, out []T, first, divisor uint64) {
	for at := first; len(out) > 0 && !c.bad; {
		at += uint64(c.varint()) * divisor
		n := c.uvarint()
		if n >= uint64(len(out)) {
			c.fail()
			return
		}
		run := out[:n+1]
		for i := range run {
			run[i] = T(at)
		}
		out = out[n+1:]
	}
}

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }
