package logging_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var veilKey = [logging.VeilKeyBytes]byte{1, 2, 3}

func TestVeilIsAPermutation(t *testing.T) {
	for _, first := range []uint64{1, 1000, 1 << 52} {
		v := logging.NewVeil(veilKey, first)
		seen := map[uint64]bool{}
		for i := range uint64(20_000) {
			seq := i
			if i >= 10_000 {
				seq = first + i
			}
			x := v.Shown(seq)
			if seen[x] && i < 10_000 {
				t.Fatalf("first %d: two are shown as %d", first, x)
			}
			seen[x] = true
			switch {
			case v.Seq(x) != seq:
				t.Fatalf("first %d: %d is shown as %d, which is %d", first, seq, x, v.Seq(x))
			case seq < first && x != seq:
				t.Fatalf("first %d: the old %d is shown as %d", first, seq, x)
			case seq >= first && (x < first || x >= 1<<53):
				t.Fatalf("first %d: %d is shown as %d", first, seq, x)
			}
		}
		for _, x := range []uint64{0, 1 << 53, 1<<64 - 1} {
			if v.Shown(x) != x || v.Seq(x) != x {
				t.Errorf("%d is no position, and is changed", x)
			}
		}
	}
	a, b := logging.NewVeil(veilKey, 1), logging.NewVeil([logging.VeilKeyBytes]byte{4}, 1)
	if a.Shown(1) == b.Shown(1) {
		t.Error("the key does not count")
	}
	if none := (*logging.Veil)(nil); none.Shown(7) != 7 || none.ShownID(logging.DerivedID(7)) != logging.DerivedID(7) {
		t.Error("without a veil something is hidden")
	}
}

// TestVeilHidesVolume: the distances of one tenant's numbers are the same whether
// another wrote nothing or a thousand records in between, as far as anybody can see:
// they are those of numbers drawn by chance.
func TestVeilHidesVolume(t *testing.T) {
	v := logging.NewVeil(veilKey, 1)
	for _, between := range []uint64{1, 1000, 1_000_000} {
		const n = 4000
		up, sum := 0, 0.0
		for i := range uint64(n) {
			a, b := v.Shown(1+i*between), v.Shown(1+(i+1)*between)
			if b > a {
				up++
			}
			d := float64(b) - float64(a)
			sum += max(d, -d) / (1 << 53)
		}
		// Of two numbers by chance the distance is a third of the whole, 0.236 its deviation.
		if mean := sum / n; mean < 0.315 || mean > 0.352 || up < n*46/100 || up > n*54/100 {
			t.Errorf("%d between: mean distance %.3f, %d of %d upwards", between, mean, up, n)
		}
	}
}

// TestVeilAnswersAsBefore holds a veiled store against one that hides nothing:
// queries that are taken find the same records.
func TestVeilAnswersAsBefore(t *testing.T) {
	v := logging.NewVeil(veilKey, 1)
	ctx, write, read := context.Background(), scopetest.Write(logtest.Tenant), scopetest.Read(logtest.Tenant)
	taken := 0
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		recs := logtest.Records(rnd, 60)
		for i := range recs {
			recs[i].ID, recs[i].Seq = "", 0
			switch rnd.IntN(4) {
			case 0:
				recs[i].ID = fmt.Sprintf("given-%d", i)
			case 1:
				recs[i].ID = logging.DerivedID(uint64(1000 + rnd.IntN(90))) // as if derived
			}
		}
		plain, behind := mem.New(mem.Options{}), mem.New(mem.Options{})
		a, err := plain.Append(ctx, write, logging.Batch{Records: append([]logging.Record(nil), recs...)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := v.Answers(v.Given(behind)).Append(ctx, write, logging.Batch{Records: append([]logging.Record(nil), recs...)})
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]int{}
		for i := range b {
			if recs[i].ID != "" && b[i].ID != recs[i].ID {
				t.Fatalf("seed %d: the id %q that was given is answered %q", seed, recs[i].ID, b[i].ID)
			}
			if b[i].Status == logging.Stored {
				if _, twice := ids[recs[i].Index+"/"+b[i].ID]; twice {
					t.Fatalf("seed %d: two records of the id %q", seed, b[i].ID)
				}
				ids[recs[i].Index+"/"+b[i].ID] = i
			}
		}
		open, err := plain.Snapshot(ctx, read)
		if err != nil {
			t.Fatal(err)
		}
		veiled, err := v.Searcher(behind).Snapshot(ctx, read)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			if b[i].Status != logging.Stored || a[i].Status != logging.Stored {
				continue
			}
			rec, ok, err := veiled.Get(ctx, recs[i].Index, b[i].ID)
			if err != nil || !ok || rec.ID != b[i].ID || rec.Seq != b[i].Seq {
				t.Fatalf("seed %d: got %q %d %v %v, want %q %d", seed, rec.ID, rec.Seq, ok, err, b[i].ID, b[i].Seq)
			}
		}
		for range 40 {
			q := logtest.Query(rnd)
			q.Sort, q.After, q.Aggs, q.Offset, q.Limit = []logging.SortKey{{Field: logging.FieldOf(logging.FieldSeq)}}, nil, nil, 0, 100
			if namesIDs(q.Filter) {
				continue // the two stores' ids differ
			}
			got, err := veiled.Search(ctx, q)
			if errors.Is(err, logging.ErrQuery) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := open.Search(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(want.Hits) != len(got.Hits) {
				t.Fatalf("seed %d: %#v: %d hits, want %d", seed, q.Filter, len(got.Hits), len(want.Hits))
			}
			for i := range got.Hits {
				g, w := &got.Hits[i], &want.Hits[i]
				if v.Seq(g.Record.Seq) != w.Record.Seq || g.Sort[0].Int != int64(g.Record.Seq) {
					t.Fatalf("seed %d: hit %d is %d, want %d", seed, i, v.Seq(g.Record.Seq), w.Record.Seq)
				}
			}
			if len(got.Hits) < 2 {
				continue
			}
			taken++
			at := rnd.IntN(len(got.Hits))
			q.After = got.Hits[at].Sort
			rest, err := veiled.Search(ctx, q)
			if err != nil || len(rest.Hits) != len(got.Hits)-1-at {
				t.Fatalf("seed %d: %d hits behind hit %d of %d (%v)", seed, len(rest.Hits), at, len(got.Hits), err)
			}
		}
	}
	if taken < 200 {
		t.Errorf("only %d queries found anything", taken)
	}
}

