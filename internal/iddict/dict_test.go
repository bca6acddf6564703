package iddict

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// model is what a dictionary is to know: the blocks of each id.
type model map[ID][]uint32

func (m model) sorted() []ID {
	var ids []ID
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// build makes a dictionary with 8 ids a block, and one id that is everywhere.
func build(t *testing.T, ids []ID, width int) (*Builder, model, []byte) {
	t.Helper()
	b, m := NewBuilder(width), model{}
	add := func(id ID, block uint32) {
		if list := m[id]; len(list) == 0 || list[len(list)-1] != block {
			m[id] = append(list, block)
		}
		b.Add(id, block)
	}
	var added []ID
	for i, id := range ids {
		if width == 8 {
			clear(id[8:])
		}
		add(id, uint32(i/8))
		add(ids[0].cut(width), uint32(i/8))
		added = append(added, id, ids[0].cut(width))
	}
	ordinals, sorted := b.Build(), m.sorted()
	for i, o := range ordinals {
		if sorted[o] != added[i] {
			t.Fatalf("row %d has ordinal %d, which is %x, want %x", i, o, sorted[o], added[i])
		}
	}
	return b, m, b.AppendTo(nil)
}

func (id ID) cut(width int) ID {
	clear(id[width:])
	return id
}

// check compares everything that a dictionary tells with the model.
func check(d *Dict, m model) error {
	sorted := m.sorted()
	if d.Len() != len(sorted) {
		return fmt.Errorf("%d ids, want %d", d.Len(), len(sorted))
	}
	all, err := d.All(nil)
	if err != nil {
		return err
	}
	if !slices.Equal(all, sorted) {
		return fmt.Errorf("all ids are %x, want %x", all, sorted)
	}
	for i, id := range sorted {
		o, blocks, ok, err := d.Lookup(id)
		if err != nil {
			return err
		}
		if !ok || int(o) != i || !slices.Equal(blocks, m[id]) {
			return fmt.Errorf("id %x is %d, %v, %v; want %d, %v", id, o, blocks, ok, i, m[id])
		}
		if at, err := d.At(uint32(i)); err != nil || at != id {
			return fmt.Errorf("id %d is %x, want %x: %w", i, at, id, err)
		}
		for j := range id[:d.Width()] { // those beside it
			other := id
			other[j]++
			want, found := slices.BinarySearchFunc(sorted, other, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
			if _, _, ok, err := d.Lookup(other); err != nil || ok != found {
				return fmt.Errorf("id %x is found: %v, %w", other, ok, err)
			}
			if got, err := d.Search(other); err != nil || int(got) != want {
				return fmt.Errorf("%d ids before %x, want %d: %w", got, other, want, err)
			}
		}
	}
	return nil
}

func TestDict(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 0))
		for _, n := range []int{1, 2, 255, 256, 257, 1500} {
			for name, ids := range idSets(rng, n) {
				for _, width := range []int{8, 16} {
					b, m, file := build(t, ids, width)
					d, err := Open(bytes.NewReader(append([]byte("before"), file...)), 6, int64(len(file)))
					if err == nil {
						err = check(d, m)
					}
					if err != nil {
						t.Fatalf("seed %d: %d ids, %s, %d bytes: %v", seed, n, name, width, err)
					}
					for id := range m {
						if o, ok := b.Ordinal(id); !ok || b.At(o) != id {
							t.Fatalf("seed %d: the builder does not know %x", seed, id)
						}
					}
				}
			}
		}
	}
}

