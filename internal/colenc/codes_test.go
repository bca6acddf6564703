package colenc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func codeColumns(rng *rand.Rand, n int, greatest uint16) map[string][]uint16 {
	m := map[string][]uint16{}
	add := func(name string, f func(i int) uint16) {
		vals := make([]uint16, n)
		for i := range vals {
			vals[i] = f(i)
		}
		m[name] = vals
	}
	add("constant", func(int) uint16 { return greatest })
	add("random", func(int) uint16 { return uint16(rng.IntN(int(greatest) + 1)) })
	add("skewed", func(int) uint16 { return uint16(min(rng.ExpFloat64()*2, float64(greatest))) })
	add("runs", func(i int) uint16 { return uint16(i / 100 % (int(greatest) + 1)) })
	return m
}

func TestCodes(t *testing.T) {
	var z Zstd
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		for _, greatest := range []uint16{0, 1, 2, 15, 255, 256, 1000, 65535} {
			n := rng.IntN(2000)
			for name, vals := range codeColumns(rng, n, greatest) {
				b := AppendCodes([]byte("x"), vals, greatest, &z)[1:]
				got, err := DecodeCodes(b, n, greatest, &z, nil)
				if err != nil || !slices.Equal(got, vals) {
					t.Fatalf("seed %d: %s up to %d, %d rows: %v\n got %d\nwant %d", seed, name, greatest, n, err, got, vals)
				}
				if _, err := DecodeCodes(append(b, 0), n, greatest, &z, nil); err == nil {
					t.Fatalf("seed %d: %s up to %d: a byte too many is taken", seed, name, greatest)
				}
			}
		}
	}
}

func TestCodesAboveGreatest(t *testing.T) {
	var z Zstd
	for name, vals := range codeColumns(rand.New(rand.NewPCG(1, 0)), 1000, 4) {
		if name != "constant" {
			vals[500] = 7
		} else {
			vals = slices.Repeat([]uint16{7}, 1000)
		}
		// 4 and 7 have as many bits: only the check finds the 7.
		if _, err := DecodeCodes(AppendCodes(nil, vals, 7, &z), len(vals), 4, &z, nil); err == nil {
			t.Errorf("%s: a code of 7 is taken, where the greatest is 4", name)
		}
	}
}

func TestOrdinals(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		vals := make([]uint32, rng.IntN(1000))
		most := rng.Uint32()
		for i := range vals {
			vals[i] = rng.Uint32N(most)
		}
		if len(vals) > 0 {
			vals[0] = 1<<32 - 1
		}
		got, err := DecodeOrdinals(AppendOrdinals(nil, vals), len(vals), nil)
		if err != nil || !slices.Equal(got, vals) {
			t.Fatalf("seed %d: %v\n got %d\nwant %d", seed, err, got, vals)
		}
	}
}

func TestBools(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		n := rng.IntN(500)
		every := 1 << rng.IntN(8) // so that there are runs
		set := make([]uint64, BitWords(n))
		value := false
		for i := range n {
			if rng.IntN(every) == 0 {
				value = rng.IntN(2) == 0
			}
			if value {
				set[i/64] |= 1 << (i % 64)
			}
		}
		dirty := slices.Clone(set)
		if n%64 != 0 {
			dirty[len(dirty)-1] |= 1 << 63
		}
		b := AppendBools(nil, dirty, n)
		got, err := DecodeBools(b, n, nil)
		if err != nil || !slices.Equal(got, set) {
			t.Fatalf("seed %d: %d rows: %v\n got %x\nwant %x", seed, n, err, got, set)
		}
		if _, err := DecodeBools(append(b, 0), n, nil); err == nil {
			t.Fatalf("seed %d: a byte too many is taken", seed)
		}
		if len(b) > 1+(n+7)/8 {
			t.Fatalf("seed %d: %d bytes of %d rows", seed, len(b), n)
		}
	}
}

func FuzzDecodeCodes(f *testing.F) {
	var z Zstd
	for _, greatest := range []uint16{7, 1000} {
		for _, vals := range codeColumns(rand.New(rand.NewPCG(1, 0)), 300, greatest) {
			f.Add(AppendCodes(nil, vals, greatest, &z), 300, greatest)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, n int, greatest uint16) {
		vals, err := DecodeCodes(b, n, greatest, &z, nil)
		if err != nil {
			return
		}
		again, err := DecodeCodes(AppendCodes(nil, vals, greatest, &z), n, greatest, &z, nil)
		if err != nil || !slices.Equal(again, vals) {
			t.Fatalf("again: %v, %v, want %v", err, again, vals)
		}
	})
}

func FuzzDecodeOrdinals(f *testing.F) {
	f.Add(AppendOrdinals(nil, []uint32{5, 1 << 31, 7}), 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if vals, err := DecodeOrdinals(b, n, nil); err == nil && len(vals) != n {
			t.Fatalf("%d values, want %d", len(vals), n)
		}
	})
}

func FuzzDecodeBools(f *testing.F) {
	f.Add([]byte{boolsTrue}, 100)
	f.Add([]byte{boolsRuns, 10, 20, 70}, 100)
	f.Add([]byte{boolsBits, 10, 20, 1}, 17)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		set, err := DecodeBools(b, n, nil)
		if err != nil {
			return
		}
		again, err := DecodeBools(AppendBools(nil, set, n), n, nil)
		if err != nil || !slices.Equal(again, set) {
			t.Fatalf("again: %v, %x, want %x", err, again, set)
		}
	})
}

func BenchmarkCodes(b *testing.B) {
	var z Zstd
	const n = 8192
	for _, greatest := range []uint16{3, 40, 1000} {
		for _, name := range []string{"random", "skewed", "runs"} {
			vals := codeColumns(rand.New(rand.NewPCG(1, 0)), n, greatest)[name]
			enc := AppendCodes(nil, vals, greatest, &z)
			b.Run(fmt.Sprintf("append/%s-%d", name, greatest), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					enc = AppendCodes(enc[:0], vals, greatest, &z)
				}
				perValue(b, n)
				b.ReportMetric(float64(len(enc)*8)/n, "bits/value")
			})
			b.Run(fmt.Sprintf("decode/%s-%d", name, greatest), func(b *testing.B) {
				b.ReportAllocs()
				out := make([]uint16, n)
				for b.Loop() {
					var err error
					if out, err = DecodeCodes(enc, n, greatest, &z, out); err != nil {
						b.Fatal(err)
					}
				}
				perValue(b, n)
			})
		}
	}
}
