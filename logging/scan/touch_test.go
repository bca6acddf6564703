package scan_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/scan"
	"github.com/oriel-project/oriel/logging/segment"
)

// touched counts the columns that are asked for.
type touched struct {
	scan.Part
	blocks, columns atomic.Int64
}

type touchedBlock struct {
	segment.Block
	of    *touched
	first atomic.Bool
}

func (p *touched) Block(i int) segment.Block {
	return &touchedBlock{Block: p.Part.Block(i), of: p}
}

func (b *touchedBlock) touch() {
	b.of.columns.Add(1)
	if b.first.CompareAndSwap(false, true) {
		b.of.blocks.Add(1)
	}
}

func (b *touchedBlock) Times() ([]int64, error)                { b.touch(); return b.Block.Times() }
func (b *touchedBlock) Seqs() ([]uint64, error)                { b.touch(); return b.Block.Seqs() }
func (b *touchedBlock) Received() ([]int64, error)             { b.touch(); return b.Block.Received() }
func (b *touchedBlock) Own(hole int) (*segment.Column, error)  { b.touch(); return b.Block.Own(hole) }
func (b *touchedBlock) Record(row int) (logging.Record, error) { b.touch(); return b.Block.Record(row) }
func (b *touchedBlock) Records(rows []int, to []*logging.Record) error {
	b.touch()
	return b.Block.Records(rows, to)
}
func (b *touchedBlock) Stamped(s segment.Stamp) (*segment.Column, error) {
	b.touch()
	return b.Block.Stamped(s)
}

// hourly makes records of two namespaces, one a second, over some hours, in a
// file whose blocks are about an hour each.
func hourly(hours int) []scan.Source {
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	rules := scan.Rules{Included: true, Cut: math.MinInt64}
	var out []scan.Source
	for h := range hours {
		var recs []logging.Record
		for i := range 3600 {
			seq := uint64(h*3600 + i + 1)
			ns := []string{"web", "db"}[i%2]
			recs = append(recs, logging.Record{
				Tenant: logtest.Tenant, Seq: seq, ID: logging.DerivedID(seq), Index: "logs-eu-" + ns, Cluster: "eu", Namespace: ns,
				Time: start.Add(time.Duration(h*3600+i) * time.Second), Received: start, Message: "hello",
				Source: fmt.Appendf(nil, `{"message":"hello","n":%d,"trace":"%s"}`, h*3600+i, traceOf(seq)),
			})
		}
		out = append(out, fileSources(tableSource(rules, recs))...)
	}
	return out
}

// TestTouch holds what a query may read: its cost grows with what it touches,
// not with what is stored.
func TestTouch(t *testing.T) {
	byTime := []logging.SortKey{{Field: logging.FieldOf(logging.FieldTime), Desc: true}}
	bySeq := []logging.SortKey{{Field: logging.FieldOf(logging.FieldSeq)}}
	at := func(h int) *logging.Bound {
		return &logging.Bound{Value: logging.Time(time.Date(2026, 11, 22, h, 0, 0, 0, time.UTC)), Inclusive: h%2 == 0}
	}
	web := logging.Term{Field: logging.FieldOf("namespace"), Text: "web"}
	between := logging.Range{Field: logging.FieldOf(logging.FieldTime), Min: at(4), Max: at(5)}
	trace := traceOf(4000)
	perHour := []logging.Agg{{Name: "h", Of: logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), Fixed: time.Hour}}}
	for _, c := range []struct {
		name   string
		q      logging.Query
		blocks int64
		total  int64
	}{
		{"count of everything", logging.Query{}, 0, 36_000},
		{"count of a namespace", logging.Query{Filter: web}, 0, 18_000},
		{"count of whole hours", logging.Query{Filter: between}, 0, 3_600},
		{"count of nothing", logging.Query{Filter: logging.Term{Field: logging.FieldOf("namespace"), Text: "nobody"}}, 0, 0},
		{"numbers out of range", logging.Query{Filter: logging.Range{Field: logging.FieldOf("n"), Min: &logging.Bound{Value: logging.Int(99_999)}}}, 0, 0},
		{"a needle", logging.Query{Filter: logging.Term{Field: logging.FieldOf("trace"), Text: trace}, Limit: 10, Sort: byTime}, 2, 1}, // looked at, then rebuilt
		{"the newest ten", logging.Query{Limit: 10, Sort: byTime, TotalMax: -1}, 4, -1},
		{"the newest ten, counted", logging.Query{Limit: 10, Sort: byTime}, 4, 36_000},
		{"the newest ten of a namespace in an hour", logging.Query{Filter: logging.And{web, between}, Limit: 10, Sort: byTime, TotalMax: 100}, 2, 100},
		{"ten after a place", logging.Query{Limit: 10, Sort: byTime, After: []logging.Value{at(7).Value}, TotalMax: -1}, 5, -1},
		{"ten as they came", logging.Query{Limit: 10, Sort: bySeq, TotalMax: -1}, 4, -1},
		{"ten as they came after a place", logging.Query{Limit: 10, Sort: bySeq, After: []logging.Value{logging.Int(20_000)}, TotalMax: -1}, 5, -1},
		{"the last ten that came", logging.Query{Limit: 10, Sort: []logging.SortKey{{Field: logging.FieldOf(logging.FieldSeq), Desc: true}}, TotalMax: -1}, 4, -1},
		{"counts by hour of one hour", logging.Query{Filter: between, Aggs: perHour}, 2, 3_600},
	} {
		t.Run(c.name, func(t *testing.T) {
			sources := hourly(10)
			var parts []*touched
			for i := range sources {
				p, err := sources[i].Open()
				if err != nil {
					t.Fatal(err)
				}
				seen := &touched{Part: p}
				parts = append(parts, seen)
				sources[i].Open = func() (scan.Part, error) { return seen, nil }
			}
			res, err := scan.Search(context.Background(), c.q, sources, scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			blocks := int64(0)
			for _, p := range parts {
				blocks += p.blocks.Load()
			}
			if res.Total != c.total || blocks > c.blocks {
				t.Errorf("want a total of %d out of at most %d blocks, got %d out of %d", c.total, c.blocks, res.Total, blocks)
			}
		})
	}
}

