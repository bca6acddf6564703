package logging

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDistinct counts exactly up to 65,536 and within four standard errors beyond,
// in any order.
func TestDistinct(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 4))
	for _, n := range []int{0, 1, 7, 1000, exactMax - 1, exactMax, exactMax + 1, 200_000, 1_000_000} {
		var forth, back distinct
		for i := range n {
			forth.add(HashString(fmt.Sprintf("%016x", i)))
		}
		for i := n - 1; i >= 0; i-- {
			for range 1 + rnd.IntN(2) {
				back.add(HashString(fmt.Sprintf("%016x", i)))
			}
		}
		got, off := forth.count(), 0.0
		if n > exactMax {
			off = math.Abs(float64(got-int64(n))) / float64(n)
			t.Logf("%d distinct: %d, off by %.3f %%, %d bytes", n, got, 100*off, forth.bytes)
		} else if got != int64(n) {
			t.Errorf("%d distinct: got %d", n, got)
		}
		if off > 4*0.0041 {
			t.Errorf("%d distinct: got %d", n, got)
		}
		if b := back.count(); b != got {
			t.Errorf("%d distinct: backwards %d, forwards %d", n, b, got)
		}
	}
	var d distinct
	for range 3 {
		d.add(0)
	}
	if d.count() != 1 {
		t.Errorf("the hash 0: got %d", d.count())
	}
}

// TestDistinctError measures the standard error over many sets.
func TestDistinctError(t *testing.T) {
	const sets, n = 40, 150_000
	sum := 0.0
	for set := range uint64(sets) {
		var d distinct
		for i := range uint64(n) {
			d.add(HashValue(Int(int64(set<<32 | i))))
		}
		off := float64(d.count()-n) / n
		sum += off * off
	}
	if e := math.Sqrt(sum / sets); e > 0.0041*1.5 {
		t.Errorf("standard error %.4f, want 0.0041", e)
	}
}

func TestQuantiles(t *testing.T) {
	for name, of := range map[string]func(*rand.Rand) float64{
		"uniform":    func(r *rand.Rand) float64 { return r.Float64() * 1000 },
		"latencies":  func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()*2 + 3) },
		"both signs": func(r *rand.Rand) float64 { return r.NormFloat64() * 50 },
		"wide":       func(r *rand.Rand) float64 { return math.Pow(10, r.Float64()*600-300) },
		"some zeros": func(r *rand.Rand) float64 { return float64(max(r.IntN(100)-50, 0)) },
		"one":        func(*rand.Rand) float64 { return 42 },
		"dates":      func(r *rand.Rand) float64 { return 1.795e12 + r.Float64()*864e5 },
	} {
		for _, n := range []int{1, 1000, exactMax, exactMax + 1, 300_000} {
			rnd := rand.New(rand.NewPCG(uint64(n), 5))
			vals := make([]float64, n)
			for i := range vals {
				vals[i] = of(rnd)
			}
			var q, back quantiles
			for i := range vals {
				q.add(vals[i])
				back.add(vals[n-1-i])
			}
			slices.Sort(vals)
			for _, share := range []float64{0, 0.01, 0.25, 0.5, 0.75, 0.99, 0.999, 1} {
				rank := share * float64(n-1)
				low := vals[int(rank)]
				high := vals[min(int(rank)+1, n-1)]
				got := q.at(share, vals[0], vals[n-1])
				slack := quantileError * 1.0001
				if n <= exactMax {
					slack = 1e-12
				}
				if got < low-slack*math.Abs(low) || got > high+slack*math.Abs(high) {
					t.Errorf("%s, %d values, %g: got %g, want %g to %g", name, n, share, got, low, high)
				}
				if b := back.at(share, vals[0], vals[n-1]); b != got {
					t.Errorf("%s, %d values, %g: backwards %g, forwards %g", name, n, share, b, got)
				}
			}
			if q.bytes > 3<<20 {
				t.Errorf("%s: %d bytes held", name, q.bytes)
			}
		}
	}
}

// TestHashValue pins the hash down: stores write it to disk.
func TestHashValue(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want uint64
	}{
		{String(""), 0xef46db3751d8e999},
		{String("deadbeef"), HashBytes([]byte("deadbeef"))},
		{Int(1), HashNumber(1)},
		{Float(1), HashValue(Int(1))},
		{Float(math.Copysign(0, -1)), HashValue(Int(0))},
		{Time(noon), hashTime(noon.UnixNano())},
		{Int(1), 0x18abf6802a57c247},
		{Float(2.5), 0x6d5ec9e8a8bf3fdd},
		{Boolean(true), 0xd237506da4e758fb},
		{Time(noon), 0xcdefde9f218f3c64},
	} {
		if got := HashValue(c.v); got != c.want {
			t.Errorf("%v %q: got %#x, want %#x", c.v.Kind, c.v.Text(), got, c.want)
		}
	}
	if HashValue(Int(1)) == HashValue(Boolean(true)) || HashValue(Int(1<<53)) == HashValue(Float(1<<53)) {
		t.Error("different values have one hash")
	}
}

