package dsl

import (
	"math"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

func appendMetric(dst []byte, a *aggPlan, of logging.Metric, r logging.AggResult) []byte {
	switch of.Kind {
	case logging.StatsMetric, logging.ExtendedStats:
		return appendStats(dst, a, r.Stats, of.Kind == logging.ExtendedStats)
	case logging.Percentiles:
		return appendPercentiles(dst, a, of, r)
	case logging.ValueCount, logging.Cardinality:
		n := int64(0)
		if r.Value != nil {
			n = int64(*r.Value)
		}
		return appendInt(append(dst, `"value":`...), n)
	}
	dst = append(dst, `"value":`...)
	switch {
	case r.Value == nil && of.Kind == logging.Sum:
		return append(dst, "0.0"...)
	case r.Value == nil:
		return append(dst, "null"...)
	}
	dst = AppendFloat(dst, *r.Value)
	if r.ValueIsDate {
		dst = append(dst, `,"value_as_string":`...)
		dst = a.appendDate(dst, *r.Value)
	}
	return dst
}

// appendDate writes milliseconds since the epoch as a date.
func (a *aggPlan) appendDate(dst []byte, ms float64) []byte {
	f := a.format
	if f == nil {
		f = defaultDates
	}
	return jsontext.AppendString(dst, f.Format(time.UnixMilli(int64(math.Floor(ms))), a.zone))
}

// appendNumber writes NaN as Elasticsearch does: as a string.
func appendNumber(dst []byte, f float64) []byte {
	if math.IsNaN(f) {
		return append(dst, `"NaN"`...)
	}
	if math.IsInf(f, 0) {
		return append(dst, `"Infinity"`...)
	}
	return AppendFloat(dst, f)
}

func appendStats(dst []byte, a *aggPlan, s *logging.Stats, extended bool) []byte {
	if s == nil || s.Count == 0 {
		dst = append(dst, `"count":0,"min":null,"max":null,"avg":null,"sum":0.0`...)
		if extended {
			dst = append(dst, `,"sum_of_squares":null,"variance":null,"variance_population":null,"variance_sampling":null,"std_deviation":null,"std_deviation_population":null,"std_deviation_sampling":null,"std_deviation_bounds":{"upper":null,"lower":null,"upper_population":null,"lower_population":null,"upper_sampling":null,"lower_sampling":null}`...)
		}
		return dst
	}
	put := func(key string, f float64) {
		dst = appendNumber(append(jsontext.AppendString(append(dst, ','), key), ':'), f)
	}
	dst = appendInt(append(dst, `"count":`...), s.Count)
	put("min", s.Min)
	put("max", s.Max)
	put("avg", s.Avg())
	put("sum", s.Sum)
	if s.IsDate {
		for _, v := range []struct {
			key string
			ms  float64
		}{{"min_as_string", s.Min}, {"max_as_string", s.Max}, {"avg_as_string", s.Avg()}} {
			dst = a.appendDate(append(jsontext.AppendString(append(dst, ','), v.key), ':'), v.ms)
		}
	}
	if !extended {
		return dst
	}
	population := s.Variance()
	sampling := math.NaN()
	if s.Count > 1 {
		sampling = population * float64(s.Count) / float64(s.Count-1)
	}
	put("sum_of_squares", s.SumOfSqr)
	put("variance", population)
	put("variance_population", population)
	put("variance_sampling", sampling)
	put("std_deviation", math.Sqrt(population))
	put("std_deviation_population", math.Sqrt(population))
	put("std_deviation_sampling", math.Sqrt(sampling))
	dst = append(dst, `,"std_deviation_bounds":{`...)
	for i, b := range []struct {
		key string
		dev float64
	}{
		{"upper", math.Sqrt(population)}, {"lower", -math.Sqrt(population)},
		{"upper_population", math.Sqrt(population)}, {"lower_population", -math.Sqrt(population)},
		{"upper_sampling", math.Sqrt(sampling)}, {"lower_sampling", -math.Sqrt(sampling)},
	} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNumber(append(jsontext.AppendString(dst, b.key), ':'), s.Avg()+a.sigma*b.dev)
	}
	return append(dst, '}')
}

func appendPercentiles(dst []byte, a *aggPlan, of logging.Metric, r logging.AggResult) []byte {
	open, closing := byte('{'), byte('}')
	if a.unkeyed {
		open, closing = '[', ']'
	}
	dst = append(append(dst, `"values":`...), open)
	for i, percent := range of.Percents {
		value := math.NaN()
		for _, p := range r.Percentiles {
			if p.Percent == percent {
				value = p.Value
			}
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		key := javaFloat(percent)
		if a.unkeyed {
			dst = append(append(append(dst, `{"key":`...), key...), `,"value":`...)
			dst = append(AppendFloat(dst, value), '}')
			continue
		}
		dst = AppendFloat(append(jsontext.AppendString(dst, key), ':'), value)
		if r.ValueIsDate && !math.IsNaN(value) {
			dst = append(jsontext.AppendString(append(dst, ','), key+"_as_string"), ':')
			dst = a.appendDate(dst, value)
		}
	}
	return append(dst, closing)
}

// appendTop writes top_hits or top_metrics.
func (s *Search) appendTop(dst []byte, a *aggPlan, r logging.AggResult, docs int64) []byte {
	if a.hits != nil {
		dst = appendInt(append(dst, `"hits":{"total":{"value":`...), docs)
		dst = append(dst, `,"relation":"eq"},`...)
		var hl *highlighter
		if a.hits.highlight != nil {
			hl = newHighlighter(a.hits.highlight, s.Query.Filter)
		}
		return append(a.hits.appendHits(dst, r.Hits, hl, false), '}')
	}
	dst = append(dst, `"top":[`...)
	for i := range r.Hits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"sort":[`...)
		at := 0
		for j, k := range a.topSort {
			if j > 0 {
				dst = append(dst, ',')
			}
			switch {
			case k.score:
				dst = append(dst, "1.0"...)
				continue
			case isDate(k.field) && at < len(r.Hits[i].Sort) && r.Hits[i].Sort[at].Kind == logging.KindTime && k.format == nil && !k.nanos:
				dst = appendValue(dst, r.Hits[i].Sort[at]) // dates as text here
			case at < len(r.Hits[i].Sort):
				dst = k.append(dst, r.Hits[i].Sort[at])
			default:
				dst = append(dst, "null"...)
			}
			at++
		}
		dst = append(dst, `],"metrics":{`...)
		doc := logging.NewDoc(&r.Hits[i].Record)
		for j, name := range a.topFields {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(jsontext.AppendString(dst, name), ':')
			if vals := doc.Values(exactly(name)); len(vals) > 0 {
				dst = appendValue(dst, vals[0])
			} else {
				dst = append(dst, "null"...)
			}
		}
		dst = append(dst, "}}"...)
	}
	return append(dst, ']')
}
