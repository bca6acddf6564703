package scan_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/scan"
)

// recordsOf are records of one tenant, one a second, of those documents.
func recordsOf(docs []string) []logging.Record {
	var recs []logging.Record
	for i, src := range docs {
		at := logtest.Noon().Add(time.Duration(i) * time.Second)
		recs = append(recs, logging.Record{
			Tenant: logtest.Tenant, Seq: uint64(i + 1), ID: logging.DerivedID(uint64(i + 1)), Index: "logs-eu-web", Time: at, Received: at,
			Cluster: "eu", Namespace: "web", Pod: "web-1", Message: "m", Source: []byte(src),
		})
	}
	return recs
}

// TestKeptSumsByName asks for terms whose fields have names that, put together, read
// like those of others: what is kept of the one is not taken for the other.
func TestKeptSumsByName(t *testing.T) {
	var docs []string
	for i := range 400 {
		docs = append(docs, fmt.Sprintf(`{"a":"x%d","b":%d}`, i%2, i))
	}
	recs := recordsOf(docs)
	sources := fileSources(tableSource(scan.Rules{Included: true, Cut: -1 << 63}, recs))
	terms := func(field string, metrics ...string) logging.Query {
		var sub []logging.Agg
		for i, m := range metrics {
			sub = append(sub, logging.Agg{Name: fmt.Sprint("m", i), Of: logging.Metric{Field: logging.FieldOf(m), Kind: logging.Max}})
		}
		return logging.Query{Filter: logging.All{}, Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: logging.Field{Name: field, Exact: true}}, Sub: sub}}}
	}
	for _, q := range []logging.Query{terms("a\x00b", "b"), terms("a", "b", "b"), terms("a", "b\x00b"), terms("a", "b")} {
		want, err := logging.Run(context.Background(), q, docsOf(recs))
		if err != nil {
			t.Fatal(err)
		}
		got, err := scan.Search(context.Background(), q, sources, scan.Options{})
		if err != nil {
			t.Error(err)
		} else if d := logtest.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

// TestCodesOfMixedKinds groups by a field of documents without a shape that has values
// of several kinds whose hashes meet: true, and the integer made for it.
func TestCodesOfMixedKinds(t *testing.T) {
	var docs []string
	meets := int64(logging.KindBool^logging.KindInt)<<56 ^ 1
	if logging.HashValue(logging.Int(meets)) != logging.HashValue(logging.Boolean(true)) {
		t.Fatal("their hashes do not meet")
	}
	for i := range 60 {
		// Every document has names of its own: they have no shape.
		docs = append(docs, fmt.Sprintf(`{"k%d":1,"v":true}`, i), fmt.Sprintf(`{"o%d":1,"v":%d}`, i, meets), fmt.Sprintf(`{"p%d":1,"v":1e8}`, i), fmt.Sprintf(`{"q%d":1,"v":100000000}`, i))
	}
	recs := recordsOf(docs)
	sources := fileSources(tableSource(scan.Rules{Included: true, Cut: -1 << 63}, recs))
	p, err := sources[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Len() {
		if p.BlockInfo(i).Shape != nil {
			t.Fatal("there is a shape")
		}
	}
	for i, q := range []logging.Query{
		{Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: logging.FieldOf("v")}}}},
		{Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: logging.FieldOf("v"), Include: []string{"100000000"}}}}},
		{Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: logging.FieldOf("v"), Include: []string{"true"}}}}},
	} {
		q.Filter = logging.All{}
		want, err := logging.Run(context.Background(), q, docsOf(recs))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := scan.Search(context.Background(), q, sources, scan.Options{})
			if err != nil {
				t.Error(err)
			} else if d := logtest.Diff(want, got); d != "" {
				t.Errorf("query %d: %s", i, d)
			}
		}
	}
}

// TestDocsBesideColumns groups the one row that matches by fields of several values,
// each of which has the block's other documents looked at before.
func TestDocsBesideColumns(t *testing.T) {
	var docs []string
	for i := range 60 { // every document has names of its own: they have no shape
		docs = append(docs, fmt.Sprintf(`{"k%d":1,"n":%d,"a":["a%d","x"],"b":["b%d","y"],"c":"c%d"}`, i, i, i, i, i))
	}
	recs := recordsOf(docs)
	terms := func(name string) logging.Agg {
		return logging.Agg{Name: name, Of: logging.Terms{Field: logging.FieldOf(name)}}
	}
	inside := func(name string, of logging.Agg) logging.Agg {
		return logging.Agg{Name: name, Of: logging.FilterAgg{Filter: logging.All{}}, Sub: []logging.Agg{of}}
	}
	top := logging.Agg{Name: "top", Of: logging.TopHits{Limit: 1}}
	for i, aggs := range [][]logging.Agg{
		{inside("one", terms("a")), inside("two", terms("b"))},
		{inside("one", terms("a")), terms("c"), inside("two", top)},
		{{Name: "of", Of: logging.Terms{Field: logging.FieldOf("n"), Size: 100}, Sub: []logging.Agg{inside("one", terms("a")), inside("two", terms("b")), terms("c")}}},
	} {
		for _, n := range []string{"7", "0", "59"} {
			q := logging.Query{Filter: logging.Term{Field: logging.FieldOf("n"), Text: n}, Aggs: aggs}
			if n == "0" && i == 2 {
				q.Filter = logging.All{}
			}
			want, err := logging.Run(context.Background(), q, docsOf(recs))
			if err != nil {
				t.Fatal(err)
			}
			got, err := scan.Search(context.Background(), q, fileSources(tableSource(scan.Rules{Included: true, Cut: -1 << 63}, recs)), scan.Options{})
			if err != nil {
				t.Error(err)
			} else if d := logtest.Diff(want, got); d != "" {
				t.Errorf("query %d for %s: %s", i, n, d)
			}
		}
	}
}
