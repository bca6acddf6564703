package iddict

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// idSets are ids as they come, in the order of their rows, some more than once.
func idSets(rng *rand.Rand, n int) map[string][]ID {
	m := map[string][]ID{}
	add := func(name string, f func(i int) ID) {
		ids := make([]ID, n)
		for i := range ids {
			if ids[i] = f(i); i > 0 && rng.IntN(3) == 0 {
				ids[i] = ids[rng.IntN(i)]
			}
		}
		m[name] = ids
	}
	random := func() ID { return key{rng.Uint64(), rng.Uint64()}.id() }
	add("random", func(int) ID { return random() })
	add("padded with zeros", func(int) ID { return key{0, rng.Uint64()}.id() })
	add("counted", func(i int) ID { return key{42, uint64(i)}.id() })
	add("same", func(int) ID { return key{1, 2}.id() })
	at := uint64(1_700_000_000_000)
	add("by time", func(int) ID {
		at += uint64(rng.IntN(3))
		id := random()
		binary.BigEndian.PutUint64(id[:], at<<16|uint64(7)<<12|uint64(rng.IntN(4096)))
		return id
	})
	add("two heaps", func(i int) ID {
		if i%2 == 0 {
			return key{rng.Uint64N(100), rng.Uint64N(100)}.id()
		}
		return key{^rng.Uint64N(100), ^rng.Uint64N(100)}.id()
	})
	return m
}

func TestSort(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 0))
		for _, n := range []int{0, 1, 24, 25, 300, 5000} {
			for name, ids := range idSets(rng, n) {
				got := make([]entry, n)
				for i, id := range ids {
					got[i] = entry{id.key(), uint32(i)}
				}
				want := slices.Clone(got)
				slices.SortStableFunc(want, func(a, b entry) int {
					switch {
					case a.less(b.key):
						return -1
					case b.less(a.key):
						return 1
					}
					return 0
				})
				if sortEntries(got, make([]entry, n)); !slices.Equal(got, want) {
					t.Fatalf("seed %d: %d ids, %s: not sorted", seed, n, name)
				}
			}
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	const n = 500_000
	for name, ids := range idSets(rand.New(rand.NewPCG(1, 0)), n) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				d := NewBuilder(16)
				for i, id := range ids {
					d.Add(id, uint32(i/8192))
				}
				d.Build()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/id")
		})
	}
}
