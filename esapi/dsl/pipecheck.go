package dsl

import (
	"slices"
	"strings"

	"github.com/oriel-project/oriel/logging"
)

// check looks at what only shows once all aggregations are read: what stands in
// what, and where paths lead. above are those around, the outermost first. It
// brings pipelines into an order in which each comes behind those it reads.
func check(plans []aggPlan, above []*aggPlan) error {
	for i := range plans {
		a := &plans[i]
		switch {
		case a.kind == "composite":
			for _, o := range above {
				if o.kind != "filter" {
					return Illegal("[composite] aggregation cannot be used with a parent aggregation of type: [%s]", o.kind)
				}
			}
		case a.rate != nil:
			if err := a.checkRate(above); err != nil {
				return err
			}
		case a.pipe != nil:
			if err := a.checkPipe(plans, above); err != nil {
				return err
			}
		}
		if err := check(a.subs, append(slices.Clip(above), a)); err != nil {
			return err
		}
	}
	return orderPipes(plans)
}

// manyBuckets reports whether an aggregation makes any number of buckets.
func (a *aggPlan) manyBuckets() bool {
	switch a.of.(type) {
	case logging.DateHistogram, logging.Histogram, logging.Terms, logging.Filters, logging.Composite, logging.GeohashGrid:
		return true
	}
	return false
}

func invalid(format string, args ...any) error {
	e := Illegal("Validation Failed: 1: "+format+";", args...)
	e.Type = "action_request_validation_exception"
	return e
}

func (a *aggPlan) checkPipe(beside []aggPlan, above []*aggPlan) error {
	if a.pipe.sibling {
		return a.checkSibling(beside)
	}
	var around *aggPlan
	if len(above) > 0 {
		around = above[len(above)-1]
	}
	var least int64
	switch {
	case around == nil:
	case a.kind == "bucket_script":
		if !around.manyBuckets() {
			around = nil
		}
	default:
		switch h := around.of.(type) {
		case logging.DateHistogram:
			least = h.MinDocs
		case logging.Histogram:
			least = h.MinDocs
		default:
			around = nil
		}
	}
	switch {
	case around == nil && a.kind == "bucket_script":
		return invalid("%s aggregation [%s] must be declared inside of another aggregation that makes buckets", a.kind, clip(a.name))
	case around == nil:
		return invalid("%s aggregation [%s] must have a histogram or date_histogram as parent", a.kind, clip(a.name))
	case least != 0 && a.kind != "bucket_script":
		return invalid("parent histogram of %s aggregation [%s] must have min_doc_count of 0", a.kind, clip(a.name))
	}
	for i := range a.pipe.paths {
		if err := a.checkPath(&a.pipe.paths[i], a.pipe.paths[i].steps, beside); err != nil {
			return err
		}
	}
	return nil
}

func (a *aggPlan) checkSibling(beside []aggPlan) error {
	p := &a.pipe.paths[0]
	if len(a.pipe.paths) != 1 {
		return invalid("buckets_path must contain a single entry for aggregation [%s]", clip(a.name))
	}
	of := planOf(beside, p.steps[0])
	switch {
	case of == nil:
		return invalid("buckets_path aggregation does not exist for aggregation [%s]: %s", clip(a.name), clip(p.text))
	case !of.manyBuckets():
		return invalid("Unable to find unqualified multi-bucket aggregation in buckets_path [%s] of [%s]", clip(p.text), clip(a.name))
	case len(p.steps) == 1:
		return invalid("buckets_path [%s] of [%s] must lead to a number in the buckets of [%s]", clip(p.text), clip(a.name), clip(p.steps[0]))
	}
	return a.checkPath(p, p.steps[1:], of.subs)
}

// checkPath follows steps through single buckets to a number, and tells apart
// what is a name and what one number of several behind a dot.
func (a *aggPlan) checkPath(p *bucketPath, steps []string, in []aggPlan) error {
	for i, name := range steps {
		last := i == len(steps)-1
		if last && name == "_count" && p.of == "" || last && i == 0 && name == "_key" {
			return nil
		}
		of := planOf(in, name)
		if of == nil && last && p.of == "" {
			for k := range len(name) {
				if name[k] != '.' {
					continue
				}
				if of = planOf(in, name[:k]); of != nil {
					p.of = name[k+1:]
					p.steps[len(p.steps)-1] = name[:k]
					break
				}
			}
		}
		if of == nil {
			return invalid("No aggregation found for path [%s]", clip(p.text))
		}
		if !last {
			if of.manyBuckets() || of.of == nil || len(of.subs) == 0 {
				return invalid("buckets_path [%s] of [%s] leads through [%s], which has not one bucket", clip(p.text), clip(a.name), clip(name))
			}
			in = of.subs
			continue
		}
		if !of.hasNumber(p.of) {
			return invalid("buckets_path must reference either a number value or a single value numeric metric aggregation, got: [%s] at aggregation [%s]", clip(p.text), clip(a.name))
		}
	}
	return nil
}

// hasNumber reports whether an aggregation has a number of that name, "" being
// its value.
func (a *aggPlan) hasNumber(of string) bool {
	if a.rate != nil {
		return of == "" || of == "value"
	}
	if a.pipe != nil {
		switch a.kind {
		case "stats_bucket", "extended_stats_bucket":
			return strings.Contains(statsNumbers, " "+of+" ")
		}
		return of == "" || of == "value" || of == "normalized_value" && a.pipe.unit > 0
	}
	switch m := a.of.(type) {
	case logging.Metric:
		switch m.Kind {
		case logging.StatsMetric, logging.ExtendedStats:
			return of != "" && strings.Contains(statsNumbers, " "+of+" ")
		case logging.Percentiles, logging.PercentileRanks:
			x, ok := parseFloat(of)
			return ok && slices.Contains(m.Percents, x)
		}
		return of == "" || of == "value"
	case logging.FilterAgg, logging.MissingAgg:
		return of == "_count"
	}
	return false
}

// statsNumbers are the numbers of stats and extended_stats.
const statsNumbers = " count sum min max avg sum_of_squares variance variance_population variance_sampling std_deviation std_deviation_population std_deviation_sampling std_deviation_bounds.upper std_deviation_bounds.lower std_upper std_lower "

func planOf(plans []aggPlan, name string) *aggPlan {
	for i := range plans {
		if plans[i].name == name {
			return &plans[i]
		}
	}
	return nil
}

// orderPipes brings pipelines behind what they read.
func orderPipes(plans []aggPlan) error {
	done := map[string]bool{}
	var out []aggPlan
	for _, a := range plans {
		if a.pipe == nil {
			done[a.name] = true
			out = append(out, a)
		}
	}
	for len(out) < len(plans) {
		before := len(out)
		for _, a := range plans {
			if done[a.name] {
				continue
			}
			ready := true
			for _, p := range a.pipe.paths {
				if of := planOf(plans, p.steps[0]); of != nil && !done[of.name] {
					ready = false
				}
			}
			if ready {
				done[a.name] = true
				out = append(out, a)
			}
		}
		if len(out) == before {
			return Illegal("Cyclical dependency found with pipeline aggregations")
		}
	}
	copy(plans, out)
	return nil
}