// slow is a context that ends after it was looked at some times.
type slow struct {
	context.Context
	left, looks int
}

func (s *slow) Err() error {
	s.looks++
	if s.left--; s.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestDeadline ends queries at every point where they look, and wants slow ones
// to look often.
func TestDeadline(t *testing.T) {
	sources := hourly(2)
	for name, q := range map[string]logging.Query{
		"strings":   {Filter: logging.Pattern{Field: logging.FieldOf("trace.keyword"), Kind: logging.Wildcard, Text: "*abc*"}},
		"sort":      {Sort: []logging.SortKey{{Field: logging.FieldOf("n")}}, Limit: 5},
		"everybody": {Filter: logging.Term{Text: "nothing"}},
		"aggs":      {Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: logging.FieldOf("trace.keyword")}}}},
	} {
		all := &slow{Context: context.Background(), left: 1 << 30}
		if _, err := scan.Search(all, q, sources, scan.Options{}); err != nil {
			t.Fatal(name, err)
		}
		if all.looks < 8 {
			t.Errorf("%s: the context was looked at %d times in 7,200 rows", name, all.looks)
		}
		for left := range all.looks {
			// Sources that nobody asked: they remember nothing.
			if _, err := scan.Search(&slow{Context: context.Background(), left: left}, q, hourly(2), scan.Options{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%s: ended at look %d of %d: got %v", name, left, all.looks, err)
			}
		}
	}
}

// TestLooks: a search of large documents looks by their bytes, not by their number.
func TestLooks(t *testing.T) {
	const size, count = 128 << 10, 32
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	rnd := rand.New(rand.NewPCG(1, 1))
	var recs []logging.Record
	for i := range uint64(count) {
		var b strings.Builder
		for b.Len() < size {
			fmt.Fprintf(&b, "word%x ", rnd.Uint64())
		}
		src := fmt.Appendf(nil, `{"message":%q}`, b.String())
		if i%2 == 0 { // a document without shape
			src = fmt.Appendf(nil, `{"message":%q,"k%d":1}`, b.String(), i)
		}
		recs = append(recs, logging.Record{
			Tenant: logtest.Tenant, Seq: i + 1, ID: logging.DerivedID(i + 1), Index: "logs-eu-web", Cluster: "eu", Namespace: "web",
			Time: start.Add(time.Duration(i) * time.Second), Received: start, Message: b.String(), Source: src,
		})
	}
	rules := scan.Rules{Included: true, Cut: math.MinInt64}
	message := logging.Field{Name: "message", Exact: true}
	re, err := logging.NewRegexp(message, ".*no[0-9]+where.*")
	if err != nil {
		t.Fatal(err)
	}
	byMessage := []logging.SortKey{{Field: message}}
	hits := []logging.Agg{{Name: "h", Of: logging.TopHits{Limit: 10, Sort: byMessage}}}
	for name, q := range map[string]logging.Query{
		"regexp":   {Filter: re},
		"wildcard": {Filter: logging.Pattern{Field: message, Kind: logging.Wildcard, Text: "*no*where*"}},
		"hits":     {Limit: count, Sort: []logging.SortKey{{Field: logging.FieldOf(logging.FieldSeq)}}},
		"top hits": {Aggs: hits},
		"anything": {Filter: logging.Pattern{Field: logging.FieldOf("*"), Kind: logging.Wildcard, Text: "*zz*yy*"}},
	} {
		rows := make([]*logging.Record, len(recs))
		for i := range recs {
			rows[i] = &recs[i]
		}
		for where, sources := range map[string][]scan.Source{
			"file":  fileSources(tableSource(rules, recs)),
			"loose": {{Rules: rules, Loose: rows}},
		} {
			if where == "loose" && name == "hits" {
				continue // they are there already
			}
			all := &slow{Context: context.Background(), left: 1 << 30}
			if _, err := scan.Search(all, q, sources, scan.Options{}); err != nil {
				t.Fatal(name, err)
			}
			if want := size * count / (256 << 10); all.looks < want {
				t.Errorf("%s of a %s: the context was looked at %d times in %d KiB, want %d", name, where, all.looks, size*count>>10, want)
			}
			for _, left := range []int{all.looks / 3, all.looks / 2, all.looks - 2} {
				ended := &slow{Context: context.Background(), left: left}
				if _, err := scan.Search(ended, q, sources, scan.Options{}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s of a %s, ended at look %d of %d: %v", name, where, left, all.looks, err)
				}
			}
		}
	}
}

func TestMemoryMax(t *testing.T) {
	q := logging.Query{Limit: 1000, Sort: []logging.SortKey{{Field: logging.FieldOf(logging.FieldTime)}}}
	if _, err := scan.Search(context.Background(), q, hourly(1), scan.Options{MemoryMax: 10_000}); !errors.Is(err, logging.ErrQuery) {
		t.Fatalf("got %v", err)
	}
}

func traceOf(seq uint64) string { return fmt.Sprintf("%032x", seq*0x9e3779b97f4a7c15) }
