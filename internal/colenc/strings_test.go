package colenc

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func stringColumn(rng *rand.Rand, n int) []string {
	vals := make([]string, n)
	for i := range vals {
		switch rng.IntN(4) {
		case 0:
		case 1:
			vals[i] = fmt.Sprintf("/api/v1/items/%d", rng.IntN(100))
		case 2:
			vals[i] = strings.Repeat("ab", rng.IntN(40))
		case 3:
			b := make([]byte, rng.IntN(20))
			for j := range b {
				b[j] = byte(rng.Uint32())
			}
			vals[i] = string(b)
		}
	}
	return vals
}

func join(vals []string) (off []uint32, data []byte) {
	off = []uint32{0}
	for _, v := range vals {
		data = append(data, v...)
		off = append(off, uint32(len(data)))
	}
	return off, data
}

func TestStrings(t *testing.T) {
	var z Zstd
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		n := rng.IntN(300)
		vals := stringColumn(rng, n)
		off, data := join(vals)
		b := AppendStrings(nil, off, data, &z)
		gotOff, gotData, err := DecodeStrings(b, n, &z, nil, nil)
		if err != nil || !slices.Equal(gotOff, off) || !bytes.Equal(gotData, data) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		// A part of the same memory: its first offset is not zero.
		if n > 10 {
			b := AppendStrings(nil, off[5:11], data, &z)
			gotOff, gotData, err := DecodeStrings(b, 5, &z, gotOff, gotData)
			if err != nil || !bytes.Equal(gotData, data[off[5]:off[10]]) || gotOff[5] != off[10]-off[5] {
				t.Fatalf("seed %d: rows 5 to 10: %v", seed, err)
			}
		}
		if _, _, err := DecodeStrings(append(b, 0), n, &z, nil, nil); err == nil {
			t.Fatalf("seed %d: a byte too many is taken", seed)
		}
	}
}

func TestStringList(t *testing.T) {
	var z Zstd
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		vals := stringColumn(rng, rng.IntN(300))
		if seed%2 == 0 {
			slices.Sort(vals)
		}
		b := AppendStringList(nil, vals, &z)
		got, err := DecodeStringList(b, len(vals), &z)
		if err != nil || !slices.Equal(got, vals) {
			t.Fatalf("seed %d: %v\n got %q\nwant %q", seed, err, got, vals)
		}
		if _, err := DecodeStringList(b, len(vals)-1, &z); err == nil {
			t.Fatalf("seed %d: more strings than allowed are taken", seed)
		}
		if _, err := DecodeStringList(append(b, 0), len(vals), &z); err == nil {
			t.Fatalf("seed %d: a byte too many is taken", seed)
		}
	}
}

func TestStringListIsFrontCoded(t *testing.T) {
	var vals []string
	for i := range 100 {
		vals = append(vals, fmt.Sprintf("payments-backend-7d9f8b6c5-%04d", i*37))
	}
	slices.Sort(vals)
	var z Zstd
	_, data := join(vals)
	if got := len(AppendStringList(nil, vals, &z)); got > len(data)/6 {
		t.Errorf("%d bytes of %d", got, len(data))
	}
}

func TestZstdIsBounded(t *testing.T) {
	var z Zstd
	src := make([]byte, 10<<20)
	b := z.Append(nil, src)
	if got, err := z.Decode(b, len(src), nil); err != nil || !bytes.Equal(got, src) {
		t.Fatal(err)
	}
	for _, size := range []int{-1, 0, len(src) - 1, len(src) + 1, MaxBytes, MaxBytes + 1, 1 << 62} {
		if _, err := z.Decode(b, size, nil); err == nil {
			t.Errorf("%d bytes are decoded as %d", len(src), size)
		}
	}
	if _, err := z.Decode([]byte("no frame"), MaxBytes, nil); err == nil {
		t.Error("8 bytes are taken for 256 MiB")
	}
}

func TestZstdConcurrently(t *testing.T) {
	var z Zstd
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			src := bytes.Repeat([]byte{byte(i), 'x'}, 1000*(i+1))
			for range 20 {
				if got, err := z.Decode(z.Append(nil, src), len(src), nil); err != nil || !bytes.Equal(got, src) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestZstdMemory holds what one compressor and one decompressor keep.
func TestZstdMemory(t *testing.T) {
	var z Zstd
	_, data := join(stringColumn(rand.New(rand.NewPCG(1, 0)), 8192))
	use := func() {
		if _, err := z.Decode(z.Append(nil, data), len(data), nil); err != nil {
			t.Fatal(err)
		}
	}
	heap := func(cycles int) int64 {
		for range cycles {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap(2)
	use()
	used := heap(1) - before
	idle := heap(2) - before
	t.Logf("after use %d KiB, idle %d KiB", used>>10, idle>>10)
	if used > 4<<20 || idle > 256<<10 {
		t.Errorf("%d bytes after use, %d idle", used, idle)
	}
	runtime.KeepAlive(&z)
}

func FuzzDecodeStrings(f *testing.F) {
	var z Zstd
	off, data := join(stringColumn(rand.New(rand.NewPCG(1, 0)), 100))
	f.Add(AppendStrings(nil, off, data, &z), 100)
	f.Add(AppendStrings(nil, off[:3], data, &z), 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		off, data, err := DecodeStrings(b, n, &z, nil, nil)
		if err != nil {
			return
		}
		off2, data2, err := DecodeStrings(AppendStrings(nil, off, data, &z), n, &z, nil, nil)
		if err != nil || !slices.Equal(off, off2) || !bytes.Equal(data, data2) {
			t.Fatalf("again: %v", err)
		}
	})
}

func FuzzDecodeStringList(f *testing.F) {
	var z Zstd
	vals := stringColumn(rand.New(rand.NewPCG(1, 0)), 100)
	f.Add(AppendStringList(nil, vals, &z))
	slices.Sort(vals)
	f.Add(AppendStringList(nil, vals, &z))
	f.Add(AppendStringList(nil, []string{"a", "ab", "abc"}, &z))
	f.Fuzz(func(t *testing.T, b []byte) {
		vals, err := DecodeStringList(b, 1000, &z)
		if err != nil {
			return
		}
		again, err := DecodeStringList(AppendStringList(nil, vals, &z), 1000, &z)
		if err != nil || !slices.Equal(again, vals) {
			t.Fatalf("again: %v, %q, want %q", err, again, vals)
		}
	})
}

func BenchmarkStrings(b *testing.B) {
	var z Zstd
	const n = 8192
	off, data := join(stringColumn(rand.New(rand.NewPCG(1, 0)), n))
	enc := AppendStrings(nil, off, data, &z)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			enc = AppendStrings(enc[:0], off, data, &z)
		}
		perValue(b, n)
		b.ReportMetric(float64(len(enc))/float64(len(data)), "ratio")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if off, data, err = DecodeStrings(enc, n, &z, off, data); err != nil {
				b.Fatal(err)
			}
		}
		perValue(b, n)
	})
}
