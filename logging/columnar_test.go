package logging

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"
)

// columns is Rows made of documents. A column is there where the contract
// allows it, but for those that are hidden. What it gives out is spoiled when
// its time is over, so that nobody keeps it.
type columns struct {
	docs   []*Doc
	hidden func(column string) bool
	rec    Record
	doc    Doc
	given  [][]byte
	asked  map[string]int
}

func newColumns(docs []*Doc, hidden func(string) bool) *columns {
	return &columns{docs: docs, hidden: hidden, asked: map[string]int{}}
}

func (c *columns) Len() int { return len(c.docs) }

func (c *columns) Doc(i int) (*Doc, error) {
	of := c.docs[i].Record
	src := append(c.rec.Source[:0], of.Source...)
	c.rec = *of
	c.rec.Source, c.rec.Pod = src, c.lend(of.Pod)
	c.doc.Reset(&c.rec)
	return &c.doc, nil
}

// lend gives a string that is good until spoil.
func (c *columns) lend(s string) string {
	if s == "" {
		return ""
	}
	b := []byte(s)
	c.given = append(c.given, b)
	return unsafe.String(&b[0], len(b))
}

func (c *columns) spoil() {
	for _, b := range c.given {
		for i := range b {
			b[i] = '#'
		}
	}
	c.given = nil
	c.rec = Record{}
}

// values gives the value of every row, Missing where it has none; ok is false
// where one has several.
func (c *columns) values(kind string, f Field) (vals []Value, ok bool) {
	c.asked[kind+" "+f.Name]++
	if c.hidden(kind) {
		return nil, false
	}
	for _, d := range c.docs {
		vs := d.Values(f)
		if len(vs) > 1 {
			return nil, false
		}
		v := Value{}
		if len(vs) == 1 {
			v = vs[0]
		}
		vals = append(vals, v)
	}
	return vals, true
}

func (c *columns) Codes(f Field) (Codes, bool, error) {
	vals, ok := c.values("codes", f)
	if !ok {
		return Codes{}, false, nil
	}
	out := Codes{Of: make([]uint32, len(vals))}
	for i, v := range vals {
		k := slices.IndexFunc(out.Values, func(o Value) bool { return reflect.DeepEqual(o, v) })
		if k < 0 && v.Kind != Missing {
			k = len(out.Values)
			v.Str = c.lend(v.Str)
			out.Values = append(out.Values, v)
		}
		out.Of[i] = uint32(k) // -1: far beyond Values
	}
	if len(out.Values) == 0 || len(out.Values) == 1 && !slices.Contains(out.Of, math.MaxUint32) {
		out.Of = nil
	}
	return out, true, nil
}

func (c *columns) Strings(f Field) (Strings, bool, error) {
	vals, ok := c.values("strings", f)
	out := Strings{Off: []uint32{0}}
	for _, v := range vals {
		if ok = ok && v.Kind == KindString; !ok {
			return Strings{}, false, nil
		}
		out.Data = append(out.Data, v.Str...)
		out.Off = append(out.Off, uint32(len(out.Data)))
	}
	c.given = append(c.given, out.Data)
	return out, ok, nil
}

func (c *columns) Numbers(f Field) (Numbers, bool, error) {
	vals, ok := c.values("numbers", f)
	out := Numbers{Exact: true}
	dates := 0
	for _, v := range vals {
		x, isDate, number := v.number()
		switch {
		case v.Kind == Missing:
			x = math.NaN()
		case !number:
			return Numbers{}, false, nil
		case isDate:
			dates++
		}
		out.Exact = out.Exact && (v.Kind == KindInt && v.Int < 1<<53 && v.Int > -1<<53 || v.Kind == KindFloat || v.Kind == Missing)
		out.Vals = append(out.Vals, x)
	}
	out.Date = dates > 0
	some := len(slices.DeleteFunc(slices.Clone(vals), func(v Value) bool { return v.Kind == Missing }))
	return out, ok && some > 0 && (dates == 0 || dates == some), nil
}

func (c *columns) Times(f Field) (Times, bool, error) {
	vals, ok := c.values("times", f)
	var out Times
	for _, v := range vals {
		t, isTime := v.time()
		if ok = ok && isTime && inNanos(t) && (v.Kind == KindTime || v.Kind == KindString) && (v.Kind == vals[0].Kind); !ok {
			return Times{}, false, nil
		}
		out.Text = v.Kind == KindString
		out.Nanos = append(out.Nanos, t.UnixNano())
	}
	out.Sorted = slices.IsSorted(out.Nanos)
	return out, ok, nil
}

