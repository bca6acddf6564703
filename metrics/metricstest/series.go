package metricstest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

// Series is one series with its samples, in order.
type Series struct {
	Labels  labels.Labels
	Samples []Sample
}

// Sample is a number, or a native histogram where H is set.
type Sample struct {
	T int64 // milliseconds
	V float64
	H *histogram.Histogram
}

// MakeSeries gives what Generator asks for: counters that start anew, gauges, a
// classic and a native histogram, gaps, ends by a stale marker, odd values and
// UTF-8 names, every interval from (inclusive) to (inclusive). Every series has
// the given labels, too.
func MakeSeries(seed uint64, from, to time.Time, interval time.Duration, stamp ...string) []Series {
	r := rand.New(rand.NewPCG(seed, 7))
	var out []Series
	add := func(name string, next func(i int) (Sample, bool), pairs ...string) {
		s := Series{Labels: labels.FromStrings(append(append([]string{"__name__", name, "job", "web"}, pairs...), stamp...)...)}
		i := 0
		for at := from; !at.After(to); at = at.Add(interval) {
			if one, ok := next(i); ok {
				one.T = at.UnixMilli() + int64(r.IntN(3)) // scrapes are never quite on time
				s.Samples = append(s.Samples, one)
			}
			i++
		}
		out = append(out, s)
	}
	for _, pod := range []string{"p1", "p2", "p3"} {
		for _, code := range []string{"200", "404", "500"} {
			total, anew := 0.0, r.IntN(200)
			add("requests_total", func(i int) (Sample, bool) {
				if total += float64(r.IntN(50)); i == anew {
					total = 0
				}
				return Sample{V: total}, true
			}, "pod", pod, "code", code)
		}
		temperature := 20.0
		add("temperature", func(int) (Sample, bool) { temperature += r.NormFloat64(); return Sample{V: temperature}, true }, "pod", pod, "zone", pod[1:])
		counts := [4]float64{}
		sums := 0.0
		for i, le := range []string{"0.1", "0.5", "1", "+Inf"} {
			add("latency_bucket", func(int) (Sample, bool) { counts[i] += float64(r.IntN(5) + 2*i); return Sample{V: counts[i]}, true }, "pod", pod, "le", le)
		}
		add("latency_count", func(int) (Sample, bool) { counts[3] += 2; return Sample{V: counts[3]}, true }, "pod", pod)
		add("latency_sum", func(int) (Sample, bool) { sums += r.Float64(); return Sample{V: sums}, true }, "pod", pod)
		n := int64(0)
		add("native_latency", func(int) (Sample, bool) { n += int64(r.IntN(9) + 1); return Sample{H: native(n)}, true }, "pod", pod)
		add("up", func(int) (Sample, bool) { return Sample{V: float64(min(1, r.IntN(10)))}, true }, "pod", pod)
		add("sparse", func(int) (Sample, bool) { return Sample{V: r.Float64()}, r.IntN(30) == 0 }, "pod", pod)
		gone := 100 + r.IntN(100)
		add("odd_values", func(i int) (Sample, bool) {
			v := []float64{math.Inf(1), math.Inf(-1), math.NaN(), 0, math.Copysign(0, -1), 1e-300, 1e300, math.MaxInt64, 0.1}[i%9]
			if i == gone {
				v = math.Float64frombits(value.StaleNaN)
			}
			return Sample{V: v}, i <= gone
		}, "pod", pod)
		add("build_info", func(int) (Sample, bool) { return Sample{V: 1}, true }, "pod", pod, "version", fmt.Sprint("1.", len(out)))
	}
	add("quoted.name", func(i int) (Sample, bool) { return Sample{V: float64(i)}, true }, "späh.label", "ä\"\\")
	return out
}

func native(n int64) *histogram.Histogram {
	return &histogram.Histogram{
		Schema: 1, ZeroThreshold: 0.001, ZeroCount: uint64(n), Count: uint64(4 * n), Sum: float64(n) * 1.5,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}, {Offset: 1, Length: 1}}, PositiveBuckets: []int64{n, 0, 0},
	}
}
