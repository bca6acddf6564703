package logging

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// blockRows is a block of a column store: 8,192 rows of one stream.
type blockRows struct {
	n       int
	times   []int64
	codes   map[string]Codes
	nums    map[string][]float64
	strs    map[string]Strings
	hashes  []uint64
	minutes []MinuteCount
}

func (b *blockRows) Len() int              { return b.n }
func (b *blockRows) Doc(int) (*Doc, error) { panic("a document is asked for") }
func (b *blockRows) Codes(f Field) (Codes, bool, error) {
	c, ok := b.codes[f.Name]
	return c, ok, nil
}
func (b *blockRows) Strings(f Field) (Strings, bool, error) {
	s, ok := b.strs[f.Name]
	return s, ok, nil
}
func (b *blockRows) Numbers(f Field) (Numbers, bool, error) {
	v, ok := b.nums[f.Name]
	return Numbers{Vals: v, Exact: true}, ok, nil
}
func (b *blockRows) Times(f Field) (Times, bool, error) {
	return Times{Nanos: b.times, Sorted: true}, f.Name == FieldTime, nil
}
func (b *blockRows) Hashes(f Field) ([]uint64, bool, error) {
	return b.hashes, f.Name == "trace_id", nil
}
func (b *blockRows) Select(dst []uint32, _ Filter, _ []uint32) ([]uint32, bool, error) {
	for i := 0; i < b.n; i += 2 {
		dst = append(dst, uint32(i))
	}
	return dst, true, nil
}
func (b *blockRows) MinuteCounts() ([]MinuteCount, bool, error) {
	return b.minutes, b.minutes != nil, nil
}

// newBlocks makes blocks over one day in some namespaces.
func newBlocks(n int, counts bool) []*blockRows {
	rnd := rand.New(rand.NewPCG(1, 1))
	day := noon.Truncate(24 * time.Hour).UnixNano()
	var out []*blockRows
	for k := range n {
		b := &blockRows{n: 8192, codes: map[string]Codes{}, nums: map[string][]float64{}, strs: map[string]Strings{}}
		b.codes["namespace"] = Codes{Values: []Value{String(fmt.Sprintf("namespace-%d", k%10))}}
		status := Codes{Of: make([]uint32, b.n), Values: []Value{Int(200), Int(201), Int(301), Int(404), Int(500), Int(503)}}
		paths := Strings{Off: []uint32{0}}
		at := day
		for i := range b.n {
			at += rnd.Int64N(2*24*3600*1e9/int64(b.n) - 1)
			b.times = append(b.times, at)
			status.Of[i] = uint32(min(rnd.ExpFloat64(), 5))
			b.nums["latency"] = append(b.nums["latency"], rnd.ExpFloat64()*100)
			b.nums["status_number"] = append(b.nums["status_number"], float64([]int{200, 200, 200, 404, 500}[rnd.IntN(5)]))
			b.hashes = append(b.hashes, rnd.Uint64())
			paths.Data = fmt.Appendf(paths.Data, "/api/v1/items/%d", rnd.IntN(100_000))
			paths.Off = append(paths.Off, uint32(len(paths.Data)))
			if m := at / 60e9; counts && (len(b.minutes) == 0 || b.minutes[len(b.minutes)-1].Minute != m) {
				b.minutes = append(b.minutes, MinuteCount{m, 1})
			} else if counts {
				b.minutes[len(b.minutes)-1].Rows++
			}
		}
		b.codes["status"], b.strs["path"] = status, paths
		out = append(out, b)
	}
	return out
}

