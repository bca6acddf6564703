package scan_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/scan"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// pathRecords are records of a tenant with about two different paths in three records.
func pathRecords(rnd *rand.Rand, owner tenant.ID, n int) []logging.Record {
	var recs []logging.Record
	for i := range n {
		at := logtest.Noon().Add(time.Duration(i) * time.Second)
		src := fmt.Sprintf(`{"path":"/api/v1/items/%d/%x","latency_ms":%d.%d,"size":%d,"status":%d}`,
			rnd.IntN(900), rnd.IntN(6), rnd.IntN(500), rnd.IntN(10), rnd.IntN(100), 200+rnd.IntN(3))
		recs = append(recs, logging.Record{
			Tenant: owner, Seq: uint64(i + 1), ID: logging.DerivedID(uint64(i + 1)), Index: "logs-eu-web", Time: at, Received: at,
			Cluster: "eu", Namespace: "web", Pod: fmt.Sprint("web-", i%3), Message: "m", Source: []byte(src),
		})
	}
	return recs
}

// TestNumberedTerms groups by paths whose numbers the cache keeps: of two tenants,
// which share no numbers, of one cache that has numbers for all paths and of one
// that has not, beside records in memory, by several queries at once, each of which
// sees some of the sources.
func TestNumberedTerms(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	rules := scan.Rules{Included: true, Cut: -1 << 63}
	shop, billing := pathRecords(rnd, "shop", 5000), pathRecords(rnd, "billing", 3000)
	metric := func(name, field string, kind logging.MetricKind) logging.Agg {
		return logging.Agg{Name: name, Of: logging.Metric{Field: logging.FieldOf(field), Kind: kind}}
	}
	terms := func(size int, sub ...logging.Agg) logging.Agg {
		return logging.Agg{Name: "t", Of: logging.Terms{Field: logging.FieldOf("path.keyword"), Size: size}, Sub: sub}
	}
	some := logging.Term{Field: logging.FieldOf("status"), Text: "201"}
	last := logging.Range{Field: logging.FieldOf(logging.FieldTime), Min: &logging.Bound{Value: logging.Time(logtest.Noon().Add(2 * time.Hour))}}
	queries := []logging.Query{
		{Filter: logging.All{}, Aggs: []logging.Agg{terms(10)}},
		{Filter: some, Aggs: []logging.Agg{terms(25, metric("a", "latency_ms", logging.Avg))}},
		{Filter: logging.All{}, Aggs: []logging.Agg{terms(60_000, metric("s", "size", logging.Sum), metric("m", "latency_ms", logging.Max))}},
		{Filter: last, Aggs: []logging.Agg{terms(60_000, metric("s", "size", logging.ExtendedStats), metric("none", "nothing", logging.Avg))}},
		{Filter: last, Aggs: []logging.Agg{terms(3, metric("s", "size", logging.Sum), metric("a", "size", logging.Avg)), {Name: "u", Of: logging.Terms{Field: logging.FieldOf("path"), Size: 4}}}},
	}
	for _, bytes := range []int64{1 << 20, 1 << 16, 1 << 12} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			cache := segment.NewCache(bytes)
			var sources []scan.Source
			var recs [][]logging.Record
			for _, part := range [][]logging.Record{shop[:2000], shop[2000:4000], billing[:2500]} {
				sources = append(sources, fileSourcesIn(tableSource(rules, part), cache)...)
				recs = append(recs, part)
			}
			for _, part := range [][]logging.Record{shop[4000:], billing[2500:]} {
				sources = append(sources, tableSource(rules, part))
				recs = append(recs, part)
			}
			if len(sources) != len(recs) {
				t.Fatalf("%d sources", len(sources))
			}
			var group sync.WaitGroup
			for _, which := range [][]int{{0, 1, 2, 3, 4}, {0}, {2, 4, 1}, {3, 1, 0}, {2, 0}} {
				var asked []scan.Source
				var of []logging.Record
				for _, i := range which {
					asked, of = append(asked, sources[i]), append(of, recs[i]...)
				}
				group.Go(func() {
					for i, q := range queries {
						want, err := logging.Run(context.Background(), q, docsOf(of))
						if err != nil {
							t.Error(err)
							return
						}
						for range 3 {
							got, err := scan.Search(context.Background(), q, asked, scan.Options{})
							if err != nil {
								t.Error(err)
							} else if d := logtest.Diff(want, got); d != "" {
								t.Errorf("sources %v, query %d: %s", which, i, d)
							}
						}
					}
				})
			}
			group.Wait()
			if bytes == 1<<20 { // there is room for all
				wantNumbers(t, sources[0], shop[:4000])
				wantNumbers(t, sources[2], billing[:2500])
			}
			if got := cache.Stats().Bytes; got > bytes && bytes > 1<<12 {
				t.Errorf("%d bytes are kept, want %d at the most", got, bytes)
			}
		})
	}
}

// wantNumbers checks that the strings that have numbers are those of the tenant's
// records in files, and nobody else's.
func wantNumbers(t *testing.T, src scan.Source, recs []logging.Record) {
	t.Helper()
	p, err := src.Open()
	if err != nil {
		t.Fatal(err)
	}
	in := p.Block(0).(interface{ Numbering() *logging.Numbering }).Numbering()
	paths := map[string]bool{}
	for i := range recs {
		path := logging.NewDoc(&recs[i]).Values(logging.FieldOf("path"))[0].Str
		if _, ok := in.Find(logging.KeyOfString(path)); !ok {
			t.Fatalf("%s: %s has no number", recs[0].Tenant, path)
		}
		paths[path] = true
	}
	if in.Len() != len(paths) {
		t.Errorf("%s: %d strings have numbers, want those of its %d paths", recs[0].Tenant, in.Len(), len(paths))
	}
}

// docsOf yields records as documents.
func docsOf(recs []logging.Record) func(func(*logging.Doc) bool) {
	return func(yield func(*logging.Doc) bool) {
		for i := range recs {
			if !yield(logging.NewDoc(&recs[i])) {
				return
			}
		}
	}
}
