//go:build real

package es

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// everywhere names what is not compared, and why.
var everywhere = map[string]string{
	"took":                           "time",
	"_shards":                        "Oriel has one shard",
	"responses.*.took":               "time",
	"responses.*._shards":            "Oriel has one shard",
	"**._score":                      "every hit of Oriel scores 1.0",
	"**.max_score":                   "every hit of Oriel scores 1.0",
	"**._seq_no":                     "positions are counted otherwise",
	"**._primary_term":               "positions are counted otherwise",
	"**.error.reason":                "the words of an error are its own",
	"**.error.phase":                 "where it failed",
	"**.error.grouped":               "where it failed",
	"**.error.failed_shards":         "where it failed",
	"**.error.caused_by":             "Java's chain of causes",
	"**.error.line":                  "where in the body",
	"**.error.col":                   "where in the body",
	"**.root_cause.*.reason":         "the words of an error are its own",
	"**.root_cause.*.index_uuid":     "made by chance",
	"**.root_cause.*.index":          "where it failed",
	"**.root_cause.*.line":           "where in the body",
	"**.root_cause.*.col":            "where in the body",
	"**.error.index_uuid":            "made by chance",
	"**.forced_refresh":              "what was stored shows at once",
	"num_freed":                      "there it counts shards",
	"_scroll_id":                     "made by chance",
	"pit_id":                         "made by chance",
	"**.error.header":                "challenges",
	"**.doc_count_error_upper_bound": "compared where there is one shard alone",
}

// diff gives the places where two answers differ, each "path: want x, got y".
func diff(want, got answer) []difference {
	d := differ{}
	if want.status != got.status {
		d.add("status", want.status, got.status)
	}
	if want.body == nil || got.body == nil {
		if want.text != got.text {
			d.add("text", want.text, got.text)
		}
		return d.out
	}
	d.walk(nil, want.body, got.body)
	return d.out
}

type difference struct{ path, what string }

type differ struct{ out []difference }

func (d *differ) add(path string, want, got any) {
	d.out = append(d.out, difference{path, fmt.Sprintf("%s: want %s, got %s", path, short(want), short(got))})
}

func short(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > 300 {
		return string(b[:300]) + "..."
	}
	return string(b)
}

type absent struct{}

func (absent) MarshalJSON() ([]byte, error) { return []byte(`"(absent)"`), nil }

func (d *differ) walk(path []string, want, got any) {
	for p := range everywhere {
		if fits(p, path) {
			return
		}
	}
	at := strings.Join(path, ".")
	if len(path) > 0 && path[len(path)-1] == "root_cause" {
		want, got = causes(want), causes(got) // one for each index
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			d.add(at, want, got)
			return
		}
		keys := map[string]bool{}
		for k := range w {
			keys[k] = true
		}
		for k := range g {
			keys[k] = true
		}
		for _, k := range slices.Sorted(mapsKeys(keys)) {
			a, inWant := w[k]
			b, inGot := g[k]
			if m, ok := a.(map[string]any); ok && k == "meta" && len(m) == 0 && !inGot {
				continue // OpenSearch makes one up where an aggregation was rewritten
			}
			if !inWant {
				a = absent{}
			}
			if !inGot {
				b = absent{}
			}
			d.walk(append(slices.Clip(path), k), a, b)
		}
	case []any:
		g, ok := got.([]any)
		if !ok {
			d.add(at, want, got)
			return
		}
		if len(w) != len(g) {
			d.add(at, brief(w), brief(g))
			return
		}
		for i := range w {
			d.walk(append(slices.Clip(path), strconv.Itoa(i)), w[i], g[i])
		}
	case json.Number:
		g, ok := got.(json.Number)
		if !ok || !sameNumber(string(w), string(g)) {
			d.add(at, want, got)
		}
	default:
		if want != got && !(path[len(path)-1] == "type" && slices.Contains(faults, want) && slices.Contains(faults, got)) {
			d.add(at, want, got)
		}
	}
}

// faults are the types of errors that say that a request is badly written. Which
// of them it is depends on the parser that found it, and changes from release to
// release.
var faults = []any{
	"parsing_exception", "parse_exception", "x_content_parse_exception", "illegal_argument_exception", "number_format_exception",
	"json_parse_exception", "json_e_o_f_exception", "query_shard_exception", "search_phase_execution_exception",
	"action_request_validation_exception", "named_object_not_found_exception", "aggregation_initialization_exception",
}

// causes gives the first of each type.
func causes(list any) any {
	l, ok := list.([]any)
	if !ok {
		return list
	}
	seen := map[any]bool{}
	return slices.DeleteFunc(slices.Clone(l), func(c any) bool {
		m, _ := c.(map[string]any)
		defer func() { seen[m["type"]] = true }()
		return seen[m["type"]]
	})
}

// brief shows a list by what its elements are known by.
func brief(list []any) any {
	out := []any{len(list)}
	for _, x := range list {
		m, ok := x.(map[string]any)
		switch {
		case ok && m["_id"] != nil:
			out = append(out, m["_id"])
		case ok && m["key"] != nil:
			out = append(out, m["key"])
		default:
			out = append(out, x)
		}
	}
	return out
}

// sameNumber compares whole numbers as they are written and the others with
// 1e-9 of themselves: sums depend on the order of adding. A number with a point
// is not the same as one without.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	fraction := func(s string) bool { return strings.ContainsAny(s, ".eE") }
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && fraction(a) && fraction(b) && math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y))
}

// fits reports whether a path is meant by a pattern: segments joined by dots, *
// for any one, ** in front for any number of them; what lies below is meant, too.
func fits(pattern string, path []string) bool {
	want := strings.Split(pattern, ".")
	if want[0] == "**" {
		for i := range path {
			if fits(strings.Join(want[1:], "."), path[i:]) {
				return true
			}
		}
		return false
	}
	if len(path) < len(want) {
		return false
	}
	for i, w := range want {
		if w != "*" && w != path[i] {
			return false
		}
	}
	return true
}

func mapsKeys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
