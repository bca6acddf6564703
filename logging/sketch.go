package logging

import (
	"math"
	"math/bits"
	"slices"
)

// Sketches replace exact answers where there are very many values. They do not
// depend on the order of the values.
const (
	exactMax = 65_536 // distinct values, and values for percentiles, kept as they are

	// registerBits give a standard error of 1.04/sqrt(2^16) = 0.41 %.
	registerBits = 16
	// quantileError is how far from the value at a rank a percentile may be.
	quantileError = 0.005
)

// distinct counts distinct hashes: exactly up to exactMax, then by HyperLogLog.
// The zero value is empty.
type distinct struct {
	table     []uint64 // open addressing, 0 is free
	n         int
	zero      bool // the hash 0 was there
	registers []uint8
	bytes     int // held
}

func (d *distinct) add(h uint64) {
	if d.registers != nil {
		d.register(h)
		return
	}
	if h == 0 {
		d.zero = true
		return
	}
	if 4*(d.n+1) > 3*len(d.table) {
		d.grow()
	}
	mask := uint64(len(d.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch d.table[i] {
		case h:
			return
		case 0:
			d.table[i] = h
			if d.n++; d.n > exactMax {
				d.sketch()
			}
			return
		}
	}
}

func (d *distinct) grow() {
	old := d.table
	d.table = make([]uint64, max(8, 2*len(old)))
	d.bytes += 8 * (len(d.table) - len(old))
	mask := uint64(len(d.table) - 1)
	for _, h := range old {
		if h == 0 {
			continue
		}
		i := h & mask
		for d.table[i] != 0 {
			i = (i + 1) & mask
		}
		d.table[i] = h
	}
}

// sketch goes over to registers.
func (d *distinct) sketch() {
	d.registers = make([]uint8, 1<<registerBits)
	for _, h := range d.table {
		if h != 0 {
			d.register(h)
		}
	}
	if d.zero {
		d.register(0)
	}
	d.table, d.bytes = nil, 1<<registerBits
}

func (d *distinct) register(h uint64) {
	rank := uint8(bits.LeadingZeros64(h<<registerBits|1<<(registerBits-1)) + 1)
	if r := &d.registers[h>>(64-registerBits)]; *r < rank {
		*r = rank
	}
}

// count gives the number of distinct hashes. Beyond exactMax it is estimated as
// by O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
// (2017), algorithm 6, which has no bias that would need tables.
func (d *distinct) count() int64 {
	if d.registers == nil {
		return int64(d.n + b2i(d.zero))
	}
	const q = 64 - registerBits
	var of [q + 2]int
	for _, r := range d.registers {
		of[r]++
	}
	const m = float64(1 << registerBits)
	z := m * tau(1-float64(of[q+1])/m)
	for k := q; k >= 1; k-- {
		z = 0.5 * (z + float64(of[k]))
	}
	z += m * sigma(float64(of[0])/m)
	return int64(math.Round(m * m / (2 * math.Ln2 * z)))
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		was := z
		z += x * y
		y += y
		if z == was {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		was := z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
		if z == was {
			return z / 3
		}
	}
}

// quantiles gives values by rank: exactly up to exactMax values, then from
// counts of logarithmic buckets, each value within quantileError of it (as
// C. Masson, J. Rim, H. Lee, "DDSketch", 2019). The zero value is empty.
type quantiles struct {
	vals     []float64
	sorted   bool
	ranks    ranks // of vals, once it was asked for one
	sketched bool
	n        int
	zeros    int
	pos, neg logCounts
	bytes    int // held
}

// logCounts counts values by the logarithm of their amount.
type logCounts struct {
	first  int // the bucket of counts[0]
	counts []int
}

const (
	quantileGamma = (1 + quantileError) / (1 - quantileError)
	logGamma      = 0.0100000833345833556551 // of quantileGamma
)

func (q *quantiles) add(x float64) {
	q.n++
	if !q.sketched {
		if q.n <= exactMax {
			before := cap(q.vals)
			q.vals, q.sorted = append(q.vals, x), false
			q.bytes += 8 * (cap(q.vals) - before)
			return
		}
		q.sketched = true
		vals := q.vals
		q.vals, q.bytes = nil, 0
		for _, x := range vals {
			q.sketch(x)
		}
	}
	q.sketch(x)
}

func (q *quantiles) sketch(x float64) {
	switch {
	case x > 0:
		q.bytes += q.pos.add(x)
	case x < 0:
		q.bytes += q.neg.add(-x)
	default:
		q.zeros++
	}
}

// add counts an amount above 0, and gives the bytes it took for it. There are at
// most 150,000 buckets for all there is of float64.
func (c *logCounts) add(x float64) int {
	k := int(math.Ceil(math.Log(x) / logGamma))
	before := len(c.counts)
	switch at := k - c.first; {
	case before == 0:
		c.first, c.counts = k, make([]int, 64)
	case at < 0:
		more := max(-at, before/2)
		c.counts = append(make([]int, more, more+before), c.counts...)
		c.first -= more
	case at >= before:
		c.counts = append(c.counts, make([]int, max(at-before+1, before/2))...)
	}
	c.counts[k-c.first]++
	return 8 * (len(c.counts) - before)
}

// amount is the middle of a bucket: within quantileError of all that is in it.
func (c *logCounts) amount(i int) float64 {
	return 2 * math.Exp(float64(c.first+i)*logGamma) / (quantileGamma + 1)
}

// at gives the value at a share of the ranks from 0 to 1, linearly between
// neighbours, with least and greatest being the ends. There must be values.
func (q *quantiles) at(share, least, greatest float64) float64 {
	rank := share * float64(q.n-1)
	low := int(rank)
	if !q.sketched {
		if len(q.ranks.x) != len(q.vals) {
			q.ranks = newRanks(q.vals)
		}
		x := q.ranks.at(low)
		if low+1 < q.n {
			x += (q.ranks.at(low+1) - x) * (rank - float64(low))
		}
		return x
	}
	x := min(max(q.ranked(low), least), greatest)
	if low+1 < q.n {
		x += (min(max(q.ranked(low+1), least), greatest) - x) * (rank - float64(low))
	}
	return x
}

// ranked gives the value at a rank, from 0.
func (q *quantiles) ranked(rank int) float64 {
	for i := len(q.neg.counts) - 1; i >= 0; i-- {
		if rank -= q.neg.counts[i]; rank < 0 {
			return -q.neg.amount(i)
		}
	}
	if rank -= q.zeros; rank < 0 {
		return 0
	}
	for i, n := range q.pos.counts {
		if rank -= n; rank < 0 {
			return q.pos.amount(i)
		}
	}
	return math.Inf(1)
}

// below gives the share of the values below x, from 0 to 1, those equal to it
// counting half, and linearly between neighbours; least and greatest are the
// ends. There must be values.
func (q *quantiles) below(x, least, greatest float64) float64 {
	switch {
	case x < least:
		return 0
	case x > greatest:
		return 1
	case q.sketched:
		return q.sketchedBelow(x) / float64(q.n)
	}
	if !q.sorted {
		sortFloats(q.vals)
		q.sorted = true
	}
	from, to := q.equals(x)
	if from < to {
		return float64(from+to) / 2 / float64(q.n)
	}
	// Between two values, each of which stands in the middle of its equals.
	a, b := q.vals[from-1], q.vals[from]
	aFrom, _ := q.equals(a)
	_, bTo := q.equals(b)
	low, high := float64(aFrom+from)/2, float64(from+bTo)/2
	return (low + (high-low)*(x-a)/(b-a)) / float64(q.n)
}

// equals gives the range of the sorted values that are x.
func (q *quantiles) equals(x float64) (from, to int) {
	from, found := slices.BinarySearch(q.vals, x)
	if !found {
		return from, from
	}
	to, _ = slices.BinarySearchFunc(q.vals, x, func(v, x float64) int {
		if v <= x {
			return -1
		}
		return 1
	})
	return from, to
}

// sketchedBelow counts what lies below x; of x's own bucket a share.
func (q *quantiles) sketchedBelow(x float64) float64 {
	negatives := 0
	for _, n := range q.neg.counts {
		negatives += n
	}
	switch {
	case x < 0:
		return float64(negatives) - q.neg.below(-x)
	case x == 0:
		return float64(negatives) + float64(q.zeros)/2
	}
	return float64(negatives+q.zeros) + q.pos.below(x)
}

// below counts the amounts below x.
func (c *logCounts) below(x float64) float64 {
	at := math.Log(x) / logGamma
	k := int(math.Ceil(at)) - c.first
	n := 0
	for i := range c.counts[:max(0, min(k, len(c.counts)))] {
		n += c.counts[i]
	}
	if k < 0 || k >= len(c.counts) {
		return float64(n)
	}
	return float64(n) + float64(c.counts[k])*(1-(math.Ceil(at)-at))
}
