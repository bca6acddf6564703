package scan_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/scan"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

var (
	seeds = flag.Int("seeds", 200, "cases of TestExact")
	first = flag.Uint64("seed", 1, "the first case of TestExact")
)

// world is one case: records, how they lie, what of them shows, a query.
type world struct {
	asked []scan.Source // of recs, that were asked before
	seed  uint64
	recs  []logging.Record
	rules scan.Rules
}

func newWorld(seed uint64) (*world, logging.Query, *rand.Rand) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	w := &world{seed: seed, recs: logtest.Records(rnd, 1+rnd.IntN(300)), rules: scan.Rules{Included: true, Cut: math.MinInt64}}
	near := func() time.Time { return logtest.Noon().Add(time.Duration(rnd.Int64N(int64(2 * time.Minute)))) }
	life := func() tenant.Life {
		l := tenant.Life{Cluster: "eu", Namespace: "web", From: near()}
		if rnd.IntN(2) == 0 {
			l.From = time.Time{}
		}
		if rnd.IntN(2) == 0 {
			l.To = near()
		}
		return l
	}
	if rnd.IntN(6) == 0 {
		w.rules.Cut = near().UnixNano()
	}
	if rnd.IntN(6) == 0 {
		w.rules.Sealed = []tenant.Life{life()}
	}
	if rnd.IntN(6) == 0 {
		w.rules.Purges = []scan.Purge{{Life: life(), UpTo: w.recs[rnd.IntN(len(w.recs))].Seq}}
	}
	return w, logtest.Query(rnd), rnd
}

// sources lays the records out: loose ones, and tables in memory.
func (w *world) sources(recs []logging.Record) []scan.Source {
	rnd := rand.New(rand.NewPCG(w.seed, 2))
	n := 1 + rnd.IntN(4)
	split := make([][]logging.Record, n+1)
	for len(recs) > 0 {
		k := 1 + rnd.IntN(len(recs))
		at := rnd.IntN(n + 1)
		split[at] = append(split[at], recs[:k]...)
		recs = recs[k:]
	}
	var out []scan.Source
	for i, part := range split {
		if len(part) == 0 {
			continue
		}
		if i == n {
			src := scan.Source{Rules: w.rules}
			for i := range part {
				src.Loose = append(src.Loose, &part[i])
			}
			out = append(out, src)
			continue
		}
		src := tableSource(w.rules, part)
		if rnd.IntN(2) == 0 {
			out = append(out, src)
			continue
		}
		out = append(out, fileSources(src)...)
	}
	return out
}

// fileSources writes the blocks of a source into a file, a part a day.
func fileSources(src scan.Source) []scan.Source {
	return fileSourcesIn(src, segment.NewCache(1<<20))
}

// fileSourcesIn is fileSources with the cache given.
func fileSourcesIn(src scan.Source, cache *segment.Cache) []scan.Source {
	mem, err := src.Open()
	if err != nil {
		panic(err)
	}
	byDay := map[int32]*segment.PartSource{}
	var days []int32
	for i := range mem.Len() {
		b := mem.Block(i)
		day := b.Info().Day()
		if byDay[day] == nil {
			byDay[day] = &segment.PartSource{Tenant: b.Info().Tenant, Day: day}
			days = append(days, day)
		}
		byDay[day].Blocks = append(byDay[day].Blocks, b)
	}
	slices.Sort(days)
	var parts []segment.PartSource
	for _, day := range days {
		parts = append(parts, *byDay[day])
	}
	fs := vfs.NewMem()
	if err := fs.MkdirAll("d"); err != nil {
		panic(err)
	}
	f, err := fs.Create("d/x")
	if err != nil {
		panic(err)
	}
	infos, err := segment.Write(f, parts, segment.WriteOptions{})
	if err != nil {
		panic(err)
	}
	file, err := segment.Open(f)
	if err != nil {
		panic(err)
	}
	var out []scan.Source
	for i, in := range infos {
		out = append(out, scan.Source{
			Rules: src.Rules, TimeMin: in.TimeMin, TimeMax: in.TimeMax, SeqMin: in.SeqMin, SeqMax: in.SeqMax,
			Open: func() (scan.Part, error) {
				p, err := file.Part(i)
				return p.Through(cache), err
			},
		})
	}
	return out
}

