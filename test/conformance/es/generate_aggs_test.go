//go:build real

package es

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// makeRanges makes a range of numbers.
func makeRanges(r *rand.Rand, field string) map[string]any {
	list := make([]any, 1+r.IntN(3))
	for i := range list {
		of := map[string]any{}
		if r.IntN(4) > 0 {
			of["from"] = pick[any](r, -10, 0, 2.5, 200, "404")
		}
		if r.IntN(4) > 0 {
			of["to"] = pick[any](r, 0, 7.125, 201, 500)
		}
		for k, v := range of {
			// Where OpenSearch counts by its index, it drops the fraction of a bound of
			// whole numbers: 2 is from 2.5 on, for it.
			if f, ok := v.(float64); ok && field != "took" {
				of[k] = math.Round(f)
			}
		}
		// Buckets of one name, or of no bounds, are in no order of their own.
		of["key"] = fmt.Sprint("k", i)
		list[i] = of
	}
	a := map[string]any{"field": field, "ranges": list, "keyed": true}
	if r.IntN(4) == 0 {
		a["missing"] = pick[any](r, 1, 300)
	}
	return a
}

// makeDateRanges makes a range of dates.
func makeDateRanges(r *rand.Rand) map[string]any {
	list := make([]any, 1+r.IntN(3))
	for i := range list {
		of := map[string]any{"key": fmt.Sprint("k", i)}
		for _, end := range []string{"from", "to"} {
			at := makeTime(r)
			if r.IntN(4) > 0 {
				of[end] = pick[any](r, at.Format(time.RFC3339), at.Format("2006-01-02"), at.Format("2006-01-02")+"||"+pick(r, "/d", "+1d/d", "-1M/M", "/w", "+36h"))
			}
		}
		list[i] = of
	}
	a := map[string]any{"field": "@timestamp", "ranges": list, "keyed": true}
	if r.IntN(3) == 0 {
		a["time_zone"] = pick(r, genZones...)
	}
	return a
}

// makeComposite makes a composite, from the first bucket on or from another one.
func makeComposite(r *rand.Rand) map[string]any {
	var sources []any
	after := map[string]any{}
	for i := range 1 + r.IntN(3) {
		name := fmt.Sprint("s", i)
		kind, of := "terms", map[string]any{}
		switch r.IntN(5) {
		case 0:
			kind, of["field"], of["interval"] = "histogram", pick(r, "status", "took", "n"), pick[any](r, 1, 10, 2.5, 100)
			after[name] = float64(r.IntN(300)) + 0.25 // of no bucket's edge
		case 1:
			kind, of["field"] = "date_histogram", "@timestamp"
			if r.IntN(2) == 0 {
				of["fixed_interval"] = pick(r, "6h", "1d", "36h")
			} else {
				of["calendar_interval"] = pick(r, "day", "week", "month")
			}
			if r.IntN(3) == 0 {
				of["time_zone"] = pick(r, genZones...)
			}
			delete(after, name)
		case 2:
			of["field"] = pick(r, "status", "user.id", "n")
			after[name] = r.IntN(250)
		default:
			of["field"] = pick(r, "level", "pod", "tags.keyword", "user.name.keyword")
			after[name] = pick(r, "debug", "cart-0", "info", "b")
		}
		if kind != "date_histogram" && r.IntN(3) == 0 { // where dates descend the real engine ends too early
			of["order"] = pick(r, "asc", "desc")
		}
		if r.IntN(3) == 0 {
			of["missing_bucket"] = true
			if r.IntN(2) == 0 {
				of["missing_order"] = pick(r, "first", "last", "default")
			}
		}
		sources = append(sources, map[string]any{name: map[string]any{kind: of}})
	}
	c := map[string]any{"sources": sources, "size": pick(r, 1, 2, 5, 100)}
	if len(after) == len(sources) && r.IntN(2) == 0 {
		c["after"] = after
	}
	out := map[string]any{"composite": c}
	if r.IntN(3) == 0 {
		out["aggs"] = makeAggs(r, 1)
	}
	return out
}

// makePipes adds aggregations over those in sub.
func makePipes(r *rand.Rand, sub map[string]any) {
	sub["of"] = map[string]any{pick(r, "sum", "max", "min", "avg"): map[string]any{"field": pick(r, "status", "took", "n", "user.id")}}
	for i := range 1 + r.IntN(3) {
		path := pick(r, "of", "of", "_count")
		p := map[string]any{"buckets_path": path}
		if r.IntN(3) == 0 {
			p["gap_policy"] = pick(r, "skip", "insert_zeros")
		}
		kind := pick(r, "derivative", "cumulative_sum", "serial_diff", "moving_fn", "bucket_script")
		switch kind {
		case "cumulative_sum":
			delete(p, "gap_policy")
		case "serial_diff":
			p["lag"] = 1 + r.IntN(3)
		case "moving_fn":
			p["window"] = 1 + r.IntN(4)
			p["script"] = "MovingFunctions." + pick(r, "max(values)", "min(values)", "sum(values)", "unweightedAvg(values)", "linearWeightedAvg(values)",
				"ewma(values, 0.3)", "holt(values, 0.3, 0.1)", "stdDev(values, MovingFunctions.unweightedAvg(values))")
			if r.IntN(2) == 0 {
				p["shift"] = r.IntN(5) - 2
			}
		case "bucket_script":
			p["buckets_path"] = map[string]any{"a": "of", "n": "_count"}
			p["script"] = makeScript(r, 3)
		}
		sub[fmt.Sprint("p", i)] = map[string]any{kind: p}
	}
}

// makeScript makes an expression over params.a and params.n.
func makeScript(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(5) == 0 {
		return pick(r, "params.a", "params.n", "2", "0.5", "7", "params['a']")
	}
	x, y := makeScript(r, depth-1), makeScript(r, depth-1)
	switch r.IntN(6) {
	case 0:
		return "(" + x + pick(r, " > ", " < ", " >= ", " == ", " != ") + y + " ? " + y + " : " + makeScript(r, depth-1) + ")"
	case 1:
		return "Math." + pick(r, "abs", "floor", "ceil", "sqrt") + "(" + x + ")"
	case 2:
		return "Math." + pick(r, "max", "min") + "(1.0 * " + x + ", 1.0 * " + y + ")"
	case 3:
		return "(" + x + " - " + y + ")"
	case 4:
		return x + pick(r, " + ", " * ", " / 4.0 + ") + y
	}
	return "-(" + x + ")"
}

// makeSiblings adds aggregations over one that makes buckets.
func makeSiblings(r *rand.Rand, aggs map[string]any) {
	inner := map[string]any{"m": map[string]any{pick(r, "sum", "max", "avg"): map[string]any{"field": pick(r, "status", "took", "n")}}}
	if r.IntN(2) == 0 {
		aggs["groups"] = map[string]any{"terms": map[string]any{"field": pick(r, "level", "pod", "user.id"), "size": 100, "order": map[string]any{"_key": "asc"}}, "aggs": inner}
	} else {
		aggs["groups"] = map[string]any{"date_histogram": map[string]any{"field": "@timestamp", "fixed_interval": pick(r, "1d", "7d")}, "aggs": inner}
	}
	aggs["over"] = map[string]any{pick(r, "sum_bucket", "avg_bucket", "min_bucket", "max_bucket", "stats_bucket"): map[string]any{"buckets_path": pick(r, "groups>m", "groups>_count")}}
}
