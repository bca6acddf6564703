package logging

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// show writes an aggregation's answer on one line.
func show(r AggResult) string {
	var b strings.Builder
	num := func(x float64) string { return fmt.Sprintf("%.4g", x) }
	switch {
	case r.Buckets != nil:
		for _, k := range r.Buckets {
			name := k.Key.Text()
			if k.Key.Kind == KindTime {
				name = k.Key.Time.Format("01-02T15:04:05.999")
			}
			fmt.Fprintf(&b, "%s=%d%s ", name, k.DocCount, showSub(k.Sub))
		}
		if r.OtherDocs > 0 {
			fmt.Fprintf(&b, "other=%d", r.OtherDocs)
		}
	case r.Value != nil:
		b.WriteString(num(*r.Value))
		if r.ValueIsDate {
			b.WriteString(" date")
		}
	case r.Stats != nil:
		fmt.Fprintf(&b, "n=%d sum=%s min=%s max=%s sq=%s", r.Stats.Count, num(r.Stats.Sum), num(r.Stats.Min), num(r.Stats.Max), num(r.Stats.SumOfSqr))
	case r.Percentiles != nil:
		for _, p := range r.Percentiles {
			fmt.Fprintf(&b, "%g:%s ", p.Percent, num(p.Value))
		}
	case r.Hits != nil:
		for _, h := range r.Hits {
			fmt.Fprintf(&b, "#%d ", h.Record.Seq)
		}
	default:
		fmt.Fprintf(&b, "%d%s", r.DocCount, showSub(r.Sub))
	}
	return strings.TrimSpace(b.String())
}

func showSub(sub map[string]AggResult) string {
	var names []string
	for n := range sub {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = n + ":" + show(sub[n])
	}
	if len(names) == 0 {
		return ""
	}
	return "{" + strings.Join(names, " ") + "}"
}

func ptr[T any](v T) *T { return &v }

func aggregate(aggs []Agg, docs []*Doc) (map[string]AggResult, error) {
	a, err := NewAggregator(aggs)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		if err := a.Add(d); err != nil {
			return nil, err
		}
	}
	return a.Result()
}

