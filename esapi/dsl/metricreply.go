package dsl

import (
	"math"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

func appendMetric(dst []byte, a *aggPlan, of logging.Metric, r logging.AggResult) []byte {
	kind := of.Kind
	if a.scaled != nil {
		kind = a.scaled.kind
	}
	switch kind {
	case logging.StatsMetric, logging.ExtendedStats:
		return appendStats(dst, a, r.Stats, kind == logging.ExtendedStats)
	case logging.Percentiles, logging.PercentileRanks:
		return appendPercentiles(dst, a, r)
	case logging.ValueCount, logging.Cardinality:
		n := int64(0)
		if r.Value != nil {
			n = int64(*r.Value)
		}
		return appendInt(append(dst, `"value":`...), n)
	}
	dst = append(dst, `"value":`...)
	switch {
	case r.Value == nil && kind == logging.Sum:
		return append(dst, "0.0"...)
	case r.Value == nil:
		return append(dst, "null"...)
	case r.ValueIsDate:
		dst = append(AppendFloat(dst, *r.Value), `,"value_as_string":`...)
		return a.appendDate(dst, *r.Value)
	}
	return a.appendValue(dst, r)
}

// appendValue writes a number, and how it is formatted where that was asked for.
func (a *aggPlan) appendValue(dst []byte, r logging.AggResult) []byte {
	if r.Value == nil {
		return append(dst, "null"...)
	}
	dst = AppendFloat(dst, *r.Value)
	if a.decimals != nil && !a.decimals.raw {
		dst = jsontext.AppendString(append(dst, `,"value_as_string":`...), a.decimals.Format(*r.Value))
	}
	return dst
}

// appendPipe writes the result of a pipeline aggregation.
func (s *Search) appendPipe(dst []byte, a *aggPlan, r logging.AggResult) []byte {
	name := a.name
	if s.typedKeys {
		name = a.typedName(r) + "#" + name
	}
	dst = append(jsontext.AppendString(dst, name), ":{"...)
	if a.meta != nil {
		dst = append(a.meta.Append(append(dst, `"meta":`...)), ',')
	}
	switch a.kind {
	case "stats_bucket", "extended_stats_bucket":
		return append(appendStats(dst, a, r.Stats, a.kind == "extended_stats_bucket"), '}')
	}
	dst = a.appendValue(append(dst, `"value":`...), r)
	if more, ok := r.Sub[normalized]; ok {
		dst = append(append(append(dst, `,"`...), normalized...), `":`...)
		if dst = AppendFloat(dst, floatOf(more.Value)); more.Value != nil && a.decimals != nil && !a.decimals.raw {
			dst = append(append(append(dst, `,"`...), normalized...), `_as_string":`...)
			dst = jsontext.AppendString(dst, a.decimals.Format(*more.Value))
		}
	}
	if a.kind == "max_bucket" || a.kind == "min_bucket" {
		dst = append(dst, `,"keys":[`...)
		for i, b := range r.Buckets {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsontext.AppendString(dst, b.Name)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func floatOf(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
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
	decimals := a.decimals != nil && !a.decimals.raw
	text := func(key string, x float64) {
		if decimals {
			dst = jsontext.AppendString(append(jsontext.AppendString(append(dst, ','), key+"_as_string"), ':'), a.decimals.Format(x))
		}
	}
	if !s.IsDate {
		text("min", s.Min)
		text("max", s.Max)
		text("avg", s.Avg())
		text("sum", s.Sum)
	}
	if !extended {
		return dst
	}
	population := s.Variance()
	sampling := math.NaN()
	if s.Count > 1 {
		sampling = population * float64(s.Count) / float64(s.Count-1)
	}
	for _, n := range []struct {
		key string
		x   float64
	}{
		{"sum_of_squares", s.SumOfSqr}, {"variance", population}, {"variance_population", population}, {"variance_sampling", sampling},
		{"std_deviation", math.Sqrt(population)}, {"std_deviation_population", math.Sqrt(population)}, {"std_deviation_sampling", math.Sqrt(sampling)},
	} {
		put(n.key, n.x)
		text(n.key, n.x)
	}
	bounds := []struct {
		key string
		dev float64
	}{
		{"upper", math.Sqrt(population)}, {"lower", -math.Sqrt(population)},
		{"upper_population", math.Sqrt(population)}, {"lower_population", -math.Sqrt(population)},
		{"upper_sampling", math.Sqrt(sampling)}, {"lower_sampling", -math.Sqrt(sampling)},
	}
	dst = append(dst, `,"std_deviation_bounds":`...)
	for i, b := range bounds {
		dst = append(dst, "{,"[min(i, 1)])
		dst = appendNumber(append(jsontext.AppendString(dst, b.key), ':'), s.Avg()+a.sigma*b.dev)
	}
	dst = append(dst, '}')
	if decimals {
		dst = append(dst, `,"std_deviation_bounds_as_string":`...)
		for i, b := range bounds {
			dst = append(dst, "{,"[min(i, 1)])
			dst = jsontext.AppendString(append(jsontext.AppendString(dst, b.key), ':'), a.decimals.Format(s.Avg()+a.sigma*b.dev))
		}
		dst = append(dst, '}')
	}
	return dst
}

func appendPercentiles(dst []byte, a *aggPlan, r logging.AggResult) []byte {
	open, closing := byte('{'), byte('}')
	if a.unkeyed {
		open, closing = '[', ']'
	}
	dst = append(append(dst, `"values":`...), open)
	for i, asked := range a.percents {
		value := math.NaN()
		if i < len(r.Percentiles) {
			if value = r.Percentiles[i].Value; r.Ranks {
				value = r.Percentiles[i].Percent
			}
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		key := javaFloat(asked)
		if a.unkeyed {
			dst = append(append(append(dst, `{"key":`...), key...), `,"value":`...)
			dst = AppendFloat(dst, value)
			if a.decimals != nil && !a.decimals.raw && !math.IsNaN(value) {
				dst = jsontext.AppendString(append(dst, `,"value_as_string":`...), a.decimals.Format(value))
			}
			dst = append(dst, '}')
			continue
		}
		dst = AppendFloat(append(jsontext.AppendString(dst, key), ':'), value)
		if a.decimals != nil && !a.decimals.raw && !math.IsNaN(value) {
			dst = append(jsontext.AppendString(append(dst, ','), key+"_as_string"), ':')
			dst = jsontext.AppendString(dst, a.decimals.Format(value))
		}
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
