package iddict

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

type place struct {
	block uint32
	row   uint16
}

func buildTable(rng *rand.Rand, n int, hash func() uint64) (map[uint64][]place, []byte) {
	var b TableBuilder
	m := map[uint64][]place{}
	for i := range n {
		h, p := hash(), place{uint32(i / 50), uint16(i % 50)}
		m[h] = append(m[h], p)
		b.Add(h, p.block, p.row)
	}
	return m, b.AppendTo(nil)
}

func checkTable(t *testing.T, file []byte, m map[uint64][]place) (sound bool) {
	t.Helper()
	tb, err := OpenTable(bytes.NewReader(file), 0, int64(len(file)))
	if err != nil {
		return false
	}
	f, err := tb.Filter()
	if err != nil {
		return false
	}
	for h, want := range m {
		var got []place
		err := tb.Lookup(h, func(block uint32, row uint16) bool {
			got = append(got, place{block, row})
			return true
		})
		if err != nil {
			return false
		}
		if !slices.Equal(got, want) || !f.Has(h) {
			t.Fatalf("hash %x is in %v, want %v; filter %v", h, got, want, f.Has(h))
		}
		got = nil
		err = tb.Lookup(h, func(block uint32, row uint16) bool {
			got = append(got, place{block, row})
			return false
		})
		if err != nil || len(got) != 1 {
			t.Fatalf("asked for one row of %x: %v, %v", h, got, err)
		}
		if _, ok := m[h+1]; !ok {
			if err := tb.Lookup(h+1, func(uint32, uint16) bool { t.Fatalf("%x is found", h+1); return true }); err != nil {
				return false
			}
		}
	}
	return true
}

func TestTable(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 0))
		for _, n := range []int{0, 1, 255, 256, 257, 3000} {
			for name, hash := range map[string]func() uint64{
				"random":    rng.Uint64,
				"few":       func() uint64 { return rng.Uint64N(5) * 1e18 },
				"all equal": func() uint64 { return 1 << 63 },
			} {
				m, file := buildTable(rng, n, hash)
				if !checkTable(t, file, m) {
					t.Fatalf("seed %d: %d hashes, %s", seed, n, name)
				}
			}
		}
	}
}

func TestFilterPassesFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	const n = 100_000
	f := newFilter(n)
	for range n {
		f.add(rng.Uint64())
	}
	passed := 0
	for range n {
		if f.Has(rng.Uint64()) {
			passed++
		}
	}
	t.Logf("%.2f %% pass", float64(passed)*100/n)
	if passed > n*15/1000 {
		t.Errorf("%d of %d pass", passed, n)
	}
}

func TestTableFlippedBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	m, file := buildTable(rng, 600, rng.Uint64)
	for i := range file {
		broken := bytes.Clone(file)
		broken[i] ^= byte(1 + rng.IntN(255))
		if checkTable(t, broken, m) {
			t.Fatalf("byte %d of %d was changed and not found", i, len(file))
		}
	}
}

// mend makes the checksums right, so that what is behind them is tried, too.
func mend(file []byte) {
	if len(file) < headerSize {
		return
	}
	le := binary.LittleEndian
	copy(file[8:], []byte{version, 0})
	le.PutUint64(file[32:], uint64(len(file)))
	var h header
	h.width = int(file[10])
	if count := le.Uint32(file[16:]); count <= MaxLen && (h.width == 8 || h.width == 16) {
		h.count = int(count)
		if end := headerSize + h.fenceLen(); end <= len(file) {
			fence, at := file[headerSize:end], end
			le.PutUint32(file[40:], checksum(fence))
			for i := range h.groups() {
				size := int(le.Uint32(fence[i*(h.width+4)+h.width:]))
				if size < 4 || at+size > len(file) {
					break
				}
				le.PutUint32(file[at+size-4:], checksum(file[at:at+size-4]))
				at += size
			}
			if filter := le.Uint64(file[24:]); filter <= uint64(len(file)) {
				le.PutUint32(file[44:], checksum(file[uint64(len(file))-filter:]))
			}
		}
	}
	le.PutUint32(file[headerSize-4:], checksum(file[:headerSize-4]))
}

func FuzzTable(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 0))
	_, file := buildTable(rng, 20, rng.Uint64)
	f.Add(file, uint64(1))
	_, file = buildTable(rng, 300, func() uint64 { return 7 })
	f.Add(file, uint64(7))
	f.Fuzz(func(t *testing.T, file []byte, hash uint64) {
		mend(file)
		tb, err := OpenTable(bytes.NewReader(file), 0, int64(len(file)))
		if err != nil {
			return
		}
		if f, err := tb.Filter(); err == nil {
			f.Has(hash)
		}
		tb.Lookup(hash, func(block uint32, row uint16) bool {
			if block >= MaxBlocks {
				t.Fatalf("block %d", block)
			}
			return true
		})
	})
}

// openFile puts the bytes into a file, for what a read costs.
func openFile[T any](b *testing.B, file []byte, open func(io.ReaderAt, int64, int64) (T, error)) T {
	b.Helper()
	name := filepath.Join(b.TempDir(), "ids")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		b.Fatal(err)
	}
	r, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	d, err := open(r, 0, int64(len(file)))
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func BenchmarkTable(b *testing.B) {
	const n = 1_000_000
	rng := rand.New(rand.NewPCG(1, 0))
	var tb TableBuilder
	hashes := make([]uint64, n)
	for i := range hashes {
		hashes[i] = rng.Uint64()
		tb.Add(hashes[i], uint32(i/8192), uint16(i%8192))
	}
	file := tb.AppendTo(nil)
	t := openFile(b, file, OpenTable)
	f, err := t.Filter()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Lookup", func(b *testing.B) {
		found := 0
		for i := 0; b.Loop(); i++ {
			if err := t.Lookup(hashes[i*7919%n], func(uint32, uint16) bool { found++; return true }); err != nil {
				b.Fatal(err)
			}
		}
		if found == 0 {
			b.Fatal("nothing is found")
		}
		b.ReportMetric(float64(len(file))/n, "B/hash")
	})
	b.Run("Filter", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			f.Has(hashes[i*7919%n] + 1)
		}
	})
}
