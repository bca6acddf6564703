package logging

import (
	"math"
	"slices"
)

// What sortFloats looks at in one pass, and from how many numbers on passes over
// all of them are quicker than comparing.
const (
	sortDigitBits = 11
	sortDigits    = (64 + sortDigitBits - 1) / sortDigitBits
	sortPassesMin = 1 << 10
)

// sortFloats is slices.Sort of numbers of which none is NaN: by their bits, from
// the lowest digits to the highest. Digits that all have alike are passed over.
func sortFloats(x []float64) {
	if len(x) < sortPassesMin {
		slices.Sort(x)
		return
	}
	var counts [sortDigits][1 << sortDigitBits]uint32
	from := make([]uint64, 2*len(x))
	from, to := from[:len(x)], from[len(x):]
	for i, v := range x {
		b := math.Float64bits(v)
		b ^= uint64(int64(b)>>63) | 1<<63 // so that bits order as numbers do
		from[i] = b
		for d := range counts {
			counts[d][b>>(d*sortDigitBits)&(1<<sortDigitBits-1)]++
		}
	}
	for d := range counts {
		shift, places := d*sortDigitBits, &counts[d]
		if int(places[from[0]>>shift&(1<<sortDigitBits-1)]) == len(x) {
			continue
		}
		at := uint32(0)
		for i, n := range places {
			places[i] = at
			at += n
		}
		for _, b := range from {
			p := &places[b>>shift&(1<<sortDigitBits-1)]
			to[*p] = b
			*p++
		}
		from, to = to, from
	}
	for i, b := range from {
		b ^= ^uint64(int64(b)>>63) | 1<<63
		x[i] = math.Float64frombits(b)
	}
}