func (c *columns) Hashes(f Field) ([]uint64, bool, error) {
	vals, ok := c.values("hashes", f)
	var out []uint64
	for _, v := range vals {
		if ok = ok && v.Kind != Missing; ok {
			out = append(out, HashValue(v))
		}
	}
	return out, ok, nil
}

func (c *columns) Select(dst []uint32, f Filter, sel []uint32) ([]uint32, bool, error) {
	if c.hidden("select") {
		return nil, false, nil
	}
	for i, d := range c.docs {
		if (sel == nil || slices.Contains(sel, uint32(i))) && f.Match(d) {
			dst = append(dst, uint32(i))
		}
	}
	return dst, true, nil
}

func (c *columns) MinuteCounts() ([]MinuteCount, bool, error) {
	by := map[int64]int{}
	for _, d := range c.docs {
		m := d.Record.Time.Unix()
		by[(m-(m%60+60)%60)/60]++
	}
	var out []MinuteCount
	for m, n := range by {
		out = append(out, MinuteCount{m, n})
	}
	slices.SortFunc(out, func(a, b MinuteCount) int { return cmp.Compare(a.Minute, b.Minute) })
	return out, !c.hidden("minutes"), nil
}

func (c *columns) DistinctHashes(f Field) ([]uint64, bool, error) {
	if c.hidden("distinct") {
		return nil, false, nil
	}
	var out []uint64
	for _, d := range c.docs {
		for _, v := range d.Values(f) {
			out = append(out, HashValue(v))
		}
	}
	return out, true, nil
}

// makers make the values of fields, as JSON.
var fieldMakers = map[string]func(*rand.Rand) string{
	"k": func(r *rand.Rand) string { return fmt.Sprintf(`"k%d"`, r.IntN(4)) },
	"c": func(*rand.Rand) string { return `"same"` },
	"s": func(r *rand.Rand) string { return fmt.Sprintf(`"s%d"`, r.IntN(1000)) },
	"n": func(r *rand.Rand) string { return fmt.Sprint(r.IntN(9) - 2) },
	"x": func(r *rand.Rand) string {
		return []string{"1", "1.0", "2.5", "1e6", "-0.0", "1000000", "-7.25"}[r.IntN(7)]
	},
	"i": func(r *rand.Rand) string { return []string{"9007199254740993", "9007199254740992", "3"}[r.IntN(3)] },
	"b": func(r *rand.Rand) string { return fmt.Sprint(r.IntN(2) == 0) },
	"d": func(r *rand.Rand) string {
		return []string{`"2026-11-22T10:00:00Z"`, `"2026-11-22T11:00:00+01:00"`, `"2026-11-22T10:07:00.5Z"`, `"2025-01-01 00:00:00"`}[r.IntN(4)]
	},
	"m": func(r *rand.Rand) string {
		return []string{`"word"`, "5", "5.5", "true", `"2026-11-22T10:00:00Z"`, `""`}[r.IntN(6)]
	},
	"a": func(r *rand.Rand) string {
		return []string{`["k1","k2","k1"]`, "[1,2,2.0]", `"k1"`, "null", "[]"}[r.IntN(5)]
	},
}

var fieldNames = []string{"k", "c", "s", "n", "x", "i", "b", "d", "m", "a"}

// randomDocs makes documents of one stream: some fields in all, some in a part of them.
func randomDocs(rnd *rand.Rand, n int, seq *uint64) []*Doc {
	always, sometimes := []string{}, []string{}
	for _, f := range fieldNames {
		switch rnd.IntN(5) {
		case 0:
		case 1:
			sometimes = append(sometimes, f)
		default:
			always = append(always, f)
		}
	}
	ns, start, spread := fmt.Sprintf("ns%d", rnd.IntN(3)), noon.Add(time.Duration(rnd.IntN(3))*time.Hour), time.Duration(rnd.IntN(200)+1)*time.Minute
	var docs []*Doc
	for range n {
		src := "{"
		put := func(f string) {
			if len(src) > 1 {
				src += ","
			}
			src += fmt.Sprintf("%q:%s", f, fieldMakers[f](rnd))
		}
		for _, f := range always {
			put(f)
		}
		for _, f := range sometimes {
			if rnd.IntN(2) == 0 {
				put(f)
			}
		}
		d := doc(src + "}")
		*seq++
		d.Record.Seq, d.Record.ID, d.Record.Namespace, d.Record.Pod = *seq, fmt.Sprint(*seq), ns, fmt.Sprintf("%s-%d", ns, rnd.IntN(2))
		d.Record.Time = start.Add(time.Duration(rnd.Int64N(int64(spread))))
		docs = append(docs, d)
	}
	if rnd.IntN(3) > 0 {
		slices.SortFunc(docs, func(a, b *Doc) int { return a.Record.Time.Compare(b.Record.Time) })
	}
	return docs
}