func tableSource(rules scan.Rules, recs []logging.Record) scan.Source {
	t := segment.NewTable(recs[0].Tenant)
	t.Append(recs)
	byTime := func(a, b logging.Record) int { return a.Time.Compare(b.Time) }
	return scan.Source{
		Rules:   rules,
		TimeMin: slices.MinFunc(recs, byTime).Time.UnixNano(), TimeMax: slices.MaxFunc(recs, byTime).Time.UnixNano(),
		SeqMin: recs[0].Seq, SeqMax: recs[len(recs)-1].Seq,
		Open: func() (scan.Part, error) { return scan.Blocks(t.Blocks()), nil },
	}
}

// run gives the oracle's answer.
func (w *world) run(recs []logging.Record, q logging.Query) (*logging.Result, error) {
	return logging.Run(context.Background(), q, func(yield func(*logging.Doc) bool) {
		for i := range recs {
			if w.rules.Shows(&recs[i]) && !yield(logging.NewDoc(&recs[i])) {
				return
			}
		}
	})
}

// diff says where a search differs from the oracle.
func (w *world) diff(recs []logging.Record, q logging.Query) string {
	sources := w.sources(recs)
	if d := w.diffOf(recs, q, sources); d != "" {
		return d
	}
	if d := w.diffOf(recs, q, sources); d != "" {
		return "asked again: " + d
	}
	return ""
}

func (w *world) diffOf(recs []logging.Record, q logging.Query, sources []scan.Source) string {
	want, errWant := w.run(recs, q)
	got, errGot := scan.Search(context.Background(), q, sources, scan.Options{})
	switch {
	case errWant != nil && errGot != nil:
		if errors.Is(errWant, logging.ErrQuery) != errors.Is(errGot, logging.ErrQuery) {
			return fmt.Sprintf("want error %v, got %v", errWant, errGot)
		}
		return ""
	case errWant != nil || errGot != nil:
		return fmt.Sprintf("want error %v, got %v", errWant, errGot)
	}
	return logtest.Diff(want, got)
}

// check fails with a small case where a search differs from the oracle.
func (w *world) check(t *testing.T, q logging.Query) {
	t.Helper()
	if w.diff(w.recs, q) == "" {
		// What other queries were answered must not show in this one's answer.
		if w.asked == nil {
			w.asked = w.sources(w.recs)
		}
		if d := w.diffOf(w.recs, q, w.asked); d != "" {
			t.Fatalf("seed %d: after other queries: %s\nquery %s", w.seed, d, describe(q))
		}
		return
	}
	fails := func(recs []logging.Record, q logging.Query) bool { return w.diff(recs, q) != "" }
	recs, q := logtest.Shrink(w.recs, q, fails)
	var b strings.Builder
	for i := range recs {
		r := recs[i]
		r.Source = nil
		fmt.Fprintf(&b, "  %+v\n  %s\n", r, recs[i].Source)
	}
	t.Fatalf("seed %d: %s\nquery %s\nrules %+v\nrecords\n%s", w.seed, w.diff(recs, q), describe(q), w.rules, b.String())
}

func describe(q logging.Query) string {
	s := fmt.Sprintf("%#v", q)
	return strings.ReplaceAll(s, "logging.", "")
}

func TestExact(t *testing.T) {
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		w, q, rnd := newWorld(seed)
		w.check(t, q)
		if res, err := w.run(w.recs, q); err == nil && len(res.Hits) > 0 && len(q.Sort) > 0 {
			q.After = res.Hits[rnd.IntN(len(res.Hits))].Sort
			q.Offset = 0
			w.check(t, q)
		}
		for range 6 {
			q = logtest.Query(rnd)
			w.check(t, q)
		}
	}
}

