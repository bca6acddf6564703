package logging

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortFloats holds it against slices.Sort.
func TestSortFloats(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		x := make([]float64, rnd.IntN(3*sortPassesMin))
		for i := range x {
			switch rnd.IntN(8) {
			case 0:
				x[i] = math.Inf(rnd.IntN(3) - 1)
			case 1:
				x[i] = 0
			case 2:
				x[i] = float64(rnd.IntN(10) - 5)
			case 3:
				x[i] = math.Float64frombits(rnd.Uint64() &^ (1 << 62))
			default:
				x[i] = rnd.NormFloat64() * math.Pow(10, float64(rnd.IntN(20)-10))
			}
		}
		want := slices.Clone(x)
		slices.Sort(want)
		if sortFloats(x); !slices.Equal(x, want) {
			t.Fatalf("seed %d: %d numbers are not in order", seed, len(x))
		}
	}
}

func BenchmarkSortFloats(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	x, y := make([]float64, 40_000), make([]float64, 40_000)
	for i := range x {
		x[i] = math.Round(rnd.ExpFloat64()*10_000) / 100
	}
	b.Run("sortFloats", func(b *testing.B) {
		for b.Loop() {
			copy(y, x)
			sortFloats(y)
		}
	})
	b.Run("three ranks", func(b *testing.B) {
		for b.Loop() {
			copy(y, x)
			r := newRanks(y)
			for _, k := range []int{20_000, 38_000, 39_600} {
				r.at(k)
				r.at(k + 1)
			}
		}
	})
	b.Run("slices.Sort", func(b *testing.B) {
		for b.Loop() {
			copy(y, x)
			slices.Sort(y)
		}
	})
}