func randomAggs(rnd *rand.Rand, depth int) []Agg {
	var out []Agg
	for i := range rnd.IntN(3) + 1 {
		a := Agg{Name: fmt.Sprint(i), Of: randomAgg(rnd, depth)}
		switch a.Of.(type) {
		case Metric, TopHits:
		default:
			if depth > 1 && rnd.IntN(3) > 0 {
				a.Sub = randomAggs(rnd, depth-1)
			}
		}
		if t, ok := a.Of.(Terms); ok && len(a.Sub) > 0 && rnd.IntN(2) == 0 {
			if m, ok := a.Sub[0].Of.(Metric); ok && m.Kind <= Cardinality {
				t.Order = []TermsOrder{{By: a.Sub[0].Name, Desc: rnd.IntN(2) == 0}}
				a.Of = t
			}
		}
		out = append(out, a)
	}
	return out
}

func randomAgg(rnd *rand.Rand, depth int) Aggregation {
	f := func(names ...string) Field {
		return FieldOf(append(names, fieldNames...)[rnd.IntN(len(names)+len(fieldNames))])
	}
	missing := func() *Value {
		if rnd.IntN(3) > 0 {
			return nil
		}
		return ptr([]Value{Int(3), String("k1"), Float(2.5), Time(noon)}[rnd.IntN(4)])
	}
	k := rnd.IntN(10)
	if depth == 1 {
		k = rnd.IntN(14)
	}
	switch k {
	case 0, 1, 2:
		h := DateHistogram{Field: FieldOf(FieldTime), MinDocs: int64(rnd.IntN(2)), Desc: rnd.IntN(2) == 0, Missing: missing()}
		if rnd.IntN(4) == 0 {
			h.Field, h.MinDocs = f(FieldReceived), 1
		}
		if rnd.IntN(3) == 0 {
			h.Calendar = []Calendar{Minute, Hour, Day, Month}[rnd.IntN(4)]
		} else {
			h.Fixed = []time.Duration{time.Minute, 7 * time.Minute, time.Hour, 90 * time.Second}[rnd.IntN(4)]
			h.Offset = []time.Duration{0, 0, time.Minute, -31 * time.Second}[rnd.IntN(4)]
		}
		if h.MinDocs == 0 && h.Missing != nil {
			h.Missing = ptr(Time(noon))
		}
		if rnd.IntN(3) == 0 {
			h.Zone = time.FixedZone("", 3*3600+1800)
		}
		return h
	case 3:
		return Histogram{Field: f(FieldTime), Interval: []float64{2, 0.5, 3600e3}[rnd.IntN(3)], MinDocs: 1, Missing: missing()}
	case 4, 5, 6:
		t := Terms{Field: f("namespace", "pod", "level", FieldTime, "none"), Size: []int{0, 1, 3, 1000}[rnd.IntN(4)], MinDocs: int64(rnd.IntN(3)), Missing: missing()}
		switch rnd.IntN(5) {
		case 0:
			t.Include = []string{"k1", "1", "1000000", "ns1", "s5", "true"}
		case 1:
			t.Exclude = []string{"k1", "1", "1000000", "ns1", "s5", "true"}
		}
		if rnd.IntN(3) == 0 {
			t.Order = []TermsOrder{{By: "_key", Desc: rnd.IntN(2) == 0}}
		}
		return t
	case 7:
		names := append([]string{"namespace", FieldTime}, fieldNames...)
		return Filters{Of: []NamedFilter{{"a", randomFilter(rnd, names, 1)}, {"b", Exists{f()}}, {"all", All{}}, {"none", None{}}}}
	case 8:
		return FilterAgg{randomFilter(rnd, []string{"namespace", "k", "n", "m"}, 2)}
	case 9:
		return MissingAgg{f("namespace", FieldTime, "none")}
	case 10:
		return TopHits{Sort: [][]SortKey{nil, {{Field: FieldOf(FieldTime), Desc: true}}, {{Field: f(), MissingFirst: true}, {Field: FieldOf(FieldTime)}}}[rnd.IntN(3)], Offset: rnd.IntN(2), Limit: rnd.IntN(5)}
	}
	return Metric{Field: f("namespace", FieldTime, FieldReceived, "none"), Kind: MetricKind(rnd.IntN(int(Percentiles)) + 1), Percents: []float64{0, 50, 99.5, 100}, Missing: missing()}
}

