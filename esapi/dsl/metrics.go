package dsl

import (
	"math"
	"slices"

	"github.com/oriel-project/oriel/logging"
)

var metricKinds = map[string]logging.MetricKind{
	"avg": logging.Avg, "sum": logging.Sum, "min": logging.Min, "max": logging.Max,
	"value_count": logging.ValueCount, "cardinality": logging.Cardinality,
	"stats": logging.StatsMetric, "extended_stats": logging.ExtendedStats, "percentiles": logging.Percentiles,
	"percentile_ranks": logging.PercentileRanks,
}

// metric reads what makes no buckets. Grafana sends numbers as strings.
func (p *parser) metric(a *aggPlan, n Node) error {
	if len(a.subs) > 0 {
		return Parsing("Aggregator [%s] of type [%s] cannot accept sub-aggregations", clip(a.name), clip(a.kind))
	}
	switch a.kind {
	case "top_hits":
		return p.topHits(a, n)
	case "top_metrics":
		return topMetrics(a, n)
	}
	kind, ok := metricKinds[a.kind]
	if !ok {
		return Parsing("Unknown aggregation type [%s]", clip(a.kind))
	}
	settings := []string{"missing", "format", "value_type", "script"}
	switch kind {
	case logging.Cardinality:
		settings = append(settings, "precision_threshold", "rehash", "execution_hint") // counting is exact here
	case logging.ExtendedStats:
		settings = append(settings, "sigma")
	case logging.Percentiles:
		settings = append(settings, "percents", "keyed", "tdigest", "hdr", "compression", "method")
	case logging.PercentileRanks:
		settings = append(settings, "values", "keyed", "tdigest", "hdr", "compression", "method")
	}
	f, err := aggField(a, n, settings...)
	if err != nil {
		return err
	}
	if err := aggFormat(a, n); err != nil {
		return err
	}
	m := logging.Metric{Field: f, Kind: kind}
	if v, ok := n.Get("missing"); ok && v.Kind != Null {
		val, isNumber := numberValue(v.Text)
		switch {
		case isNumber:
		case kind == logging.Cardinality || kind == logging.ValueCount:
			val = logging.String(v.Text)
		default:
			t, err := defaultDates.DateMath(v.Text, p.env.Now, nil, false)
			if err != nil {
				return Illegal("[missing] of [%s] is not a number: [%s]", clip(a.name), clip(v.Text))
			}
			val = logging.Time(t)
		}
		m.Missing = &val
	}
	a.sigma = 2
	if v, ok := n.Get("sigma"); ok && v.Kind != Null {
		if a.sigma, ok = v.Float(); !ok || a.sigma < 0 {
			return Illegal("[sigma] must be greater than or equal to 0. Found [%s] in [%s]", clip(v.Text), clip(a.name))
		}
	}
	if kind == logging.Percentiles || kind == logging.PercentileRanks {
		if m.Percents, err = percents(a, n); err != nil {
			return err
		}
		a.percents = m.Percents
		if v, ok := n.Get("keyed"); ok && v.Text == "false" {
			a.unkeyed = true
		}
	}
	if err := a.metricScript(n, &m); err != nil {
		return err
	}
	a.of = m
	return nil
}

// percents reads the percents of percentiles, and the values of percentile_ranks.
func percents(a *aggPlan, n Node) ([]float64, error) {
	key := "percents"
	if a.kind == "percentile_ranks" {
		key = "values"
	}
	v, ok := n.Get(key)
	if (!ok || v.Kind == Null) && key == "percents" {
		return []float64{1, 5, 25, 50, 75, 95, 99}, nil
	}
	if v.Kind != Array || len(v.Items) == 0 || len(v.Items) > percentsMax {
		return nil, Illegal("[%s] must be an array of 1 to %d numbers in [%s]", key, percentsMax, clip(a.name))
	}
	var out []float64
	for _, it := range v.Items {
		p, ok := it.Float()
		if !ok || key == "percents" && (p < 0 || p > 100) || math.IsNaN(p) {
			return nil, Illegal("percent must be in [0,100], got [%s] in [%s]", clip(it.Text), clip(a.name))
		}
		out = append(out, p)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (p *parser) topHits(a *aggPlan, n Node) error {
	for i, key := range n.Keys {
		switch key {
		case "from", "size", "sort", "_source", "fields", "docvalue_fields", "stored_fields", "highlight", "version", "seq_no_primary_term", "track_scores":
		case "script_fields":
			if len(n.Items[i].Items) > 0 {
				return Parsing("[top_hits] aggregation [%s] does not support [script_fields]", clip(a.name))
			}
		default:
			return Parsing("[top_hits] aggregation [%s] does not support [%s]", clip(a.name), clip(key))
		}
	}
	h, err := parseHits(n)
	if err != nil {
		return err
	}
	size, err := aggInt(a, n, "size", 3, 0, topHitsMax)
	if err != nil {
		return err
	}
	from, err := aggInt(a, n, "from", 0, 0, topHitsMax)
	if err != nil {
		return err
	}
	a.hits = h
	a.of = logging.TopHits{Sort: storeSort(h.sort), Offset: int(from), Limit: int(size)}
	return nil
}

func topMetrics(a *aggPlan, n Node) error {
	if err := aggKnown(a, n, "metrics", "size", "sort"); err != nil {
		return err
	}
	v, _ := n.Get("metrics")
	items := v.Items
	if v.Kind == Object {
		items = []Node{v}
	}
	for _, it := range items {
		f, ok := it.Get("field")
		if !ok || f.Kind != Text || f.Text == "" {
			return Parsing("[top_metrics] aggregation [%s]: [metrics] want a [field]", clip(a.name))
		}
		a.topFields = append(a.topFields, f.Text)
	}
	if len(a.topFields) == 0 || len(a.topFields) > topHitsMax {
		return Parsing("[top_metrics] aggregation [%s] requires [metrics]", clip(a.name))
	}
	s, ok := n.Get("sort")
	if !ok {
		return Parsing("[top_metrics] aggregation [%s] requires [sort]", clip(a.name))
	}
	var err error
	if a.topSort, err = parseSort(s); err != nil {
		return err
	}
	size, err := aggInt(a, n, "size", 1, 1, 10)
	if err != nil {
		return err
	}
	a.of = logging.TopHits{Sort: storeSort(a.topSort), Limit: int(size)}
	return nil
}