func TestAggregations(t *testing.T) {
	f := FieldOf
	docs := docsOf( // seconds 0 to 6 after noon
		`{"v":1,"k":"a","g":["x","y"]}`,
		`{"v":2,"k":"b","g":"x"}`,
		`{"v":3.5,"k":"a"}`,
		`{"v":4,"k":5}`,
		`{"k":true,"at":"2026-11-22T12:00:00Z"}`,
		`{"v":[10,20],"k":"c"}`,
		`{"k":5.0}`,
	)
	max := []Agg{{Name: "m", Of: Metric{Field: f("v"), Kind: Max}}}
	for _, c := range []struct {
		of   Aggregation
		sub  []Agg
		want string
	}{
		{of: Metric{Field: f("v"), Kind: Avg}, want: "6.75"},
		{of: Metric{Field: f("v"), Kind: Sum}, want: "40.5"},
		{of: Metric{Field: f("v"), Kind: Min}, want: "1"},
		{of: Metric{Field: f("v"), Kind: Max}, want: "20"},
		{of: Metric{Field: f("v"), Kind: ValueCount}, want: "6"},
		{of: Metric{Field: f("v"), Kind: Avg, Missing: ptr(Int(0))}, want: "5.062"},
		{of: Metric{Field: f("none"), Kind: Avg}, want: "0"},
		{of: Metric{Field: f("none"), Kind: Sum}, want: "0"},
		{of: Metric{Field: f("k"), Kind: Cardinality}, want: "5"},
		{of: Metric{Field: f("v"), Kind: StatsMetric}, want: "n=6 sum=40.5 min=1 max=20 sq=533.2"},
		{of: Metric{Field: f("@timestamp"), Kind: Min}, want: "1.795e+12 date"},
		{of: Metric{Field: f("at"), Kind: Max}, want: "1.795e+12 date"},
		{of: Metric{Field: f("v"), Kind: Percentiles, Percents: []float64{0, 50, 90, 100}}, want: "0:1 50:3.75 90:15 100:20"},
		{of: Metric{Field: f("none"), Kind: Percentiles, Percents: []float64{50}}, want: "50:NaN"},

		{of: Terms{Field: f("k")}, want: "5=2 a=2 true=1 b=1 c=1"},
		{of: Terms{Field: f("k"), Size: 2}, want: "5=2 a=2 other=3"},
		{of: Terms{Field: f("k"), Order: []TermsOrder{{By: "_key"}}}, want: "true=1 5=2 a=2 b=1 c=1"},
		{of: Terms{Field: f("k"), Order: []TermsOrder{{By: "_key", Desc: true}}}, want: "c=1 b=1 a=2 5=2 true=1"},
		{of: Terms{Field: f("k"), MinDocs: 2}, want: "5=2 a=2"},
		{of: Terms{Field: f("g"), Missing: ptr(String("none"))}, want: "none=5 x=2 y=1"},
		{of: Terms{Field: f("k"), Include: []string{"a", "5"}}, want: "5=2 a=2"},
		{of: Terms{Field: f("k"), Exclude: []string{"a", "5"}}, want: "true=1 b=1 c=1"},
		{of: Terms{Field: f("k"), Order: []TermsOrder{{By: "m", Desc: true}}}, sub: max,
			want: "c=1{m:20} 5=2{m:4} a=2{m:3.5} b=1{m:2} true=1{m:0}"},
		{of: Terms{Field: f("k"), Size: 2, Order: []TermsOrder{{By: "p.50.0"}}}, sub: []Agg{{Name: "p", Of: Metric{Field: f("v"), Kind: Percentiles, Percents: []float64{50}}}},
			want: "b=1{p:50:2} a=2{p:50:2.25} other=4"},
		{of: Terms{Field: f("k"), Size: 1, Order: []TermsOrder{{By: "s.std_deviation", Desc: true}}}, sub: []Agg{{Name: "s", Of: Metric{Field: f("v"), Kind: ExtendedStats}}},
			want: "c=1{s:n=2 sum=30 min=10 max=20 sq=500} other=6"},

		{of: Filters{Of: []NamedFilter{{"a", Term{Field: f("k"), Text: "a"}}, {"none", None{}}}}, sub: max, want: "a=2{m:3.5} none=0{m:0}"},
		{of: FilterAgg{Term{Field: f("k"), Text: "a"}}, sub: max, want: "2{m:3.5}"},
		{of: MissingAgg{f("v")}, want: "2"},
		{of: TopHits{Sort: []SortKey{{Field: f("v"), Desc: true}}, Limit: 2}, want: "#6 #4"},
		{of: TopHits{Sort: []SortKey{{Field: f("v"), MissingFirst: true}}, Offset: 1, Limit: 2}, want: "#7 #1"},

		{of: Histogram{Field: f("v"), Interval: 2}, want: "0=1 2=2 4=1 6=0 8=0 10=1 12=0 14=0 16=0 18=0 20=1"},
		{of: Histogram{Field: f("v"), Interval: 2, MinDocs: 1}, want: "0=1 2=2 4=1 10=1 20=1"},
		{of: Histogram{Field: f("v"), Interval: 5, Offset: 1, MinDocs: 1, Missing: ptr(Int(-1))}, want: "-4=2 1=4 6=1 16=1"},
		{of: Histogram{Field: f("none"), Interval: 5, ExtendedMin: ptr(0.0), ExtendedMax: ptr(12.0)}, sub: max, want: "0=0{m:0} 5=0{m:0} 10=0{m:0}"},

		{of: DateHistogram{Field: f("@timestamp"), Fixed: 2 * time.Second}, want: "11-22T12:00:00=2 11-22T12:00:02=2 11-22T12:00:04=2 11-22T12:00:06=1"},
		{of: DateHistogram{Field: f("@timestamp"), Fixed: 2 * time.Second, Offset: time.Second, Desc: true}, want: "11-22T12:00:05=2 11-22T12:00:03=2 11-22T12:00:01=2 11-22T11:59:59=1"},
		{of: DateHistogram{Field: f("@timestamp"), Calendar: Minute, ExtendedMin: ptr(noon.Add(-time.Minute)), ExtendedMax: ptr(noon.Add(time.Minute))}, sub: max,
			want: "11-22T11:59:00=0{m:0} 11-22T12:00:00=7{m:20} 11-22T12:01:00=0{m:0}"},
		{of: DateHistogram{Field: f("@timestamp"), Calendar: Minute, MinDocs: 1, ExtendedMin: ptr(noon.Add(-time.Minute))}, want: "11-22T12:00:00=7"},
		{of: DateHistogram{Field: f("at"), Calendar: Hour, Missing: ptr(Time(noon.Add(-time.Hour)))}, want: "11-22T11:00:00=6 11-22T12:00:00=1"},
		{of: DateHistogram{Field: f("none"), Calendar: Hour}, want: ""},
	} {
		got, err := aggregate([]Agg{{Name: "x", Of: c.of, Sub: c.sub}}, docs)
		if err != nil {
			t.Errorf("%#v: %v", c.of, err)
			continue
		}
		if s := show(got["x"]); s != c.want {
			t.Errorf("%#v:\n got %s\nwant %s", c.of, s, c.want)
		}
	}
}