// TestAddRows holds rows against documents: over random runs, selections and
// columns that are there, the answers are the same.
func TestAddRows(t *testing.T) {
	served := map[string]int{}
	for seed := range uint64(1500) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		aggs := randomAggs(rnd, 3)
		byDoc, err := NewAggregator(aggs)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		byRows, _ := NewAggregator(aggs)
		share, seq := rnd.Float64()*rnd.Float64(), uint64(0)
		for range rnd.IntN(4) + 1 {
			docs := randomDocs(rnd, rnd.IntN(60)+1, &seq)
			secret := map[string]bool{}
			for _, kind := range []string{"codes", "strings", "numbers", "times", "hashes", "select", "minutes", "distinct"} {
				secret[kind] = rnd.Float64() < share
			}
			rows := newColumns(docs, func(kind string) bool { return secret[kind] })
			var sel []uint32
			if keep := rnd.Float64(); rnd.IntN(2) == 0 {
				sel = []uint32{}
				for i := range docs {
					if rnd.Float64() < keep {
						sel = append(sel, uint32(i))
					}
				}
			}
			for i, d := range docs {
				if sel == nil || slices.Contains(sel, uint32(i)) {
					if err := byDoc.Add(NewDoc(d.Record)); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
			}
			if err := byRows.AddRows(rows, sel); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			rows.spoil()
			for k, n := range rows.asked {
				served[k] += n
			}
		}
		want, err1 := byDoc.Result()
		got, err2 := byRows.Result()
		if fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Fatalf("seed %d: errors %v and %v", seed, err1, err2)
		}
		if diff := diffResults(got, want); diff != "" {
			text, _ := json.MarshalIndent(aggs, "", " ")
			t.Fatalf("seed %d: %s\nof %s", seed, diff, text)
		}
	}
	if len(served) < 30 {
		t.Errorf("only these columns were asked for: %v", served)
	}
}

// diffResults tells the first difference of two answers, sums within 1e-9.
func diffResults(got, want map[string]AggResult) string {
	if len(got) != len(want) {
		return fmt.Sprintf("got %d results, want %d", len(got), len(want))
	}
	for name, w := range want {
		if d := diffResult(got[name], w); d != "" {
			return name + ": " + d
		}
	}
	return ""
}

func diffResult(g, w AggResult) string {
	if len(g.Buckets) != len(w.Buckets) || g.OtherDocs != w.OtherDocs || g.DocCount != w.DocCount || g.ValueIsDate != w.ValueIsDate {
		return fmt.Sprintf("got %s, want %s", show(g), show(w))
	}
	for i, b := range w.Buckets {
		c := g.Buckets[i]
		if c.DocCount != b.DocCount || c.Name != b.Name || !reflect.DeepEqual(c.Key, b.Key) {
			return fmt.Sprintf("got %s, want %s", show(g), show(w))
		}
		if d := diffResults(c.Sub, b.Sub); d != "" {
			return b.Key.Text() + ": " + d
		}
	}
	if d := diffResults(g.Sub, w.Sub); d != "" {
		return d
	}
	near := func(a, b float64) bool {
		return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b)) || math.IsNaN(a) && math.IsNaN(b)
	}
	same := (g.Value == nil) == (w.Value == nil) && (g.Stats == nil) == (w.Stats == nil) && len(g.Percentiles) == len(w.Percentiles) && len(g.Hits) == len(w.Hits)
	if same && w.Value != nil {
		same = near(*g.Value, *w.Value)
	}
	if same && w.Stats != nil {
		a, b := *g.Stats, *w.Stats
		same = a.Count == b.Count && a.IsDate == b.IsDate && near(a.Sum, b.Sum) && near(a.SumOfSqr, b.SumOfSqr) && a.Min == b.Min && a.Max == b.Max
	}
	for i := 0; same && i < len(w.Percentiles); i++ {
		same = near(g.Percentiles[i].Value, w.Percentiles[i].Value)
	}
	for i := 0; same && i < len(w.Hits); i++ {
		same = reflect.DeepEqual(g.Hits[i], w.Hits[i])
	}
	if !same {
		return fmt.Sprintf("got %s, want %s", show(g), show(w))
	}
	return ""
}
