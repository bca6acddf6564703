package dsl

import (
	"strings"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// aggPlan is one aggregation as it was asked for, with what its reply needs.
type aggPlan struct {
	name, kind string
	meta       *Node
	of         logging.Aggregation
	subs       []aggPlan

	format    *DateFormat    // of keys and dates
	decimals  *decimalFormat // of numbers
	zone      *time.Location
	order     []logging.TermsOrder // of histograms, applied to the reply
	unnamed   bool                 // filters given as an array
	unkeyed   bool                 // percentiles as an array
	keyed     bool                 // buckets as an object
	sigma     float64
	percents  []float64 // percentiles, and values of percentile_ranks, asked for
	hits      *hitsPlan // top_hits
	topFields []string  // top_metrics
	topSort   []sortKey

	ranges []rangePlan     // range, date_range
	parts  []compositePart // composite
	pipe   *pipePlan       // pipeline aggregations
	rate   *ratePlan
	scaled *scaledPlan // a metric's script
}

// Bounds of a request's aggregations.
const (
	aggDepthMax  = 16
	aggCountMax  = 1000
	termsSizeMax = 65_536 // search.max_buckets
	topHitsMax   = 100    // index.max_inner_result_window
	bucketsMax   = 65_536
	percentsMax  = 1000
)

// Aggregations that exist in Elasticsearch and are refused here by name: to
// leave them out would be a wrong result.
const aggsRefused = " adjacency_matrix auto_date_histogram boxplot bucket_correlation bucket_count_ks_test bucket_selector bucket_sort categorize_text children cumulative_cardinality diversified_sampler frequent_item_sets geo_bounds geo_centroid geo_distance geo_line geohex_grid geotile_grid global inference ip_prefix ip_range matrix_stats median_absolute_deviation moving_percentiles multi_terms normalize parent percentiles_bucket random_sampler rare_terms reverse_nested sampler scripted_metric significant_terms significant_text string_stats t_test time_series top_metrics_bucket variable_width_histogram weighted_avg "

func (p *parser) aggs(n Node, depth int) ([]aggPlan, error) {
	if n.Kind == Null {
		return nil, nil
	}
	if n.Kind != Object {
		return nil, Parsing("Expected [START_OBJECT] under [aggs], but got a [%s]", n.Kind)
	}
	if depth > aggDepthMax {
		return nil, Parsing("aggregations are nested deeper than %d levels", aggDepthMax)
	}
	var out []aggPlan
	for i, name := range n.Keys {
		if name == "" || len(name) > 256 || strings.ContainsAny(name, "[]>") {
			return nil, Parsing("Invalid aggregation name [%s]. Aggregation names can contain any character except '[', ']', and '>'", clip(name))
		}
		for _, o := range out {
			if o.name == name {
				return nil, Parsing("Two sibling aggregations cannot have the same name: [%s]", clip(name))
			}
		}
		a, err := p.agg(name, n.Items[i], depth)
		if err != nil {
			return nil, err
		}
		if p.aggregations++; p.aggregations > aggCountMax {
			return nil, Parsing("more than %d aggregations", aggCountMax)
		}
		out = append(out, a)
	}
	return out, nil
}

func (p *parser) agg(name string, n Node, depth int) (aggPlan, error) {
	a := aggPlan{name: name}
	if n.Kind != Object {
		return a, Parsing("Aggregation definition for [%s] starts with a [%s], expected a [START_OBJECT]", clip(name), n.Kind)
	}
	var body, inner Node
	for i, key := range n.Keys {
		v := n.Items[i]
		switch key {
		case "aggs", "aggregations":
			inner = v
		case "meta":
			a.meta = &v
		default:
			if a.kind != "" {
				return a, Parsing("Found two aggregation type definitions in [%s]: [%s] and [%s]", clip(name), a.kind, clip(key))
			}
			a.kind, body = key, v
		}
	}
	if a.kind == "" {
		return a, Parsing("Missing definition for aggregation [%s]", clip(name))
	}
	var err error
	if a.subs, err = p.aggs(inner, depth+1); err != nil {
		return a, err
	}
	if strings.Contains(aggsRefused, " "+a.kind+" ") {
		return a, Parsing("[%s] aggregation [%s] is not supported", a.kind, clip(name))
	}
	if body.Kind != Object {
		return a, Parsing("Expected [START_OBJECT] under [%s] in [%s]", clip(a.kind), clip(name))
	}
	switch a.kind {
	case "date_histogram":
		err = p.dateHistogram(&a, body)
	case "histogram":
		err = histogram(&a, body)
	case "terms":
		err = p.termsAgg(&a, body)
	case "filters":
		err = p.filtersAgg(&a, body)
	case "filter":
		var f logging.Filter
		f, err = p.query(body, 0)
		a.of = logging.FilterAgg{Filter: f}
	case "missing":
		var f logging.Field
		if f, err = aggField(&a, body, "missing_order"); err == nil {
			a.of = logging.MissingAgg{Field: f}
		}
	case "range", "date_range":
		err = p.rangeAgg(&a, body, a.kind == "date_range")
	case "composite":
		err = p.composite(&a, body)
	case "geohash_grid":
		err = geohashGrid(&a, body)
	case "nested":
		path, _ := body.Get("path")
		e := Illegal("[nested] nested path [%s] is not nested", clip(path.Text))
		e.Type, e.Phase = "aggregation_execution_exception", true
		err = e
	case "rate":
		err = p.rateAgg(&a, body)
	default:
		if _, ok := pipeKinds[a.kind]; ok {
			return a, p.pipeline(&a, body)
		}
		err = p.metric(&a, body)
	}
	return a, err
}

// storeAggs gives the aggregations as the store knows them.
func storeAggs(plans []aggPlan) []logging.Agg {
	var out []logging.Agg
	for _, a := range plans {
		if a.of == nil { // computed of the others
			continue
		}
		out = append(out, logging.Agg{Name: a.name, Of: a.of, Sub: storeAggs(a.subs)})
	}
	return out
}

// aggField reads "field" and refuses unknown settings.
func aggField(a *aggPlan, n Node, settings ...string) (logging.Field, error) {
	if err := aggKnown(a, n, append(settings, "field")...); err != nil {
		return logging.Field{}, err
	}
	v, ok := n.Get("field")
	if !ok || v.Kind != Text || v.Text == "" {
		return logging.Field{}, Illegal("Required one of fields [field, script], but none were specified in [%s] of type [%s]", clip(a.name), a.kind)
	}
	if strings.Contains(v.Text, "*") {
		return logging.Field{}, Illegal("aggregation [%s]: [field] cannot be a pattern", clip(a.name))
	}
	return exactly(v.Text), nil
}

func aggKnown(a *aggPlan, n Node, settings ...string) error {
	for i, key := range n.Keys {
		known := key == "boost"
		for _, s := range settings {
			known = known || s == key
		}
		if !known && n.Items[i].Kind != Null {
			return Parsing("[%s] aggregation [%s] does not support [%s]", a.kind, clip(a.name), clip(key))
		}
	}
	return nil
}

func aggInt(a *aggPlan, n Node, key string, preset, least, most int64) (int64, error) {
	v, ok := n.Get(key)
	if !ok || v.Kind == Null {
		return preset, nil
	}
	i, ok := v.Int()
	if !ok || i < least {
		return 0, Illegal("[%s] must be greater than or equal to %d. Found [%s] in [%s]", key, least, clip(v.String()), clip(a.name))
	}
	if i > most {
		return 0, Illegal("[%s] of [%s] must be at most %d. Found [%d]", key, clip(a.name), most, i)
	}
	return i, nil
}

func aggFormat(a *aggPlan, n Node) error {
	v, ok := n.Get("format")
	if !ok || v.Kind == Null {
		return nil
	}
	var err error
	if isDecimal(v.Text) {
		a.decimals, err = parseDecimal(v.Text)
		return err
	}
	a.format, err = ParseDateFormat(v.Text)
	return err
}