func TestAggregationRefusals(t *testing.T) {
	var wide []*Doc
	for i := range 3 {
		d := doc(fmt.Sprintf(`{"v":%d}`, i*1_000_000))
		d.Record.Time = noon.AddDate(i, 0, 0)
		wide = append(wide, d)
	}
	f := FieldOf
	for _, c := range []struct {
		of   Aggregation
		sub  []Agg
		want string
	}{
		{of: nil, want: "unknown type"},
		{of: Metric{Field: f("v")}, want: "unknown metric"},
		{of: Metric{Field: f("v"), Kind: Avg}, sub: []Agg{{Name: "y", Of: MissingAgg{}}}, want: "makes no buckets"},
		{of: Terms{Field: f("v"), Size: -1}, want: "size -1"},
		{of: Terms{Field: f("v"), Order: []TermsOrder{{By: "zz"}}}, want: `ordered by "zz"`},
		{of: Terms{Field: f("none")}, sub: []Agg{{Name: "y", Of: Metric{}}}, want: "unknown metric"},
		{of: TopHits{Limit: 20_000}, want: "at most 10000"},
		{of: Histogram{Field: f("v")}, want: "interval 0"},
		{of: Histogram{Field: f("v"), Interval: math.NaN()}, want: "interval NaN"},
		{of: Histogram{Field: f("v"), Interval: 1}, want: "more than 65536 buckets"},
		{of: DateHistogram{Field: f("@timestamp")}, want: "either a fixed"},
		{of: DateHistogram{Field: f("@timestamp"), Fixed: 1, Calendar: Day}, want: "either a fixed"},
		{of: DateHistogram{Field: f("@timestamp"), Fixed: time.Second}, want: "more than 65536 buckets"},
	} {
		_, err := aggregate([]Agg{{Name: "x", Of: c.of, Sub: c.sub}}, wide)
		if !errors.Is(err, ErrQuery) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%#v: got %v, want %q", c.of, err, c.want)
		}
	}
}