// namesIDs reports whether a filter has ids in it.
func namesIDs(f logging.Filter) bool {
	switch f := f.(type) {
	case logging.And:
		for _, p := range f {
			if namesIDs(p) {
				return true
			}
		}
	case logging.Or:
		for _, p := range f.Of {
			if namesIDs(p) {
				return true
			}
		}
	case logging.Not:
		return namesIDs(f.Of)
	case logging.IDs:
		return true
	case logging.Leaf:
		return f.Of().Name == "_id"
	}
	return false
}

// TestVeilRefuses: what would tell positions by bisection is refused.
func TestVeilRefuses(t *testing.T) {
	s := logging.NewVeil(veilKey, 1).Searcher(mem.New(mem.Options{}))
	view, err := s.Snapshot(context.Background(), scopetest.Read("t1"))
	if err != nil {
		t.Fatal(err)
	}
	id, seq := logging.FieldOf("_id"), logging.FieldOf("_seq")
	bound := func(v logging.Value) *logging.Bound { return &logging.Bound{Value: v} }
	agg := func(of logging.Aggregation) logging.Query {
		return logging.Query{Aggs: []logging.Agg{{Name: "outer", Of: logging.Terms{Field: logging.FieldOf("pod"), Size: 1}, Sub: []logging.Agg{{Name: "a", Of: of}}}}}
	}
	f := func(q logging.Query, refused bool) {
		t.Helper()
		_, err := view.Search(context.Background(), q)
		if errors.Is(err, logging.ErrQuery) != refused {
			t.Errorf("%#v: %v, want refused: %v", q, err, refused)
		}
	}
	filter := func(f logging.Filter) logging.Query {
		return logging.Query{Filter: logging.Not{Of: logging.And{f}}, Limit: 1}
	}
	f(filter(logging.Pattern{Field: id, Kind: logging.Prefix, Text: "000"}), true)
	f(filter(logging.Range{Field: id, Min: bound(logging.String("0"))}), true)
	f(filter(logging.Phrase{Field: id, Raw: "0", LastPrefix: true}), true)
	f(filter(logging.Term{Field: id, Text: "A", Fold: true}), true)
	f(filter(logging.Term{Field: id, Text: "a"}), false)
	f(filter(logging.IDs{"a"}), false)
	f(filter(logging.Exists{Field: id}), false)
	f(filter(logging.Range{Field: seq, Min: bound(logging.Int(1))}), true)
	f(filter(logging.Range{Field: seq, Min: bound(logging.Float(1)), Max: bound(logging.Float(1))}), true)
	f(filter(logging.Pattern{Field: seq, Kind: logging.Prefix, Text: "1"}), true)
	f(filter(logging.Term{Field: seq, Text: "1"}), true)
	f(agg(logging.Metric{Field: seq, Kind: logging.Max}), true)
	f(agg(logging.Histogram{Field: seq, Interval: 10}), true)
	f(agg(logging.Terms{Field: id, Size: 1}), true)
	f(agg(logging.Composite{Size: 1, Sources: []logging.CompositeSource{{Of: logging.Terms{Field: seq}}}}), true)
	f(agg(logging.FilterAgg{Filter: logging.Range{Field: seq, Min: bound(logging.Int(1))}}), true)
	f(agg(logging.Filters{Of: []logging.NamedFilter{{Name: "a", Filter: logging.Pattern{Field: id, Kind: logging.Prefix, Text: "0"}}}}), true)
	f(agg(logging.TopHits{Limit: 1, Sort: []logging.SortKey{{Field: id}}}), true)
	f(agg(logging.TopHits{Limit: 1, Sort: []logging.SortKey{{Field: seq}}}), false)
	f(agg(logging.Metric{Field: id, Kind: logging.ValueCount}), false)
	f(logging.Query{Limit: 1, Sort: []logging.SortKey{{Field: id}}}, true)
}

func BenchmarkVeil(b *testing.B) {
	v, seq := logging.NewVeil(veilKey, 1), uint64(1)
	for b.Loop() {
		seq = v.Shown(seq)
	}
}
