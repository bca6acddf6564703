package logging

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRanksOf holds ranks, asked for in any order, against a sort: also of numbers that
// are alike, in order, and such that the middle of three is the worst to part them by.
func TestRanksOf(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		x := make([]float64, 1+rnd.IntN(3000))
		for i := range x {
			switch seed % 5 {
			case 0:
				x[i] = float64(rnd.IntN(4))
			case 1:
				x[i] = float64(i)
			case 2:
				x[i] = float64(len(x) - i)
			case 3:
				x[i] = float64(min(i, len(x)-i)) // an organ pipe
			default:
				x[i] = rnd.NormFloat64()
			}
			if rnd.IntN(50) == 0 {
				x[i] = math.Inf(rnd.IntN(3) - 1)
			}
		}
		want := slices.Clone(x)
		slices.Sort(want)
		r := newRanks(x)
		for range 1 + rnd.IntN(20) {
			if k := rnd.IntN(len(x)); r.at(k) != want[k] {
				t.Fatalf("seed %d: rank %d of %d is %v, want %v", seed, k, len(x), r.at(k), want[k])
			}
		}
		if !slices.IsSorted(r.cuts) {
			t.Fatalf("seed %d: cuts %v", seed, r.cuts)
		}
		if slices.Sort(x); !slices.Equal(x, want) {
			t.Fatalf("seed %d: numbers were lost", seed)
		}
	}
}

// FuzzSelectFloat: whatever the numbers are, all are there and the one asked for stands
// between those that are not greater and those that are not less.
func FuzzSelectFloat(f *testing.F) {
	f.Add([]byte{3, 1, 2}, uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, k uint16) {
		if len(b) == 0 {
			return
		}
		x := make([]float64, len(b))
		for i, c := range b {
			x[i] = float64(c)
		}
		want := slices.Clone(x)
		slices.Sort(want)
		at := int(k) % len(x)
		selectFloat(x, at)
		if x[at] != want[at] || at > 0 && slices.Max(x[:at]) > x[at] || slices.Min(x[at:]) < x[at] {
			t.Fatalf("%d of %v", at, x)
		}
		if slices.Sort(x); !slices.Equal(x, want) {
			t.Fatal("numbers were lost")
		}
	})
}
