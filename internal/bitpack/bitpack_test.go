package bitpack

import (
	"fmt"
	"math/rand/v2"
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
