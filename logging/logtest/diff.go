package logtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/oriel-project/oriel/logging"
)

// Diff says where two answers to one query differ; "" where they do not. Floats
// may differ by 1e-9 of themselves, since sums depend on the order of adding.
func Diff(want, got *logging.Result) string {
	if want.Total != got.Total || want.TotalAtLeast != got.TotalAtLeast {
		return fmt.Sprintf("total: want %d (at least: %t), got %d (%t)", want.Total, want.TotalAtLeast, got.Total, got.TotalAtLeast)
	}
	if d := diffHits(want.Hits, got.Hits); d != "" {
		return d
	}
	return diffAggs(want.Aggs, got.Aggs)
}

func diffHits(want, got []logging.Hit) string {
	for i := range min(len(want), len(got)) {
		w, g := want[i], got[i]
		if w.Record.Seq != g.Record.Seq {
			return fmt.Sprintf("hit %d: want seq %d %v, got seq %d %v", i, w.Record.Seq, valueTexts(w.Sort), g.Record.Seq, valueTexts(g.Sort))
		}
		if !slices.EqualFunc(w.Sort, g.Sort, sameValue) {
			return fmt.Sprintf("hit %d (seq %d): want sort %v, got %v", i, w.Record.Seq, valueTexts(w.Sort), valueTexts(g.Sort))
		}
		if d := DiffRecord(w.Record, g.Record); d != "" {
			return fmt.Sprintf("hit %d (seq %d): %s", i, w.Record.Seq, d)
		}
	}
	if len(want) != len(got) {
		return fmt.Sprintf("want %d hits, got %d", len(want), len(got))
	}
	return ""
}

// DiffRecord says where two records differ. Sources must be equal as JSON, with
// numbers as they were written and keys in the same order.
func DiffRecord(want, got logging.Record) string {
	if !sameJSON(want.Source, got.Source) {
		return fmt.Sprintf("source: want %s, got %s", want.Source, got.Source)
	}
	if !want.Time.Equal(got.Time) || !want.Received.Equal(got.Received) {
		return fmt.Sprintf("times: want %v %v, got %v %v", want.Time, want.Received, got.Time, got.Received)
	}
	text := func(r logging.Record) string {
		return fmt.Sprintf("%q", []string{string(r.Tenant), r.Index, r.ID, r.Original, r.Cluster, r.Region, r.Cloud, r.Namespace, r.Pod, r.Container, r.Node, r.Level, r.Stream, r.Message, fmt.Sprint(r.Seq)})
	}
	if w, g := text(want), text(got); w != g {
		return fmt.Sprintf("want %s, got %s", w, g)
	}
	return ""
}

func diffAggs(want, got map[string]logging.AggResult) string {
	if len(want) != len(got) {
		return fmt.Sprintf("want %d aggregations, got %d", len(want), len(got))
	}
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			return name + " is missing"
		}
		if d := diffAgg(w, g); d != "" {
			return name + ": " + d
		}
	}
	return ""
}

func diffAgg(w, g logging.AggResult) string {
	switch {
	case w.DocCount != g.DocCount || w.OtherDocs != g.OtherDocs || w.ValueIsDate != g.ValueIsDate:
		return fmt.Sprintf("want docs %d other %d date %t, got %d %d %t", w.DocCount, w.OtherDocs, w.ValueIsDate, g.DocCount, g.OtherDocs, g.ValueIsDate)
	case (w.Value == nil) != (g.Value == nil) || w.Value != nil && !near(*w.Value, *g.Value):
		return fmt.Sprintf("want value %s, got %s", number(w.Value), number(g.Value))
	case (w.Stats == nil) != (g.Stats == nil) || w.Stats != nil && !nearStats(*w.Stats, *g.Stats):
		return fmt.Sprintf("want stats %+v, got %+v", w.Stats, g.Stats)
	case !slices.EqualFunc(w.Percentiles, g.Percentiles, func(a, b logging.Percentile) bool {
		return near(a.Percent, b.Percent) && near(a.Value, b.Value)
	}):
		return fmt.Sprintf("want percentiles %v, got %v", w.Percentiles, g.Percentiles)
	case len(w.Buckets) != len(g.Buckets) || (w.Buckets == nil) != (g.Buckets == nil):
		return fmt.Sprintf("want buckets %v, got %v", bucketTexts(w.Buckets), bucketTexts(g.Buckets))
	}
	for i := range w.Buckets {
		a, b := w.Buckets[i], g.Buckets[i]
		if a.Name != b.Name || !sameValue(a.Key, b.Key) || !slices.EqualFunc(a.Keys, b.Keys, sameValue) || a.DocCount != b.DocCount {
			return fmt.Sprintf("want buckets %v, got %v", bucketTexts(w.Buckets), bucketTexts(g.Buckets))
		}
		if d := diffAggs(a.Sub, b.Sub); d != "" {
			return fmt.Sprintf("bucket %s: %s", a.Key.Text()+a.Name, d)
		}
	}
	if d := diffHits(w.Hits, g.Hits); d != "" {
		return d
	}
	return diffAggs(w.Sub, g.Sub)
}

func number(x *float64) string {
	if x == nil {
		return "none"
	}
	return fmt.Sprint(*x)
}

func bucketTexts(of []logging.Bucket) []string {
	out := []string{}
	for _, b := range of {
		text := fmt.Sprintf("%d:%s%s", b.Key.Kind, b.Key.Text(), b.Name)
		if b.Keys != nil {
			text = fmt.Sprint(valueTexts(b.Keys))
		}
		out = append(out, fmt.Sprintf("%s=%d", text, b.DocCount))
	}
	return out
}

func valueTexts(of []logging.Value) []string {
	out := []string{}
	for _, v := range of {
		out = append(out, fmt.Sprintf("%d:%s", v.Kind, v.Text()))
	}
	return out
}

func sameValue(a, b logging.Value) bool {
	return a.Kind == b.Kind && (a.Kind == logging.KindFloat && near(a.Float, b.Float) || logging.Compare(a, b) == 0)
}

func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
}

// nearStats allows sums to differ by what their terms are, not by what is left
// of terms that cancel each other.
func nearStats(a, b logging.Stats) bool {
	if a.Count != b.Count {
		return false
	}
	scale := math.Sqrt(a.SumOfSqr * float64(a.Count))
	return a.Count == 0 || a.Min == b.Min && a.Max == b.Max && a.IsDate == b.IsDate && near(a.SumOfSqr, b.SumOfSqr) &&
		(near(a.Sum, b.Sum) || math.Abs(a.Sum-b.Sum) <= 1e-9*scale)
}

// sameJSON compares token by token: strings by what they mean, numbers as text.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, y := json.NewDecoder(bytes.NewReader(a)), json.NewDecoder(bytes.NewReader(b))
	x.UseNumber()
	y.UseNumber()
	for {
		t, errX := x.Token()
		u, errY := y.Token()
		if errX != nil || errY != nil {
			return errors.Is(errX, io.EOF) && errors.Is(errY, io.EOF)
		}
		if t != u {
			return false
		}
	}
}
