package segment_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// TestRecordsCached: records are the same when their columns come from the cache,
// whoever put them there, and while others rebuild the same.
func TestRecordsCached(t *testing.T) {
	m := newMaker(7)
	f := newFiles(t)
	recs := m.records(2000)
	s := f.write(table(recs).Blocks())
	cache := segment.NewCache(1 << 20)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			var blocks []segment.Block
			for i := range s.Parts() {
				p, err := s.Part(i)
				if err != nil {
					t.Error(err)
					return
				}
				for k := range p.Len() {
					blocks = append(blocks, p.Through(cache).Block(k))
				}
			}
			holds(t, "through the cache", blocks, bySeq(recs))
		})
	}
	wg.Wait()
	if cache.Stats().Hits == 0 {
		t.Error("nothing came from the cache")
	}
}

func BenchmarkRecords(b *testing.B) {
	recs := kubeRecords(20_000)
	var out memSink
	writeTo(b, &out, table(recs).Blocks())
	s, err := segment.Open(memFile{b: out.b})
	if err != nil {
		b.Fatal(err)
	}
	p, err := s.Part(0)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			blk := p.Through(segment.NewCache(64 << 20)).Block(0)
			rows, to := make([]int, n), make([]*logging.Record, n)
			for i := range to {
				rows[i], to[i] = i*7, new(logging.Record)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := blk.Records(rows, to); err != nil {
					b.Fatal(err)
				}
			}
			perRecord(b, n)
		})
	}
}