func TestGet(t *testing.T) {
	for seed := uint64(1); seed < 50; seed++ {
		w, _, rnd := newWorld(seed)
		sources := w.sources(w.recs)
		for range 20 {
			want := w.recs[rnd.IntN(len(w.recs))]
			got, ok, err := scan.Get(context.Background(), sources, want.Index, want.ID)
			if err != nil {
				t.Fatal(err)
			}
			if ok != w.rules.Shows(&want) {
				t.Fatalf("seed %d: %s shows: want %t, got %t", seed, want.ID, !ok, ok)
			}
			if d := logtest.DiffRecord(want, got); ok && d != "" {
				t.Fatalf("seed %d: %s", seed, d)
			}
		}
		for _, id := range []string{"nobody", "", logging.DerivedID(1 << 50), "given-0"} {
			if _, ok, err := scan.Get(context.Background(), sources, "logs-all", id); ok || err != nil {
				t.Fatalf("seed %d: %q: %t %v", seed, id, ok, err)
			}
		}
	}
}

// view is what logging.FieldsOf asks of a view.
type view struct {
	logging.View
	w *world
}

func (v view) Search(ctx context.Context, q logging.Query) (*logging.Result, error) {
	return v.w.run(v.w.recs, q)
}

func TestFields(t *testing.T) {
	for seed := uint64(1); seed < 200; seed++ {
		w, _, _ := newWorld(seed)
		for _, indices := range [][]string{nil, {"logs-all", "logs-eu-web"}, {"nowhere"}} {
			want, err := logging.FieldsOf(context.Background(), view{w: w}, indices)
			if err != nil {
				t.Fatal(err)
			}
			got, err := scan.Fields(context.Background(), w.sources(w.recs), indices)
			if err != nil {
				t.Fatal(err)
			}
			same := func(a, b logging.FieldInfo) bool { return a.Name == b.Name && slices.Equal(a.Types, b.Types) }
			if !slices.EqualFunc(want, got, same) {
				t.Fatalf("seed %d: want\n%v, got\n%v", seed, want, got)
			}
		}
	}
}

// TestPages goes through everything by search_after.
func TestPages(t *testing.T) {
	for seed := uint64(1); seed < 60; seed++ {
		w, _, rnd := newWorld(seed)
		sources := w.sources(w.recs)
		q := logging.Query{
			Sort:  []logging.SortKey{{Field: logging.FieldOf(logging.FieldTime), Desc: rnd.IntN(2) == 0}, {Field: logging.Field{Name: logging.FieldSeq}}},
			Limit: 1 + rnd.IntN(20), TotalMax: -1,
		}
		if seed%3 == 0 { // as a scroll does
			q.Sort = []logging.SortKey{{Field: logging.Field{Name: logging.FieldSeq}, Desc: rnd.IntN(2) == 0}}
		}
		var got []uint64
		for {
			res, err := scan.Search(context.Background(), q, sources, scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Hits) == 0 {
				break
			}
			for _, h := range res.Hits {
				got = append(got, h.Record.Seq)
			}
			q.After = res.Hits[len(res.Hits)-1].Sort
		}
		var shown []logging.Record
		for _, r := range w.recs {
			if w.rules.Shows(&r) {
				shown = append(shown, r)
			}
		}
		slices.SortFunc(shown, func(a, b logging.Record) int {
			c := a.Time.Compare(b.Time)
			if len(q.Sort) == 1 {
				c = cmp.Compare(a.Seq, b.Seq)
			}
			if q.Sort[0].Desc {
				c = -c
			}
			return cmp.Or(c, cmp.Compare(a.Seq, b.Seq))
		})
		var want []uint64
		for _, r := range shown {
			want = append(want, r.Seq)
		}
		if !slices.Equal(want, got) {
			t.Fatalf("seed %d: want %v, got %v", seed, want, got)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w, _, _ := newWorld(3)
	if _, err := scan.Search(ctx, logging.Query{Limit: 1}, w.sources(w.recs), scan.Options{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}
