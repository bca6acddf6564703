package dsl

import (
	"math"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// Run answers the search by asking the store: a second time for the hits where a
// post_filter leaves out some that the aggregations are over. q is the search's
// Query with what the caller added to it.
func (s *Search) Run(q logging.Query, ask func(logging.Query) (*logging.Result, error)) (*logging.Result, error) {
	var hits *logging.Result
	if s.post != nil {
		of := q
		of.Filter, of.Aggs = both(q.Filter, s.post), nil
		var err error
		if hits, err = ask(of); err != nil || len(q.Aggs) == 0 {
			return hits, err
		}
		q.Limit, q.Offset, q.After, q.Sort, q.TotalMax = 0, 0, nil, nil, 0
	}
	res, err := ask(q)
	if err != nil || res.Aggs == nil {
		return res, err
	}
	s.docs = max(res.Total, 0)
	finish(s.aggs, res.Aggs, around{docs: s.docs})
	if hits != nil {
		hits.Aggs = res.Aggs
		res = hits
	}
	return res, nil
}

// around says which bucket of a date histogram results stand in.
type around struct {
	histogram *aggPlan
	key       time.Time
	docs      int64
}

// finish completes the results of plans that stand together in one bucket.
func finish(plans []aggPlan, res map[string]logging.AggResult, in around) {
	for i := range plans {
		a := &plans[i]
		if a.pipe != nil {
			if a.pipe.sibling {
				res[a.name] = a.runSibling(plans, res)
			}
			continue
		}
		r := res[a.name]
		switch {
		case a.rate != nil:
			r = a.rateOf(r, in)
		case a.scaled != nil:
			r = a.scaled.result(a, r)
		}
		if len(r.Buckets) > 0 {
			r.Buckets = a.finishBuckets(r.Buckets, in)
		}
		if len(a.subs) > 0 && r.Buckets == nil {
			within := in
			within.docs = r.DocCount
			r.Sub = finishSub(a.subs, r.Sub, within)
		}
		res[a.name] = r
	}
}

// finishSub is finish of what stands in a bucket, of which the store may know
// nothing.
func finishSub(plans []aggPlan, res map[string]logging.AggResult, in around) map[string]logging.AggResult {
	if res == nil {
		res = map[string]logging.AggResult{}
	}
	finish(plans, res, in)
	return res
}

func (a *aggPlan) finishBuckets(buckets []logging.Bucket, in around) []logging.Bucket {
	if len(a.order) > 0 {
		if _, isTerms := a.of.(logging.Terms); !isTerms { // whose order the store has made
			buckets = ordered(a.order, buckets)
		}
	}
	if len(a.subs) == 0 {
		return buckets
	}
	for i := range buckets {
		within := in
		within.docs = buckets[i].DocCount
		if _, ok := a.of.(logging.DateHistogram); ok {
			within.histogram, within.key = a, buckets[i].Key.Time
		}
		buckets[i].Sub = finishSub(a.subs, buckets[i].Sub, within)
	}
	for i := range a.subs {
		if p := a.subs[i].pipe; p != nil && !p.sibling {
			buckets = a.runParent(&a.subs[i], buckets)
		}
	}
	return buckets
}

// number follows steps from a bucket. A bucket without documents has no numbers,
// but for its count: it is a gap. there is false where what the steps lead to has
// nothing in the bucket, as the first of derivatives.
func (p *bucketPath) number(plans []aggPlan, b *logging.Bucket, steps []string, zeros bool) (x float64, there bool) {
	gap := math.NaN()
	if zeros {
		gap = 0
	}
	if steps[0] == "_count" {
		return float64(b.DocCount), true
	}
	if steps[0] == "_key" {
		return keyNumber(b.Key), true
	}
	sub := b.Sub
	last := len(steps) - 1
	for i, name := range steps[:last] {
		if i == last-1 && steps[last] == "_count" {
			if b.DocCount == 0 {
				return gap, true
			}
			return float64(sub[name].DocCount), true
		}
		plans, sub = planOf(plans, name).subs, sub[name].Sub
	}
	r, ok := sub[steps[last]]
	if !ok {
		return math.NaN(), false
	}
	if x, ok := resultNumber(r, p.of); ok && b.DocCount > 0 && !math.IsInf(x, 0) && !math.IsNaN(x) {
		return x, true
	}
	return gap, true
}

// runParent computes a pipeline over the buckets of the aggregation it is in.
func (a *aggPlan) runParent(of *aggPlan, buckets []logging.Bucket) []logging.Bucket {
	values, there := make([]float64, len(buckets)), make([]bool, len(buckets))
	p := of.pipe
	first := func(zeros bool) {
		for i := range buckets {
			values[i], there[i] = p.paths[0].number(a.subs, &buckets[i], p.paths[0].steps, zeros)
		}
	}
	put := func(i int, r logging.AggResult) {
		if buckets[i].Sub == nil {
			buckets[i].Sub = map[string]logging.AggResult{}
		}
		buckets[i].Sub[of.name] = r
	}
	switch of.kind {
	case "derivative":
		first(p.zeros)
		for i := 1; i < len(buckets); i++ {
			if there[i] && there[i-1] {
				put(i, derivative(values[i]-values[i-1], keyNumber(buckets[i].Key)-keyNumber(buckets[i-1].Key), p.unit))
			}
		}
	case "cumulative_sum":
		first(true)
		sum := 0.0
		for i, x := range values {
			if there[i] {
				sum += x
			}
			put(i, value(sum))
		}
	case "serial_diff":
		first(p.zeros)
		for i := p.lag; i < len(values); i++ {
			if d := values[i] - values[i-p.lag]; d == d {
				put(i, value(d))
			}
		}
	case "moving_fn":
		first(p.zeros)
		seen := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
		at := 0
		for i, x := range values {
			if x != x {
				continue
			}
			from, to := inside(at-p.window+p.shift, len(seen)), inside(at+p.shift, len(seen))
			out, _ := p.script.run(&scriptEnv{values: seen[from:max(from, to)]})
			put(i, value(out))
			at++
		}
	case "moving_avg":
		first(p.zeros)
		return a.movingAvg(of, buckets, values, put)
	default: // bucket_script
		for i := range buckets {
			env := scriptEnv{params: make([]float64, len(p.paths))}
			gap := false
			for k := range p.paths {
				env.params[k], _ = p.paths[k].number(a.subs, &buckets[i], p.paths[k].steps, p.zeros)
				gap = gap || math.IsNaN(env.params[k])
			}
			if gap {
				continue
			}
			if out, ok := p.script.run(&env); ok {
				put(i, value(out))
			}
		}
	}
	return buckets
}

func inside(i, n int) int { return max(0, min(i, n)) }

// value makes a result; what is no number shows as null.
func value(x float64) logging.AggResult {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return logging.AggResult{}
	}
	return logging.AggResult{Value: &x}
}