// cpu gives the processor time of the process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAddRows measures processor time a row, once all buckets are there.
// Each of the 20 blocks covers a day: a minute is some six rows of it.
func BenchmarkAddRows(b *testing.B) {
	minute := DateHistogram{Field: Field{Name: FieldTime}, Fixed: time.Minute, MinDocs: 1}
	avg := []Agg{{Name: "avg", Of: Metric{Field: Field{Name: "latency"}, Kind: Avg}}}
	terms := func(f string) Terms { return Terms{Field: Field{Name: f}} }
	all, some := []uint32(nil), []uint32(nil)
	for i := range uint32(8192) {
		if i%3 == 0 {
			some = append(some, i)
		}
	}
	for _, c := range []struct {
		name   string
		counts bool
		sel    []uint32
		aggs   []Agg
	}{
		{"minute/counts", true, all, []Agg{{Name: "m", Of: minute}}},
		{"minute/times", false, all, []Agg{{Name: "m", Of: minute}}},
		{"minute/selected", false, some, []Agg{{Name: "m", Of: minute}}},
		{"minute+namespace/counts", true, all, []Agg{{Name: "m", Of: minute, Sub: []Agg{{Name: "n", Of: terms("namespace")}}}}},
		{"minute+namespace/times", false, all, []Agg{{Name: "m", Of: minute, Sub: []Agg{{Name: "n", Of: terms("namespace")}}}}},
		{"minute+status", false, all, []Agg{{Name: "m", Of: minute, Sub: []Agg{{Name: "n", Of: terms("status")}}}}},
		{"terms/codes", false, all, []Agg{{Name: "t", Of: terms("status")}}},
		{"terms/codes/selected", false, some, []Agg{{Name: "t", Of: terms("status")}}},
		{"terms/numbers", false, all, []Agg{{Name: "t", Of: terms("status_number")}}},
		{"terms/strings", false, all, []Agg{{Name: "t", Of: terms("path")}}},
		{"terms+avg/codes", false, all, []Agg{{Name: "t", Of: terms("status"), Sub: avg}}},
		{"terms+avg/strings", false, all, []Agg{{Name: "t", Of: terms("path"), Sub: avg}}},
		{"avg", false, all, avg},
		{"percentiles", false, all, []Agg{{Name: "p", Of: Metric{Field: Field{Name: "latency"}, Kind: Percentiles, Percents: []float64{50, 99}}}}},
		{"cardinality/hashes", false, all, []Agg{{Name: "c", Of: Metric{Field: Field{Name: "trace_id"}, Kind: Cardinality}}}},
		{"cardinality/codes", false, all, []Agg{{Name: "c", Of: Metric{Field: Field{Name: "status"}, Kind: Cardinality}}}},
		{"filter+avg", false, all, []Agg{{Name: "f", Of: FilterAgg{All{}}, Sub: avg}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			blocks := newBlocks(20, c.counts)
			a, err := NewAggregator(c.aggs)
			if err != nil {
				b.Fatal(err)
			}
			pass := func() (rows int) {
				for _, block := range blocks {
					if err := a.AddRows(block, c.sel); err != nil {
						b.Fatal(err)
					}
					if rows += len(c.sel); c.sel == nil {
						rows += block.n
					}
				}
				return rows
			}
			pass()
			rows, start := 0, cpu(b)
			for b.Loop() {
				rows += pass()
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(rows), "cpu-ns/row")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkNewGroups measures processor time a row of rows that are mostly new
// groups, 100,000 in all, with the result.
func BenchmarkNewGroups(b *testing.B) {
	blocks := newBlocks(20, false)
	for _, c := range []struct {
		name string
		sub  []Agg
	}{{"count", nil}, {"avg", []Agg{{Name: "avg", Of: Metric{Field: Field{Name: "latency"}, Kind: Avg}}}}} {
		b.Run(c.name, func(b *testing.B) {
			start := cpu(b)
			for b.Loop() {
				a, err := NewAggregator([]Agg{{Name: "t", Of: Terms{Field: Field{Name: "path"}}, Sub: c.sub}})
				if err != nil {
					b.Fatal(err)
				}
				for _, block := range blocks {
					if err := a.AddRows(block, nil); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := a.Result(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N*len(blocks)*8192), "cpu-ns/row")
			b.ReportMetric(0, "ns/op")
		})
	}
}