func TestDictEmpty(t *testing.T) {
	b := NewBuilder(16)
	b.Build()
	file := b.AppendTo(nil)
	d, err := Open(bytes.NewReader(file), 0, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(d, model{}); err != nil {
		t.Fatal(err)
	}
	if _, _, ok, err := d.Lookup(ID{}); ok || err != nil {
		t.Fatal(ok, err)
	}
}

func TestFetch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	_, m, file := build(t, idSets(rng, 2000)["random"], 16)
	sorted := m.sorted()
	d, err := Open(bytes.NewReader(file), 0, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var ordinals []uint32
	for range 500 {
		ordinals = append(ordinals, rng.Uint32N(uint32(len(sorted))))
	}
	ids, err := d.Fetch(ordinals, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range ordinals {
		if ids[i] != sorted[o] {
			t.Fatalf("ordinal %d is %x, want %x", o, ids[i], sorted[o])
		}
	}
	if _, err := d.Fetch([]uint32{uint32(len(sorted))}, nil); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("an ordinal beyond the last: %v", err)
	}
}

func TestMerge(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var dicts []*Dict
		var olds [][]ID
		want := model{}
		for range 1 + rng.IntN(5) {
			ids := idSets(rng, 1+rng.IntN(1000))[[]string{"random", "counted", "two heaps"}[rng.IntN(3)]]
			_, m, file := build(t, ids, 16)
			d, err := Open(bytes.NewReader(file), 0, int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			dicts, olds = append(dicts, d), append(olds, m.sorted())
			for id := range m {
				want[id] = nil
			}
		}
		b, remaps, err := Merge(dicts...)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		sorted := want.sorted()
		for i, old := range olds {
			for o, id := range old {
				if sorted[remaps[i][o]] != id {
					t.Fatalf("seed %d: dictionary %d: ordinal %d becomes %d", seed, i, o, remaps[i][o])
				}
				block := rng.Uint32N(100)
				b.Note(remaps[i][o], block)
				want[id] = append(want[id], block)
			}
		}
		for id, list := range want {
			slices.SortFunc(list, cmp.Compare)
			want[id] = slices.Compact(list)
		}
		file := b.AppendTo(nil)
		d, err := Open(bytes.NewReader(file), 0, int64(len(file)))
		if err == nil {
			err = check(d, want)
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestFlippedBytes changes every byte of a dictionary: each change is found.
func TestFlippedBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	_, m, file := build(t, idSets(rng, 600)["random"], 16)
	read := func(file []byte) error {
		d, err := Open(bytes.NewReader(file), 0, int64(len(file)))
		if err != nil {
			return err
		}
		for id := range m {
			if _, _, _, err := d.Lookup(id); err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(file); err != nil {
		t.Fatal(err)
	}
	for i := range file {
		broken := bytes.Clone(file)
		broken[i] ^= byte(1 + rng.IntN(255))
		if err := read(broken); err == nil {
			t.Fatalf("byte %d of %d was changed and not found", i, len(file))
		}
		if err := read(file[:i]); err == nil {
			t.Fatalf("%d bytes of %d are taken for all", i, len(file))
		}
	}
}

func FuzzDict(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, ids := range idSets(rng, 20) {
		b := NewBuilder(16)
		for i, id := range ids {
			b.Add(id, uint32(i/3))
		}
		b.Build()
		f.Add(b.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		mend(file)
		d, err := Open(bytes.NewReader(file), 0, int64(len(file)))
		if err != nil {
			return
		}
		all, err := d.All(nil)
		if err == nil && len(all) != d.Len() {
			t.Fatalf("%d ids of %d", len(all), d.Len())
		}
		for _, id := range all[:min(len(all), 1000)] {
			d.Lookup(id)
			d.Search(id)
		}
		if b, _, err := Merge(d, d); err == nil {
			b.AppendTo(nil)
		}
	})
}

func BenchmarkDict(b *testing.B) {
	const n = 1_000_000
	rng := rand.New(rand.NewPCG(1, 0))
	bl := NewBuilder(16)
	ids := make([]ID, n)
	for i := range ids {
		ids[i] = key{rng.Uint64(), rng.Uint64()}.id()
		for range 1 + rng.IntN(2) { // one block or two, of 600
			bl.Add(ids[i], rng.Uint32N(600))
		}
	}
	bl.Build()
	var file []byte
	b.Run("AppendTo", func(b *testing.B) {
		for b.Loop() {
			file = bl.AppendTo(file[:0])
		}
		b.ReportMetric(float64(len(file))/n, "B/id")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/id")
	})
	file = bl.AppendTo(file[:0])
	d := openFile(b, file, Open)
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			if _, err := Open(d.p.r, 0, int64(len(file))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Lookup", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, _, ok, err := d.Lookup(ids[i*7919%n]); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("At", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := d.At(uint32(i * 7919 % n)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("All", func(b *testing.B) {
		var all []ID
		for b.Loop() {
			var err error
			if all, err = d.All(all); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/id")
	})
	b.Run("Merge", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := Merge(d, d, d, d); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n/4, "ns/id")
	})
}