// keyNumber gives a bucket's key as a number, times in milliseconds.
func keyNumber(v logging.Value) float64 {
	switch v.Kind {
	case logging.KindTime:
		return float64(v.Time.UnixMilli())
	case logging.KindFloat:
		return v.Float
	case logging.KindInt:
		return float64(v.Int)
	}
	return math.NaN()
}

// derivative has its value and, where a unit is asked for, what that is a unit.
func derivative(d, millis float64, unit time.Duration) logging.AggResult {
	r := value(d)
	if unit > 0 {
		r.Sub = map[string]logging.AggResult{normalized: value(d / (millis / (float64(unit) / float64(time.Millisecond))))}
	}
	return r
}

const normalized = "normalized_value"

func (a *aggPlan) movingAvg(of *aggPlan, buckets []logging.Bucket, values []float64, put func(int, logging.AggResult)) []logging.Bucket {
	p := of.pipe
	var seen []float64
	last := -1
	for i, x := range values {
		if x != x {
			continue
		}
		if p.model.has(len(seen)) {
			put(i, value(p.model.forecast(seen, 1)[0]))
		}
		if last, seen = i, append(seen, x); len(seen) > p.window {
			seen = seen[1:]
		}
	}
	if p.predict == 0 || last < 0 {
		return buckets
	}
	key := buckets[last].Key
	for i, x := range p.model.forecast(seen, p.predict) {
		if key = a.nextKey(key); last+i+1 >= len(buckets) {
			buckets = append(buckets, logging.Bucket{Key: key})
		}
		b := &buckets[last+i+1]
		if b.Sub == nil {
			b.Sub = map[string]logging.AggResult{}
		}
		b.Sub[of.name] = value(x)
	}
	return buckets
}

// nextKey gives the key of a histogram's bucket behind another one.
func (a *aggPlan) nextKey(key logging.Value) logging.Value {
	switch h := a.of.(type) {
	case logging.Histogram:
		return logging.Float(key.Float + h.Interval)
	case logging.DateHistogram:
		return logging.Time(h.Next(key.Time))
	}
	return key
}

// runSibling computes a pipeline over the buckets of an aggregation beside it.
func (a *aggPlan) runSibling(plans []aggPlan, res map[string]logging.AggResult) logging.AggResult {
	p := &a.pipe.paths[0]
	of := planOf(plans, p.steps[0])
	s := logging.Stats{}
	best := math.NaN()
	var keys []logging.Bucket
	buckets := res[of.name].Buckets
	for i := range buckets {
		x, _ := p.number(of.subs, &buckets[i], p.steps[1:], a.pipe.zeros)
		if math.IsNaN(x) {
			continue
		}
		if s.Count == 0 {
			s.Min, s.Max = x, x
		}
		s.Count++
		s.Sum += x
		s.SumOfSqr += x * x
		s.Min, s.Max = min(s.Min, x), max(s.Max, x)
		if better := a.kind == "max_bucket" && !(x <= best) || a.kind == "min_bucket" && !(x >= best); better {
			best, keys = x, keys[:0]
		}
		if x == best {
			keys = append(keys, logging.Bucket{Name: of.bucketName(buckets[i])})
		}
	}
	switch a.kind {
	case "sum_bucket":
		return value(s.Sum)
	case "avg_bucket":
		return value(s.Avg())
	case "max_bucket", "min_bucket":
		r := value(best)
		r.Buckets = keys
		return r
	}
	return logging.AggResult{Stats: &s}
}

// bucketName names a bucket as the keys of max_bucket and min_bucket do.
func (a *aggPlan) bucketName(b logging.Bucket) string {
	switch b.Key.Kind {
	case logging.KindString:
		return b.Key.Str
	case logging.KindInt, logging.KindBool:
		return b.Key.Text()
	}
	return a.keyText(b.Key)
}
