package bitpack

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for width := uint(0); width <= 64; width++ {
		for _, n := range []int{0, 1, 7, 8, 9, 63, 64, 65, 127, 128} {
			vals := make([]uint64, n)
			for i := range vals {
				vals[i] = rng.Uint64()
				if width < 64 {
					vals[i] &= 1<<width - 1
				}
			}
			b := Append(nil, vals, width)
			if len(b) != Len(n, width) {
				t.Fatalf("width %d, %d values: %d bytes, want %d", width, n, len(b), Len(n, width))
			}
			got := make([]uint64, n)
			Unpack(got, Padded(b, len(b), make([]byte, len(b)+Slack)), width, 7, 3)
			for i, v := range vals {
				if one := Get(append(b, make([]byte, Slack)...), i, width); one != v {
					t.Fatalf("width %d, value %d of %d alone: %d, want %d", width, i, n, one, v)
				}
				if got[i] != 7+3*v {
					t.Fatalf("width %d, value %d of %d: %d, want %d", width, i, n, got[i], 7+3*v)
				}
			}
		}
	}
}

// groups are values as groups have them: even, by chance, and mostly small.
func groups(rng *rand.Rand, n int) map[string][]uint64 {
	m := map[string][]uint64{}
	add := func(name string, f func() uint64) {
		vals := make([]uint64, n)
		for i := range vals {
			vals[i] = f()
		}
		m[name] = vals
	}
	add("zero", func() uint64 { return 0 })
	add("even", func() uint64 { return rng.Uint64N(1000) })
	add("any", rng.Uint64)
	for _, mean := range []float64{0.3, 5, 1000, 1e12, 1e17} {
		add(fmt.Sprintf("by chance %g", mean), func() uint64 { return uint64(rng.ExpFloat64() * mean) })
	}
	add("small but for some", func() uint64 { return uint64(math.Exp(rng.NormFloat64()*3 + 3)) })
	return m
}

func TestGroup(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		for _, n := range []int{0, 1, 15, 16, 127, 128, 255, 256} {
			for name, vals := range groups(rng, n) {
				b := AppendGroup(nil, vals)
				for _, more := range []int{0, 1, 20} { // with and without bytes to look at
					got := make([]uint64, n)
					rest, ok := UnpackGroup(got, append(b, make([]byte, more)...), 7, 3)
					if !ok || len(rest) != more {
						t.Fatalf("seed %d: %d values, %s: %v, %d bytes left, want %d", seed, n, name, ok, len(rest), more)
					}
					for i, v := range vals {
						if got[i] != 7+3*v {
							t.Fatalf("seed %d: %s, value %d of %d: %d, want %d", seed, name, i, n, got[i], 7+3*v)
						}
					}
				}
				if _, ok := UnpackGroup(make([]uint64, n), b[:len(b)-1], 0, 1); ok {
					t.Fatalf("seed %d: %d values, %s: a byte less is taken", seed, n, name)
				}
			}
		}
	}
}

func TestGroupSize(t *testing.T) {
	for name, most := range map[string]float64{"by chance 1000": 11.7, "by chance 1e+12": 41.5, "even": 10.1} {
		vals := groups(rand.New(rand.NewPCG(1, 0)), 256)[name]
		if got := float64(len(AppendGroup(nil, vals))) * 8 / 256; got > most {
			t.Errorf("%s: %.2f bits a value, want at most %.2f", name, got, most)
		}
	}
}

func FuzzUnpackGroup(f *testing.F) {
	for _, vals := range groups(rand.New(rand.NewPCG(1, 0)), 100) {
		f.Add(AppendGroup(nil, vals), 100)
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		out := make([]uint64, min(max(n, 0), GroupMax))
		if _, ok := UnpackGroup(out, b, 0, 1); !ok {
			return
		}
		again := make([]uint64, len(out))
		rest, ok := UnpackGroup(again, AppendGroup(nil, out), 0, 1)
		if !ok || len(rest) > 0 || !slices.Equal(out, again) {
			t.Fatalf("again: %v, %d bytes left, %d, want %d", ok, len(rest), again, out)
		}
	})
}

func BenchmarkGroup(b *testing.B) {
	for name, vals := range groups(rand.New(rand.NewPCG(1, 0)), 128) {
		enc := append(AppendGroup(nil, vals), make([]byte, Slack)...)
		b.Run("append/"+name, func(b *testing.B) {
			var dst []byte
			for b.Loop() {
				dst = AppendGroup(dst[:0], vals)
			}
			perValue(b, 128)
		})
		b.Run("unpack/"+name, func(b *testing.B) {
			out := make([]uint64, 128)
			for b.Loop() {
				UnpackGroup(out, enc, 7, 3)
			}
			perValue(b, 128)
		})
	}
}

func BenchmarkUnpack(b *testing.B) {
	in := make([]byte, 128*8+Slack)
	for i := range in {
		in[i] = byte(i * 37)
	}
	for _, width := range []uint{1, 5, 8, 13, 18, 23, 32, 40, 56, 60} {
		b.Run(fmt.Sprintf("width=%d", width), func(b *testing.B) {
			out := make([]int64, 128)
			for b.Loop() {
				Unpack(out, in, width, 7, 3)
			}
			perValue(b, 128)
		})
		b.Run(fmt.Sprintf("any/width=%d", width), func(b *testing.B) {
			out := make([]int64, 128)
			for b.Loop() {
				unpackAny(out, in, width, 7, 3)
			}
			perValue(b, 128)
		})
	}
}

func perValue(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/value")
}
