package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func benchRecords(n int) []logging.Record {
	out := make([]logging.Record, n)
	for i := range out {
		msg := fmt.Sprintf(`10.0.%d.%d - - "GET /api/v1/items/%d HTTP/1.1" 200 %d`, i%7, i%251, i, i*37%9000)
		r := rec("web", noon.Add(time.Duration(i)*time.Millisecond), msg)
		r.Source = fmt.Appendf(nil, `{"message":%q,"stream":"stdout","status":%d,"took":%d,"trace":"%032x","kubernetes":{"namespace_name":"web","pod_name":"web-1","container_name":"main","labels":{"app":"web","team":"shop"}}}`, msg, 200+i%4*100, i%900, i)
		out[i] = r
	}
	return out
}

func benchOpen(b *testing.B, d Durability) *Store {
	s, err := Open(b.TempDir(), Options{Durability: d})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func BenchmarkAppend(b *testing.B) {
	for _, d := range []Durability{Sync, None} {
		for _, n := range []int{1, 100, 2000} {
			b.Run(fmt.Sprintf("%s/batch=%d", d, n), func(b *testing.B) {
				s := benchOpen(b, d)
				recs := benchRecords(n)
				bytes := 0
				for _, r := range recs {
					bytes += len(r.Source)
				}
				b.SetBytes(int64(bytes))
				b.SetParallelism(8)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := s.Append(context.Background(), writer, logging.Batch{Records: recs}); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

// BenchmarkAppendIDs shows what uniqueness costs those who give ids, and that it
// costs nothing those who give none: of 20,000 records that are in segments
// already, and one batch of new ones after the other.
func BenchmarkAppendIDs(b *testing.B) {
	const n = 2000
	for _, given := range []string{"none", "new", "known", "derived"} {
		b.Run(given, func(b *testing.B) {
			s := benchOpen(b, Sync)
			recs := benchRecords(n)
			next := 0
			give := func() {
				for i := range recs {
					recs[i].ID = fmt.Sprintf("order-%d", next)
					next++
				}
			}
			for range 10 {
				if given != "derived" {
					give()
				}
				if _, err := s.Append(context.Background(), writer, logging.Batch{Records: recs}); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Merge(context.Background()); err != nil {
				b.Fatal(err)
			}
			if given == "none" {
				recs = benchRecords(n)
			}
			for b.Loop() {
				b.StopTimer()
				recs = append([]logging.Record(nil), recs...)
				switch given {
				case "new":
					give()
				case "known":
					next = 0
					give()
				case "derived": // of the records that are there
					for i := range recs {
						recs[i].ID = logging.DerivedID(uint64(1 + i))
					}
				}
				b.StartTimer()
				if _, err := s.Append(context.Background(), writer, logging.Batch{Records: recs}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkSearch(b *testing.B) {
	s := benchOpen(b, None)
	const total = 100_000
	recs := benchRecords(total)
	for i := 0; i < total; i += 1000 {
		if _, err := s.Append(context.Background(), writer, logging.Batch{Records: recs[i : i+1000]}); err != nil {
			b.Fatal(err)
		}
	}
	f := logging.FieldOf
	newest := []logging.SortKey{{Field: f(logging.FieldTime), Desc: true}}
	for name, q := range map[string]logging.Query{
		"newest500":   {Limit: 500, TotalMax: -1, Sort: newest},
		"needle":      {Limit: 10, Sort: newest, Filter: logging.Term{Field: f("trace"), Text: fmt.Sprintf("%032x", total/3)}},
		"word":        {Limit: 100, Sort: newest, TotalMax: 10_000, Filter: logging.Term{Field: f("message"), Text: "items"}},
		"byMinute":    {Aggs: []logging.Agg{{Name: "t", Of: logging.DateHistogram{Field: f(logging.FieldTime), Fixed: time.Minute}}}},
		"byStatusAvg": {Aggs: []logging.Agg{{Name: "s", Of: logging.Terms{Field: f("status")}, Sub: []logging.Agg{{Name: "a", Of: logging.Metric{Field: f("took"), Kind: logging.Avg}}}}}},
	} {
		b.Run(name, func(b *testing.B) {
			var hits atomic.Int64
			for b.Loop() {
				v, err := s.Snapshot(context.Background(), scopetest.Read("shop"))
				if err != nil {
					b.Fatal(err)
				}
				r, err := v.Search(context.Background(), q)
				if err != nil {
					b.Fatal(err)
				}
				hits.Store(int64(len(r.Hits)))
				_ = v.Close()
			}
		})
	}
}

func BenchmarkStamp(b *testing.B) {
	st := &logging.Stamper{}
	src := benchRecords(1)[0].Source
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := st.Stamp(writer, logging.Raw{Source: src}); err != nil {
			b.Fatal(err)
		}
	}
}