func TestMemoryMax(t *testing.T) {
	wide := func(n int) []*Doc {
		var out []*Doc
		for i := range n {
			out = append(out, doc(fmt.Sprintf(`{"path":"/a/%d","n":%d}`, i, i)))
		}
		return out
	}(3000)
	long := docsOf(`{"message":"`+strings.Repeat("x", 100_000)+`"}`, `{"message":"`+strings.Repeat("y", 100_000)+`"}`)
	path := Terms{Field: FieldOf("path")}
	for _, c := range []struct {
		q    Query
		docs []*Doc
		want string
	}{
		{Query{Aggs: []Agg{{Name: "p", Of: path}}, MemoryMax: 1 << 17}, wide, `terms of "path": the query needs more than 1 MiB of memory`},
		{Query{Aggs: []Agg{{Name: "p", Of: path}}}, wide, ""},
		{Query{Aggs: []Agg{{Name: "c", Of: Metric{Field: FieldOf("path"), Kind: Cardinality}}}, MemoryMax: 1 << 14}, wide, `cardinality of "path"`},
		{Query{Aggs: []Agg{{Name: "c", Of: Metric{Field: FieldOf("n"), Kind: Percentiles}}}, MemoryMax: 1 << 14}, wide, `percentiles of "n"`},
		{Query{Aggs: []Agg{{Name: "h", Of: Histogram{Field: FieldOf("n"), Interval: 1, MinDocs: 1}}}, MemoryMax: 1 << 17}, wide, `histogram of "n"`},
		{Query{Aggs: []Agg{{Name: "t", Of: TopHits{Limit: 9}}}, MemoryMax: 1 << 18}, long, "top hits"},
		{Query{Limit: 9, MemoryMax: 1 << 18}, long, "hits"},
		{Query{Limit: 1, MemoryMax: 1 << 18}, long, ""},
	} {
		col, err := NewCollector(c.q)
		for _, d := range c.docs {
			if err == nil {
				err = col.Add(d)
			}
		}
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrQuery) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: got %v, want %q", c.q, err, c.want)
		}
	}
}

// TestSpan holds the quick rounding against the slow one, where clocks change too.
func TestSpan(t *testing.T) {
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"} {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, z)
	}
	zones = append(zones, time.FixedZone("", -5*3600))
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		r := rounding{zone: zones[rnd.IntN(len(zones))], offset: []time.Duration{0, time.Minute, -7 * time.Hour, 90 * time.Second}[rnd.IntN(4)]}
		if rnd.IntN(2) == 0 {
			r.calendar = Calendar(rnd.IntN(int(Year)) + 1)
		} else {
			r.fixed = []time.Duration{time.Minute, 7 * time.Minute, time.Hour, 3 * time.Hour, 5*time.Hour + 17*time.Second, 24 * time.Hour, 100 * time.Hour}[rnd.IntN(7)]
		}
		at := time.Date(2015+rnd.IntN(12), time.Month(rnd.IntN(12)+1), rnd.IntN(31)+1, rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), rnd.IntN(1e9), time.UTC)
		if z := at.In(r.zone); rnd.IntN(2) == 0 { // near a change of the clocks
			if _, end := z.ZoneBounds(); !end.IsZero() {
				at = end.Add(time.Duration(rnd.Int64N(int64(8*time.Hour))) - 4*time.Hour)
			}
		}
		from, until, place := r.span(at.UnixNano())
		if from > at.UnixNano() || until <= at.UnixNano() {
			t.Fatalf("seed %d: %v is not between %d and %d", seed, at, from, until)
		}
		for i := range 50 {
			x := from + rnd.Int64N(until-from)
			if i == 0 {
				x = until - 1
			}
			if want := r.floor(time.Unix(0, x)).UnixNano(); want != place {
				t.Fatalf("seed %d: %+v: %v is in %v, by span %v", seed, r, time.Unix(0, x).In(r.zone), time.Unix(0, want).In(r.zone), time.Unix(0, place).In(r.zone))
			}
		}
		minute := at.Unix() / 60
		if r.wholeMinutes(minute, minute) && place%int64(time.Minute) != 0 {
			t.Fatalf("seed %d: %+v: whole minutes, but %v begins at %v", seed, r, at, time.Unix(0, place))
		}
	}
}

// TestAddRef offers hits by their sort values alone, in any order, and must give
// what Add gives.
func TestAddRef(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		seq := uint64(0)
		docs := randomDocs(rnd, rnd.IntN(50)+1, &seq)
		q := Query{Limit: rnd.IntN(6), Offset: rnd.IntN(3), TotalMax: rnd.IntN(20) - 1, Aggs: randomAggs(rnd, 1)}
		for range rnd.IntN(3) {
			q.Sort = append(q.Sort, SortKey{Field: FieldOf(append(fieldNames, FieldTime, FieldSeq)[rnd.IntN(len(fieldNames)+2)]), Desc: rnd.IntN(2) == 0, MissingFirst: rnd.IntN(2) == 0})
		}
		if rnd.IntN(2) == 0 {
			q.After = SortValues(docs[rnd.IntN(len(docs))], q.Sort)
		}
		byDoc, err := NewCollector(q)
		if err != nil {
			t.Fatal(err)
		}
		byRef, _ := NewCollector(q)
		for _, d := range docs {
			if err := byDoc.Add(NewDoc(d.Record)); err != nil {
				t.Fatal(err)
			}
		}
		if err := byRef.AddRows(newColumns(docs, func(string) bool { return false }), nil); err != nil {
			t.Fatal(err)
		}
		loads := 0
		for _, i := range rnd.Perm(len(docs)) {
			d := docs[i]
			if byRef.HitsSettled(d.Record.Time) {
				continue
			}
			err := byRef.AddRef(SortValues(d, q.Sort), d.Record.Seq, func() (*Record, error) { loads++; return d.Record, nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		want, _ := byDoc.Result()
		got, err := byRef.Result()
		if err != nil || !slices.Equal(seqs(got), seqs(want)) || got.Total != want.Total || got.TotalAtLeast != want.TotalAtLeast || diffResults(got.Aggs, want.Aggs) != "" {
			t.Fatalf("seed %d, %+v: got %v of %d, want %v of %d: %v", seed, q, seqs(got), got.Total, seqs(want), want.Total, err)
		}
		if loads != len(got.Hits) {
			t.Fatalf("seed %d: %d loads for %d hits", seed, loads, len(got.Hits))
		}
	}
}
