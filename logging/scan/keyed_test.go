package scan_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/scan"
)

// TestTermsOfText groups by paths, of which there are about as many as records:
// in files they are told apart by their keys, in memory and among loose records by
// themselves, and some records have a number there or nothing.
func TestTermsOfText(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var recs []logging.Record
	for i := range 6000 {
		path := fmt.Sprintf(`"/api/v1/items/%d/%x"`, rnd.IntN(900), rnd.IntN(6))
		switch rnd.IntN(300) {
		case 0:
			path = "17"
		case 1:
			path = `"short"`
		}
		src := fmt.Sprintf(`{"path":%s,"latency_ms":%d.%d,"status":%d}`, path, rnd.IntN(500), rnd.IntN(10), 200+rnd.IntN(3))
		if rnd.IntN(50) == 0 {
			src = fmt.Sprintf(`{"status":%d,"latency_ms":%d}`, 200+rnd.IntN(3), rnd.IntN(500))
		}
		at := logtest.Noon().Add(time.Duration(i) * time.Second)
		recs = append(recs, logging.Record{
			Tenant: logtest.Tenant, Seq: uint64(i + 1), ID: logging.DerivedID(uint64(i + 1)), Index: "logs-eu-web", Time: at, Received: at,
			Cluster: "eu", Namespace: "web", Pod: fmt.Sprint("web-", i%3), Message: "m", Source: []byte(src),
		})
	}
	rules := scan.Rules{Included: true, Cut: -1 << 63}
	var sources []scan.Source
	sources = append(sources, fileSources(tableSource(rules, recs[:2500]))...)
	sources = append(sources, fileSources(tableSource(rules, recs[2500:5000]))...)
	sources = append(sources, tableSource(rules, recs[5000:5900]))
	loose := scan.Source{Rules: rules}
	for i := range recs[5900:] {
		loose.Loose = append(loose.Loose, &recs[5900+i])
	}
	sources = append(sources, loose)

	metric := func(name string, kind logging.MetricKind) logging.Agg {
		return logging.Agg{Name: name, Of: logging.Metric{Field: logging.FieldOf("latency_ms"), Kind: kind}}
	}
	some := logging.Term{Field: logging.FieldOf("status"), Text: "201"}
	path := logging.FieldOf("path.keyword")
	missing := logging.String("none")
	for name, q := range map[string]logging.Query{
		"count":          {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 10}}}},
		"average":        {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 25}, Sub: []logging.Agg{metric("a", logging.Avg)}}}},
		"some rows":      {Filter: some, Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 25}, Sub: []logging.Agg{metric("a", logging.Avg), metric("m", logging.Max)}}}},
		"all":            {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 60_000}, Sub: []logging.Agg{metric("s", logging.ExtendedStats)}}}},
		"by average":     {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 7, Order: []logging.TermsOrder{{By: "a", Desc: true}}}, Sub: []logging.Agg{metric("a", logging.Avg)}}}},
		"by key":         {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 7, Order: []logging.TermsOrder{{By: "_key"}}}, Sub: []logging.Agg{metric("a", logging.Min)}}}},
		"rare":           {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 12, Order: []logging.TermsOrder{{By: "_count"}}}}}},
		"at least 3":     {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 12, MinDocs: 3, Order: []logging.TermsOrder{{By: "_count"}}}}}},
		"missing":        {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 12, Missing: &missing}, Sub: []logging.Agg{metric("a", logging.Sum)}}}},
		"include":        {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 12, Include: []string{"short", "17"}}, Sub: []logging.Agg{metric("a", logging.Avg)}}}},
		"two of a kind":  {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 5}}, {Name: "u", Of: logging.Terms{Field: path, Size: 9}, Sub: []logging.Agg{metric("a", logging.Avg)}}}},
		"percentiles":    {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 5}, Sub: []logging.Agg{{Name: "p", Of: logging.Metric{Field: logging.FieldOf("latency_ms"), Kind: logging.Percentiles, Percents: []float64{50}}}}}}},
		"inside another": {Aggs: []logging.Agg{{Name: "s", Of: logging.Terms{Field: logging.FieldOf("status"), Size: 5}, Sub: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 5}, Sub: []logging.Agg{metric("a", logging.Avg)}}}}}},
	} {
		if q.Filter == nil {
			q.Filter = logging.All{}
		}
		want, err := logging.Run(context.Background(), q, func(yield func(*logging.Doc) bool) {
			for i := range recs {
				if !yield(logging.NewDoc(&recs[i])) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(name, err)
		}
		for _, again := range []string{"first", "again"} { // from the cache
			got, err := scan.Search(context.Background(), q, sources, scan.Options{})
			if err != nil {
				t.Errorf("%s, %s: %v", name, again, err)
				continue
			}
			if d := logtest.Diff(want, got); d != "" {
				t.Errorf("%s, %s: %s", name, again, d)
			}
		}
	}

	// Buckets are bounded, however they are counted.
	q := logging.Query{Filter: logging.All{}, MemoryMax: 100_000, Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: path, Size: 10}}}}
	if _, err := scan.Search(context.Background(), q, sources, scan.Options{}); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("with little memory: %v", err)
	}
}

// TestTermsOfManyBlocks: the same texts in many blocks take what they take once.
func TestTermsOfManyBlocks(t *testing.T) {
	const blocks, texts = 30, 400
	var sources []scan.Source
	for b := range blocks {
		var recs []logging.Record
		for i := range texts {
			seq := uint64(b*texts + i + 1)
			at := logtest.Noon().Add(time.Duration(seq) * time.Second)
			recs = append(recs, logging.Record{
				Tenant: logtest.Tenant, Seq: seq, ID: logging.DerivedID(seq), Index: "logs-eu-web", Time: at, Received: at, Message: "m",
				Source: fmt.Appendf(nil, `{"path":"/api/v1/items/%d/of/%x","ms":%d}`, i, i*i, i),
			})
		}
		sources = append(sources, fileSources(tableSource(scan.Rules{Included: true, Cut: -1 << 63}, recs))...)
	}
	q := logging.Query{Filter: logging.All{}, MemoryMax: 100_000, Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: logging.FieldOf("path.keyword"), Size: 3},
		Sub: []logging.Agg{{Name: "a", Of: logging.Metric{Field: logging.FieldOf("ms"), Kind: logging.Avg}}}}}}
	for range 2 {
		got, err := scan.Search(t.Context(), q, sources, scan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if of := got.Aggs["t"].Buckets; len(of) != 3 || of[0].DocCount != blocks {
			t.Errorf("%+v", of)
		}
	}
	q.MemoryMax = 10_000
	if _, err := scan.Search(t.Context(), q, sources, scan.Options{}); !errors.Is(err, logging.ErrQuery) {
		t.Errorf("in memory for less than a block's: %v", err)
	}
}
