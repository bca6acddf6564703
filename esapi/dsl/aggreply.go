package dsl

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// appendAggs appends the object of aggregations. It follows the plan, not the
// result, so that an empty bucket holds the same keys as a full one. docs is the
// number of documents around them.
func (s *Search) appendAggs(dst []byte, plans []aggPlan, res map[string]logging.AggResult, docs int64) []byte {
	dst = append(dst, '{')
	first := true
	for i := range plans {
		r, ok := res[plans[i].name]
		if plans[i].pipe != nil && !ok {
			continue // it has no value
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = s.appendAgg(dst, &plans[i], r, docs)
	}
	return append(dst, '}')
}

func (s *Search) appendSubs(dst []byte, a *aggPlan, res map[string]logging.AggResult, docs int64) []byte {
	for i := range a.subs {
		r, ok := res[a.subs[i].name]
		if !ok && (a.subs[i].pipe != nil || res != nil) {
			continue // it has no value in this bucket, or the bucket is predicted
		}
		dst = s.appendAgg(append(dst, ','), &a.subs[i], r, docs)
	}
	return dst
}

// typedName is the prefix of a name under ?typed_keys.
func (a *aggPlan) typedName(r logging.AggResult) string {
	switch a.kind {
	case "percentiles":
		return "tdigest_percentiles"
	case "percentile_ranks":
		return "tdigest_percentile_ranks"
	case "cumulative_sum", "serial_diff", "moving_fn", "moving_avg", "bucket_script", "sum_bucket", "avg_bucket":
		return "simple_value"
	case "max_bucket", "min_bucket":
		return "bucket_metric_value"
	case "terms":
		if len(r.Buckets) == 0 {
			return "sterms"
		}
		switch r.Buckets[0].Key.Kind {
		case logging.KindString:
			return "sterms"
		case logging.KindFloat:
			return "dterms"
		}
		return "lterms"
	}
	return a.kind
}

func (s *Search) appendAgg(dst []byte, a *aggPlan, r logging.AggResult, docs int64) []byte {
	name := a.name
	if a.pipe != nil {
		return s.appendPipe(dst, a, r)
	}
	if s.typedKeys {
		name = a.typedName(r) + "#" + name
	}
	dst = append(jsontext.AppendString(dst, name), ":{"...)
	if a.meta != nil {
		dst = append(a.meta.Append(append(dst, `"meta":`...)), ',')
	}
	switch of := a.of.(type) {
	case nil: // a rate of documents
		dst = a.appendValue(append(dst, `"value":`...), r)
	case logging.Metric:
		if a.rate != nil {
			dst = a.appendValue(append(dst, `"value":`...), r)
			break
		}
		dst = appendMetric(dst, a, of, r)
	case logging.TopHits:
		dst = s.appendTop(dst, a, r, docs)
	case logging.FilterAgg, logging.MissingAgg:
		dst = appendInt(append(dst, `"doc_count":`...), r.DocCount)
		dst = s.appendSubs(dst, a, r.Sub, r.DocCount)
	case logging.Filters:
		dst = s.appendFilters(dst, a, of, r)
	case logging.Composite:
		dst = s.appendComposite(dst, a, r)
	case logging.Terms:
		dst = append(dst, `"doc_count_error_upper_bound":0,"sum_other_doc_count":`...)
		dst = append(appendInt(dst, r.OtherDocs), ',')
		dst = s.appendBuckets(dst, a, r.Buckets)
	default:
		dst = s.appendBuckets(dst, a, r.Buckets)
	}
	return append(dst, '}')
}

func (s *Search) appendBuckets(dst []byte, a *aggPlan, buckets []logging.Bucket) []byte {
	open, closing := byte('['), byte(']')
	if a.keyed {
		open, closing = '{', '}'
	}
	dst = append(append(dst, `"buckets":`...), open)
	for i, b := range buckets {
		if i > 0 {
			dst = append(dst, ',')
		}
		if a.keyed {
			dst = append(jsontext.AppendString(dst, a.keyText(b.Key)), ':')
		}
		dst = a.appendKey(append(dst, '{'), b.Key)
		dst = appendInt(append(dst, `"doc_count":`...), b.DocCount)
		dst = append(s.appendSubs(dst, a, b.Sub, b.DocCount), '}')
	}
	return append(dst, closing)
}

// keyText writes a histogram's key as a name.
func (a *aggPlan) keyText(key logging.Value) string {
	switch {
	case key.Kind == logging.KindTime && a.format != nil:
		return a.format.Format(key.Time, a.zone)
	case key.Kind == logging.KindTime:
		return defaultDates.Format(key.Time, a.zone)
	case a.decimals != nil:
		return a.decimals.Format(key.Float)
	}
	return javaFloat(key.Float)
}

// appendKey writes a bucket's key. A date histogram has key_as_string first.
func (a *aggPlan) appendKey(dst []byte, key logging.Value) []byte {
	switch key.Kind {
	case logging.KindBool:
		if key.Bool {
			return append(dst, `"key":1,"key_as_string":"true",`...)
		}
		return append(dst, `"key":0,"key_as_string":"false",`...)
	case logging.KindTime:
		f := a.format
		if f == nil {
			f = defaultDates
		}
		if a.kind == "date_histogram" {
			dst = append(f.appendQuoted(append(dst, `"key_as_string":`...), key.Time, a.zone), ',')
			return append(appendInt(append(dst, `"key":`...), key.Time.UnixMilli()), ',')
		}
		dst = append(appendInt(append(dst, `"key":`...), key.Time.UnixMilli()), ',')
		return append(f.appendQuoted(append(dst, `"key_as_string":`...), key.Time, a.zone), ',')
	}
	dst = append(appendValue(append(dst, `"key":`...), key), ',')
	if x, ok := missingNumber(key); ok && a.decimals != nil && !a.decimals.raw {
		dst = append(jsontext.AppendString(append(dst, `"key_as_string":`...), a.decimals.Format(x)), ',')
	}
	return dst
}

func (s *Search) appendFilters(dst []byte, a *aggPlan, of logging.Filters, r logging.AggResult) []byte {
	open, closing := byte('{'), byte('}')
	list := a.unnamed || a.ranges != nil && !a.keyed
	if list {
		open, closing = '[', ']'
	}
	dst = append(append(dst, `"buckets":`...), open)
	for i, f := range of.Of {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !list {
			dst = append(jsontext.AppendString(dst, f.Name), ':')
		}
		var b logging.Bucket
		if i < len(r.Buckets) {
			b = r.Buckets[i]
		}
		dst = append(dst, '{')
		if a.ranges != nil {
			if list {
				dst = append(jsontext.AppendString(append(dst, `"key":`...), f.Name), ',')
			}
			dst = appendRangeBucket(dst, a.ranges[i])
		}
		dst = appendInt(append(dst, `"doc_count":`...), b.DocCount)
		dst = append(s.appendSubs(dst, a, b.Sub, b.DocCount), '}')
	}
	return append(dst, closing)
}

// ordered sorts a histogram's buckets, which come by key ascending.
func ordered(order []logging.TermsOrder, buckets []logging.Bucket) []logging.Bucket {
	if len(order) == 0 {
		return buckets
	}
	buckets = slices.Clone(buckets)
	slices.SortStableFunc(buckets, func(a, b logging.Bucket) int {
		for _, o := range order {
			c := 0
			switch o.By {
			case "_key":
				c = logging.Compare(a.Key, b.Key)
			case "_count":
				c = cmp.Compare(a.DocCount, b.DocCount)
			default:
				x, okX := orderNumber(a, o.By)
				y, okY := orderNumber(b, o.By)
				if okX != okY { // what has no value comes last either way
					if okX {
						return -1
					}
					return 1
				}
				c = cmp.Compare(x, y)
			}
			if o.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return buckets
}

func orderNumber(b logging.Bucket, by string) (float64, bool) {
	for name, r := range b.Sub {
		of, ok := strings.CutPrefix(by, name)
		switch {
		case ok && of == "":
			return resultNumber(r, "")
		case ok && of[0] == '.':
			if x, ok := resultNumber(r, of[1:]); ok {
				return x, true
			}
		}
	}
	return 0, false
}

// resultNumber gives a result's value, or one of its numbers by name.
func resultNumber(r logging.AggResult, of string) (float64, bool) {
	switch {
	case of == normalized:
		return resultNumber(r.Sub[normalized], "")
	case r.Value != nil && (of == "" || of == "value"):
		return *r.Value, true
	case r.Stats != nil && (r.Stats.Count > 0 || of == "count" || of == "sum"):
		return statsNumber(*r.Stats, of), true
	}
	want, isNumber := parseFloat(of)
	for _, p := range r.Percentiles {
		asked, x := p.Percent, p.Value
		if r.Ranks {
			asked, x = x, asked
		}
		if isNumber && asked == want && !math.IsNaN(x) {
			return x, true
		}
	}
	return 0, false
}

func statsNumber(s logging.Stats, of string) float64 {
	dev := math.Sqrt(s.Variance())
	switch of {
	case "count":
		return float64(s.Count)
	case "sum":
		return s.Sum
	case "min":
		return s.Min
	case "max":
		return s.Max
	case "avg":
		return s.Avg()
	case "sum_of_squares":
		return s.SumOfSqr
	case "std_deviation", "std_deviation_population":
		return dev
	case "std_upper", "std_deviation_bounds.upper":
		return s.Avg() + 2*dev
	case "std_lower", "std_deviation_bounds.lower":
		return s.Avg() - 2*dev
	case "variance_sampling":
		return s.Variance() * float64(s.Count) / float64(s.Count-1)
	case "std_deviation_sampling":
		return math.Sqrt(s.Variance() * float64(s.Count) / float64(s.Count-1))
	}
	return s.Variance()
}
