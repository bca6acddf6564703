package logging

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func seqs(r *Result) []uint64 {
	out := []uint64{}
	for _, h := range r.Hits {
		out = append(out, h.Record.Seq)
	}
	return out
}

func TestRun(t *testing.T) {
	docs := docsOf(`{"n":3}`, `{"n":1}`, `{"n":2}`, `{}`, `{"n":2}`)
	byN := []SortKey{{Field: FieldOf("n")}}
	for _, c := range []struct {
		q    Query
		want []uint64
	}{
		{Query{}, []uint64{}},
		{Query{Limit: 10}, []uint64{1, 2, 3, 4, 5}},
		{Query{Limit: 2, Offset: 1}, []uint64{2, 3}},
		{Query{Limit: 2, Offset: 9}, []uint64{}},
		{Query{Limit: 10, Sort: byN}, []uint64{2, 3, 5, 1, 4}},
		{Query{Limit: 10, Sort: []SortKey{{Field: FieldOf("n"), Desc: true}}}, []uint64{1, 3, 5, 2, 4}},
		{Query{Limit: 10, Sort: []SortKey{{Field: FieldOf("n"), MissingFirst: true}}}, []uint64{4, 2, 3, 5, 1}},
		{Query{Limit: 10, Sort: []SortKey{{Field: FieldOf("n")}, {Field: FieldOf("_seq"), Desc: true}}}, []uint64{2, 5, 3, 1, 4}},
		{Query{Limit: 10, Sort: byN, After: []Value{Int(2)}}, []uint64{1, 4}},
		{Query{Limit: 10, Sort: []SortKey{byN[0], {Field: FieldOf("_seq")}}, After: []Value{Int(2), Int(3)}}, []uint64{5, 1, 4}},
		{Query{Limit: 10, Sort: []SortKey{byN[0], {Field: FieldOf("_seq")}}, After: []Value{{}, Int(3)}}, []uint64{4}},
		{Query{Limit: 10, Sort: []SortKey{{Field: FieldOf("@timestamp"), Desc: true}}, After: []Value{Int(noon.UnixMilli() + 2000)}}, []uint64{2, 1}},
		{Query{Limit: 10, Filter: Exists{FieldOf("n")}, Indices: []string{"logs-eu-web"}}, []uint64{1, 2, 3, 5}},
		{Query{Limit: 10, Indices: []string{}}, []uint64{}},
	} {
		r, err := Run(context.Background(), c.q, slices.Values(docs))
		if err != nil || !slices.Equal(seqs(r), c.want) {
			t.Errorf("%+v: got %v %v, want %v", c.q, seqs(r), err, c.want)
		}
	}
}

func TestRunTotals(t *testing.T) {
	docs := docsOf(`{}`, `{}`, `{}`)
	for _, c := range []struct {
		max     int
		total   int64
		atLeast bool
	}{{0, 3, false}, {2, 2, true}, {3, 3, false}, {9, 3, false}, {-1, -1, false}} {
		r, err := Run(context.Background(), Query{TotalMax: c.max}, slices.Values(docs))
		if err != nil || r.Total != c.total || r.TotalAtLeast != c.atLeast {
			t.Errorf("at most %d: got %+v, %v", c.max, r, err)
		}
	}
}

func TestRunErrors(t *testing.T) {
	for _, q := range []Query{{Limit: -1}, {Offset: -1}, {After: []Value{Int(1)}}, {Aggs: []Agg{{Name: "x"}}}} {
		if _, err := Run(context.Background(), q, slices.Values(docsOf(`{}`))); !errors.Is(err, ErrQuery) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	endless := func(yield func(*Doc) bool) {
		for d := doc(`{}`); yield(d); {
		}
	}
	if _, err := Run(ctx, Query{}, endless); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSettled stops as early as a collector allows, and must find what one finds
// that looks at everything.
func TestSettled(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var docs []*Doc
		for i := range 40 {
			d := doc(fmt.Sprintf(`{"n":%d}`, rnd.IntN(3)))
			d.Record.Seq, d.Record.Time = uint64(i+1), noon.Add(time.Duration(rnd.IntN(15))*time.Second)
			docs = append(docs, d)
		}
		desc := rnd.IntN(2) == 0
		q := Query{
			Filter: Term{Field: FieldOf("n"), Text: "1"}, Limit: rnd.IntN(6), Offset: rnd.IntN(3), TotalMax: rnd.IntN(12) - 1,
			Sort: []SortKey{{Field: FieldOf("@timestamp"), Desc: desc}, {Field: FieldOf("n")}},
		}
		want, err := Run(context.Background(), q, slices.Values(docs))
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(docs, func(a, b *Doc) int {
			c := a.Record.Time.Compare(b.Record.Time)
			if desc {
				return -c
			}
			return c
		})
		c, _ := NewCollector(q)
		for _, d := range docs {
			if c.Settled(d.Record.Time) {
				break
			}
			if err := c.Add(d); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := c.Result()
		if !slices.Equal(seqs(got), seqs(want)) || got.Total != want.Total || got.TotalAtLeast != want.TotalAtLeast {
			t.Fatalf("round %d, %+v: got %v of %d, want %v of %d", round, q, seqs(got), got.Total, seqs(want), want.Total)
		}
	}
}