func TestRounding(t *testing.T) {
	zone := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	berlin, saoPaulo, kolkata := zone("Europe/Berlin"), zone("America/Sao_Paulo"), zone("Asia/Kolkata")
	for _, c := range []struct {
		r              rounding
		at, from, next string
	}{
		{rounding{calendar: Week, zone: time.UTC}, "2026-11-22T12:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		{rounding{calendar: Month, zone: time.UTC}, "2026-12-22T12:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{rounding{calendar: Quarter, zone: time.UTC}, "2026-11-22T12:00:00Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{rounding{calendar: Year, zone: time.UTC}, "2026-11-22T12:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		// Clocks go forward on 2026-03-29 at 01:00 UTC: a day of 23 hours.
		{rounding{calendar: Day, zone: berlin}, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		// Clocks go back on 2026-10-25 at 01:00 UTC: a day of 25 hours.
		{rounding{calendar: Day, zone: berlin}, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{rounding{calendar: Hour, zone: berlin}, "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
		{rounding{calendar: Hour, zone: berlin}, "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"},
		{rounding{calendar: Hour, zone: kolkata}, "2026-10-25T01:15:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		// On 2018-11-04 there was no midnight in Sao Paulo.
		{rounding{calendar: Day, zone: saoPaulo}, "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		{rounding{fixed: 24 * time.Hour, zone: berlin}, "2026-11-22T12:00:00Z", "2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z"},
		{rounding{fixed: 24 * time.Hour, zone: berlin}, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{rounding{fixed: 24 * time.Hour, zone: berlin}, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{rounding{fixed: 24 * time.Hour, zone: time.UTC, offset: 6 * time.Hour}, "2026-10-25T05:00:00Z", "2026-10-24T06:00:00Z", "2026-10-25T06:00:00Z"},
		{rounding{fixed: time.Hour, zone: time.UTC}, "1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"},
		{rounding{calendar: Month, zone: berlin, offset: 48 * time.Hour}, "2026-11-02T12:00:00Z", "2026-10-02T22:00:00Z", "2026-11-02T23:00:00Z"},
	} {
		at, _ := time.Parse(time.RFC3339, c.at)
		from := c.r.floor(at)
		if got := from.UTC().Format(time.RFC3339); got != c.from {
			t.Errorf("%+v: %s starts at %s, want %s", c.r, c.at, got, c.from)
		}
		if got := c.r.next(from).UTC().Format(time.RFC3339); got != c.next {
			t.Errorf("%+v: after %s comes %s, want %s", c.r, c.from, got, c.next)
		}
	}
	// Every bucket begins where the one before ends, whatever the clocks do.
	for _, r := range []rounding{{fixed: 90 * time.Minute, zone: berlin}, {fixed: 7 * time.Hour, zone: saoPaulo}, {calendar: Hour, zone: berlin}, {calendar: Day, zone: saoPaulo}} {
		at := r.floor(time.Date(2018, 10, 20, 0, 0, 0, 0, time.UTC))
		for range 400 {
			n := r.next(at)
			if !n.After(at) || !r.floor(n).Equal(n) || !r.floor(n.Add(-1)).Equal(at) {
				t.Fatalf("%+v: after %v comes %v, whose start is %v and whose eve starts at %v", r, at, n, r.floor(n), r.floor(n.Add(-1)))
			}
			at = n
		}
	}
}

// Places far from one another, and those that are not whole steps apart, have ids
// of their own.
func TestNearIDs(t *testing.T) {
	p := gridPlan{ids: map[int64]uint32{}, bounds: newBounds(0)}
	const day = int64(24 * time.Hour)
	p.near.step = day
	places := []int64{0, day, 5 * day, -3 * day, day / 2, minNanos / day * day, maxNanos / day * day, minNanos/day*day + 1620*day, -100_000 * day, 100_000 * day}
	for i, at := range places {
		if id, err := p.id(at); err != nil || id != uint32(i) {
			t.Errorf("place %d: id %d, %v", i, id, err)
		}
	}
	for i, at := range places {
		if id, err := p.id(at); err != nil || id != uint32(i) {
			t.Errorf("place %d again: id %d, %v", i, id, err)
		}
	}
}
