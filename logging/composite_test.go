package logging_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// TestCompositePages walks through the buckets of a composite by pages of every
// size: they are those that one page has.
func TestCompositePages(t *testing.T) {
	var docs []*logging.Doc
	at := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range 300 {
		source, err := json.Marshal(map[string]any{"n": i % 7, "word": fmt.Sprint("w", i%11), "half": float64(i%5) / 2})
		if err != nil {
			t.Fatal(err)
		}
		if i%13 == 0 {
			source = []byte(`{"n":3}`)
		}
		docs = append(docs, logging.NewDoc(&logging.Record{Seq: uint64(i + 1), Time: at.Add(time.Duration(i) * 7 * time.Minute), Source: source}))
	}
	ask := func(size int, after []logging.Value) []logging.Bucket {
		res, err := logging.Run(context.Background(), logging.Query{Aggs: []logging.Agg{{Name: "c", Of: logging.Composite{
			Size: size, After: after,
			Sources: []logging.CompositeSource{
				{Of: logging.Terms{Field: logging.FieldOf("word.keyword")}, Desc: true, Missing: true},
				{Of: logging.Histogram{Field: logging.FieldOf("n"), Interval: 2}},
				{Of: logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), Fixed: 6 * time.Hour}},
			},
		}, Sub: []logging.Agg{{Name: "m", Of: logging.Metric{Field: logging.FieldOf("half"), Kind: logging.Sum}}}}}}, slices.Values(docs))
		if err != nil {
			t.Fatal(err)
		}
		return res.Aggs["c"].Buckets
	}
	whole := ask(10_000, nil)
	if len(whole) < 100 || whole[len(whole)-1].Keys[0].Kind != logging.Missing {
		t.Fatalf("%d buckets, the last %v", len(whole), whole[len(whole)-1].Keys)
	}
	for _, size := range []int{1, 2, 7, 64, len(whole)} {
		var got []logging.Bucket
		for page := ask(size, nil); len(page) > 0; page = ask(size, page[len(page)-1].Keys) {
			got = append(got, page...)
		}
		text := func(of []logging.Bucket) string {
			var out []string
			for _, b := range of {
				out = append(out, fmt.Sprint(b.Keys, b.DocCount, *b.Sub["m"].Value))
			}
			return fmt.Sprint(out)
		}
		if text(got) != text(whole) {
			t.Errorf("by %d: %d buckets, and %d at once", size, len(got), len(whole))
		}
	}
}

// TestCompositeMemory asks for few buckets of very many keys: those that are not
// among the first take no memory.
func TestCompositeMemory(t *testing.T) {
	for _, desc := range []bool{false, true} {
		a, err := logging.NewAggregatorWithin([]logging.Agg{{Name: "c", Of: logging.Composite{
			Size: 10, Sources: []logging.CompositeSource{{Of: logging.Terms{Field: logging.FieldOf("id.keyword")}, Desc: desc}},
		}, Sub: []logging.Agg{{Name: "m", Of: logging.Metric{Field: logging.FieldOf("n"), Kind: logging.Max}}}}}, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50_000 {
			if err := a.Add(logging.NewDoc(&logging.Record{Source: fmt.Appendf(nil, `{"id":"request-%08d","n":%d}`, i, i)})); err != nil {
				t.Fatal(err)
			}
		}
		res, err := a.Result()
		if err != nil {
			t.Fatal(err)
		}
		first, want := res["c"].Buckets[0].Keys[0].Str, "request-00000000"
		if desc {
			want = "request-00049999"
		}
		if first != want || len(res["c"].Buckets) != 10 {
			t.Errorf("descending %t: the first of %d is %s, want %s", desc, len(res["c"].Buckets), first, want)
		}
	}
}

func TestGeohash(t *testing.T) {
	for _, c := range []struct {
		lat, lon float64
		want     string
	}{
		{57.64911, 10.40744, "u4pruydqqvj8"}, {-25.382708, -49.265506, "6gkzwgjzn820"}, {0, 0, "s00000000000"}, {90, 180, "zzzzzzzzzzzz"}, {-90, -180, "000000000000"},
	} {
		for n := 1; n <= 12; n++ {
			if got := logging.Geohash(c.lat, c.lon, n); got != c.want[:n] {
				t.Errorf("%v %v by %d: got %s, want %s", c.lat, c.lon, n, got, c.want[:n])
			}
		}
	}
	var docs []*logging.Doc
	for _, where := range []string{`"52.5,13.4"`, `{"lat":52.52,"lon":13.41}`, `[13.4,52.5]`, `"POINT (13.4 52.5)"`, `{"lat":"48.1","lon":"11.5"}`, `["52.5,13.4","48.1,11.5"]`, `"debug"`, `"91,0"`, `null`, `7`} {
		docs = append(docs, logging.NewDoc(&logging.Record{Source: []byte(`{"where":` + where + `}`)}))
	}
	grid := logging.GeohashGrid{Field: logging.Field{Name: "where"}, Precision: 3, Size: 10}
	show := func(g logging.GeohashGrid) string {
		res, err := logging.Run(context.Background(), logging.Query{Aggs: []logging.Agg{{Name: "g", Of: g}}}, slices.Values(docs))
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, b := range res.Aggs["g"].Buckets {
			out = append(out, fmt.Sprint(b.Key.Str, "=", b.DocCount))
		}
		return fmt.Sprint(out)
	}
	if got := show(grid); got != "[u33=5 u28=2]" {
		t.Error(got)
	}
	grid.Within = &logging.GeoBox{Top: 50, Left: 11, Bottom: 45, Right: 12}
	if got := show(grid); got != "[u28=2]" {
		t.Error(got)
	}
}

// TestRanks holds ranks against counting, on both sides of where they are sketched.
func TestRanks(t *testing.T) {
	for _, n := range []int{10, 1000, 100_000} {
		a, err := logging.NewAggregator([]logging.Agg{{Name: "r", Of: logging.Metric{Field: logging.FieldOf("n"), Kind: logging.PercentileRanks, Percents: []float64{-1, 0, float64(n) / 4, float64(n - 1), 2 * float64(n)}}}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := a.Add(logging.NewDoc(&logging.Record{Source: fmt.Appendf(nil, `{"n":%d}`, i)})); err != nil {
				t.Fatal(err)
			}
		}
		res, err := a.Result()
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{0, 50 / float64(n), 25 + 50/float64(n), 100 - 50/float64(n), 100} {
			if got := res["r"].Percentiles[i].Percent; got < want-0.3 || got > want+0.3 || n < 50_000 && (got < want-1e-9 || got > want+1e-9) {
				t.Errorf("%d values: rank %d is %v, want %v", n, i, got, want)
			}
		}
	}
}
