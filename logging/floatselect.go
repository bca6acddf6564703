package logging

import (
	"math/bits"
	"slices"
)

// ranks gives numbers by their rank without sorting all of them: what was looked at
// for one rank is left out of the search for the next. The numbers are reordered, and
// none of them may be NaN.
type ranks struct {
	x []float64
	// cuts ascend from 0 to len(x): what stands before one is not greater than what
	// stands behind it.
	cuts []int
}

func newRanks(x []float64) ranks { return ranks{x, []int{0, len(x)}} }

// at gives the number of a rank from 0.
func (r *ranks) at(rank int) float64 {
	i, _ := slices.BinarySearch(r.cuts, rank+1)
	from, to := r.cuts[i-1], r.cuts[i]
	if to-from > 1 {
		selectFloat(r.x[from:to], rank-from)
		cuts := make([]int, 0, 2)
		for _, cut := range [...]int{rank, rank + 1} {
			if from < cut && cut < to {
				cuts = append(cuts, cut)
			}
		}
		r.cuts = slices.Insert(r.cuts, i, cuts...)
	}
	return r.x[rank]
}

// selectFloat reorders x such that x[k] is what it would be if x were sorted, what
// stands before it is not greater, and what stands behind it not less (C. Hoare,
// "Find", 1961). Where the halves are bad again and again it sorts: the time does not
// depend on what somebody chose the numbers to be.
func selectFloat(x []float64, k int) {
	if k == 0 {
		least := 0
		for i, v := range x {
			if v < x[least] {
				least = i
			}
		}
		x[0], x[least] = x[least], x[0]
		return
	}
	for turns := 2 * bits.Len(uint(len(x))); len(x) > 12; turns-- {
		if turns == 0 {
			sortFloats(x)
			return
		}
		a, b, c := x[0], x[len(x)/2], x[len(x)-1]
		pivot := max(min(a, b), min(max(a, b), c)) // the middle one of the three
		i, j := 0, len(x)-1
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		// x[:j+1] is at most the pivot, x[i:] at least; what is between equals it.
		switch {
		case k <= j:
			x = x[:j+1]
		case k >= i:
			x, k = x[i:], k-i
		default:
			return
		}
	}
	slices.Sort(x)
}
