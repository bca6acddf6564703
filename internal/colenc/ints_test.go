package colenc

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// columns are columns of integers as logs have them, and such as they do not.
func columns(rng *rand.Rand, n int) map[string][]int64 {
	m := map[string][]int64{}
	add := func(name string, f func(i int) int64) {
		vals := make([]int64, n)
		for i := range vals {
			vals[i] = f(i)
		}
		m[name] = vals
	}
	var at int64 = 1_700_000_000_000_000_000
	add("constant", func(int) int64 { return -42 })
	add("status", func(int) int64 { return []int64{200, 200, 200, 404, 500}[rng.IntN(5)] })
	add("latency", func(int) int64 { return int64(math.Exp(rng.NormFloat64() + 4)) })
	add("nanoseconds", func(int) int64 { at += int64(rng.ExpFloat64() * 10e9); return at })
	add("milliseconds", func(int) int64 { return at + rng.Int64N(100)*1_000_000 })
	add("ascending milliseconds", func(int) int64 { at += rng.Int64N(5) * 1_000_000; return at })
	add("counter", func(i int) int64 { return int64(i) * 7 })
	add("counter down", func(i int) int64 { return math.MaxInt64 - int64(i)*7 })
	add("runs", func(i int) int64 { return int64(i/300) * -1000 })
	add("any", func(int) int64 { return int64(rng.Uint64()) })
	add("extremes", func(int) int64 {
		return []int64{math.MinInt64, math.MaxInt64, 0, -1}[rng.IntN(4)]
	})
	add("half extremes", func(int) int64 {
		return []int64{math.MinInt64 / 2, math.MaxInt64 / 2}[rng.IntN(2)]
	})
	add("wide divisor", func(int) int64 { return rng.Int64N(4)<<62 | 3 })
	add("one outlier", func(i int) int64 {
		if i == n/2 {
			return math.MaxInt64
		}
		return 1
	})
	return m
}

func TestInts(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		for _, n := range []int{0, 1, 2, 127, 128, 129, 130, 1 + rng.IntN(1000)} {
			for name, vals := range columns(rng, n) {
				b := AppendInts([]byte("x"), vals)
				got, err := DecodeInts(b[1:], n, nil)
				if err != nil || !slices.Equal(got, vals) {
					t.Fatalf("seed %d: %s, %d rows: %v\n got %d\nwant %d", seed, name, n, err, got, vals)
				}
				if _, err := DecodeInts(append(b[1:], 0), n, nil); err == nil {
					t.Fatalf("seed %d: %s: a byte too many is taken", seed, name)
				}
				if n > 0 {
					if _, err := DecodeInts(b[1:len(b)-1], n, nil); err == nil {
						t.Fatalf("seed %d: %s: a byte less is taken", seed, name)
					}
				}
			}
		}
	}
}

func TestIntsSize(t *testing.T) {
	const n = 8192
	cols := columns(rand.New(rand.NewPCG(1, 0)), n)
	for name, atMost := range map[string]float64{ // bits a row
		"constant":               0.01,
		"status":                 9.2,
		"latency":                11.5,
		"nanoseconds":            37,
		"milliseconds":           7.3,
		"ascending milliseconds": 3.3,
		"counter":                0.4,
		"runs":                   0.2,
		"one outlier":            0.5,
	} {
		got := float64(len(AppendInts(nil, cols[name]))*8) / n
		t.Logf("%-24s %6.2f bits a row", name, got)
		if got > atMost {
			t.Errorf("%s: %.2f bits a row, want at most %.2f", name, got, atMost)
		}
	}
}

func FuzzDecodeInts(f *testing.F) {
	for _, vals := range columns(rand.New(rand.NewPCG(1, 0)), 200) {
		f.Add(AppendInts(nil, vals), 200)
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		vals, err := DecodeInts(b, n, nil)
		if err != nil {
			return
		}
		if len(vals) != n {
			t.Fatalf("%d values, want %d", len(vals), n)
		}
		again, err := DecodeInts(AppendInts(nil, vals), n, nil)
		if err != nil || !slices.Equal(again, vals) {
			t.Fatalf("again: %v, %v, want %v", err, again, vals)
		}
	})
}

func BenchmarkInts(b *testing.B) {
	const n = 8192
	cols := columns(rand.New(rand.NewPCG(1, 0)), n)
	for _, name := range []string{"status", "latency", "nanoseconds", "milliseconds", "ascending milliseconds", "runs", "any"} {
		vals := cols[name]
		enc := AppendInts(nil, vals)
		b.Run(fmt.Sprintf("append/%s", name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				enc = AppendInts(enc[:0], vals)
			}
			perValue(b, n)
		})
		b.Run(fmt.Sprintf("decode/%s", name), func(b *testing.B) {
			b.ReportAllocs()
			out := make([]int64, n)
			for b.Loop() {
				var err error
				if out, err = DecodeInts(enc, n, out); err != nil {
					b.Fatal(err)
				}
			}
			perValue(b, n)
		})
	}
}

func perValue(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/value")
}
