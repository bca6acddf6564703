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
	for i := range plans {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.appendAgg(dst, &plans[i], res[plans[i].name], docs)
	}
	return append(dst, '}')
}

func (s *Search) appendSubs(dst []byte, a *aggPlan, res map[string]logging.AggResult, docs int64) []byte {
	for i := range a.subs {
		dst = s.appendAgg(append(dst, ','), &a.subs[i], res[a.subs[i].name], docs)
	}
	return dst
}

// typedName is the prefix of a name under ?typed_keys.
func (a *aggPlan) typedName(r logging.AggResult) string {
	switch a.kind {
	case "percentiles":
		return "tdigest_percentiles"
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
	if s.typedKeys {
		name = a.typedName(r) + "#" + name
	}
	dst = append(jsontext.AppendString(dst, name), ":{"...)
	if a.meta != nil {
		dst = append(a.meta.Append(append(dst, `"meta":`...)), ',')
	}
	switch of := a.of.(type) {
	case logging.Metric:
		dst = appendMetric(dst, a, of, r)
	case logging.TopHits:
		dst = s.appendTop(dst, a, r, docs)
	case logging.FilterAgg, logging.MissingAgg:
		dst = appendInt(append(dst, `"doc_count":`...), r.DocCount)
		dst = s.appendSubs(dst, a, r.Sub, r.DocCount)
	case logging.Filters:
		dst = s.appendFilters(dst, a, of, r)
	case logging.Terms:
		dst = append(dst, `"doc_count_error_upper_bound":0,"sum_other_doc_count":`...)
		dst = append(appendInt(dst, r.OtherDocs), ',')
		dst = s.appendBuckets(dst, a, r.Buckets)
	default:
		dst = s.appendBuckets(dst, a, ordered(a.order, r.Buckets))
	}
	return append(dst, '}')
}

func (s *Search) appendBuckets(dst []byte, a *aggPlan, buckets []logging.Bucket) []byte {
	dst = append(dst, `"buckets":[`...)
	for i, b := range buckets {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = a.appendKey(append(dst, '{'), b.Key)
		dst = appendInt(append(dst, `"doc_count":`...), b.DocCount)
		dst = append(s.appendSubs(dst, a, b.Sub, b.DocCount), '}')
	}
	return append(dst, ']')
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
		text := f.Format(key.Time, a.zone)
		if a.kind == "date_histogram" {
			dst = append(jsontext.AppendString(append(dst, `"key_as_string":`...), text), ',')
			return append(appendInt(append(dst, `"key":`...), key.Time.UnixMilli()), ',')
		}
		dst = append(appendInt(append(dst, `"key":`...), key.Time.UnixMilli()), ',')
		return append(jsontext.AppendString(append(dst, `"key_as_string":`...), text), ',')
	}
	return append(appendValue(append(dst, `"key":`...), key), ',')
}

func (s *Search) appendFilters(dst []byte, a *aggPlan, of logging.Filters, r logging.AggResult) []byte {
	open, closing := byte('{'), byte('}')
	if a.unnamed {
		open, closing = '[', ']'
	}
	dst = append(append(dst, `"buckets":`...), open)
	for i, f := range of.Of {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !a.unnamed {
			dst = append(jsontext.AppendString(dst, f.Name), ':')
		}
		var b logging.Bucket
		if i < len(r.Buckets) {
			b = r.Buckets[i]
		}
		dst = appendInt(append(dst, `{"doc_count":`...), b.DocCount)
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
		if name == by && r.Value != nil {
			return *r.Value, true
		}
		of, ok := strings.CutPrefix(by, name+".")
		switch {
		case !ok:
		case r.Stats != nil && (r.Stats.Count > 0 || of == "count" || of == "sum"):
			return statsNumber(*r.Stats, of), true
		default:
			for _, p := range r.Percentiles {
				if javaFloat(p.Percent) == of && !math.IsNaN(p.Value) {
					return p.Value, true
				}
			}
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
	case "std_upper":
		return s.Avg() + 2*dev
	case "std_lower":
		return s.Avg() - 2*dev
	}
	return s.Variance()
}
