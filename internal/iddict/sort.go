package iddict

import "math/bits"

// entry is an id and where it was added.
type entry struct {
	key
	handle uint32
}

// sortEntries sorts es by key and, where these are equal, by handle, in which
// order es must be. tmp is as long. Every round deals them out by the highest
// bits in which they differ: random ids are in place after two, and ids that
// have a common beginning pay nothing for it.
func sortEntries(es, tmp []entry) {
	const few = 24
	if len(es) <= few {
		insertEntries(es)
		return
	}
	first := es[0].key
	var differ key
	for i := range es {
		differ.hi |= es[i].hi ^ first.hi
		differ.lo |= es[i].lo ^ first.lo
	}
	width := min(max(bits.Len(uint(len(es)))-3, 3), 12)
	hi, shift := true, bits.Len64(differ.hi)-width
	if differ.hi == 0 {
		hi, shift = false, bits.Len64(differ.lo)-width
		if differ.lo == 0 {
			return
		}
	}
	shift = max(shift, 0)
	mask := uint64(1)<<width - 1
	digit := func(e *entry) uint64 {
		if hi {
			return e.hi >> shift & mask
		}
		return e.lo >> shift & mask
	}
	var ends [1 << 12]uint32
	for i := range es {
		ends[digit(&es[i])]++
	}
	sum := uint32(0)
	for i := range mask + 1 {
		n := ends[i]
		ends[i] = sum
		sum += n
	}
	for i := range es {
		d := digit(&es[i])
		tmp[ends[d]] = es[i]
		ends[d]++
	}
	copy(es, tmp)
	from := uint32(0)
	for _, end := range ends[:mask+1] {
		if end-from > 1 {
			sortEntries(es[from:end], tmp[from:end])
		}
		from = end
	}
}

func insertEntries(es []entry) {
	for i := 1; i < len(es); i++ {
		e := es[i]
		j := i
		for ; j > 0 && e.less(es[j-1].key); j-- {
			es[j] = es[j-1]
		}
		es[j] = e
	}
}
