//go:build real

package es

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Generated comparisons come in worlds: some documents in an index of their own,
// and requests over them. A seed is a world.
const (
	worldDocs     = 40
	worldRequests = 50
	worlds        = 10 // 500 comparisons; of TestSoakConformance see soak_test.go
	worldsFailing = 3  // after so many with differences nothing more is compared
)

// generated compares some worlds. ORIEL_SEED names one alone.
func (s sides) generated(t *testing.T) {
	from, n := uint64(1), uint64(worlds)
	if v := os.Getenv("ORIEL_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("ORIEL_SEED: %v", err)
		}
		from, n = seed, 1
	}
	s.compareWorlds(t, from, n)
}

func (s sides) compareWorlds(t *testing.T, from, n uint64) {
	failing := 0
	for seed := from; seed < from+n && failing < worldsFailing; seed++ {
		if !s.compareWorld(t, seed) {
			failing++
		}
	}
}

// compareWorld reports whether nothing differs. The first request that does is
// made smaller, with its documents, and printed.
func (s sides) compareWorld(t *testing.T, seed uint64) bool {
	r := rand.New(rand.NewPCG(seed, 0))
	docs := make([]map[string]any, 1+r.IntN(worldDocs))
	for i := range docs {
		docs[i] = makeDocument(r, i)
	}
	index := fmt.Sprintf("gen-%d", seed)
	s.store(t, index, docs)
	defer s.real.do(t, "DELETE", "/"+index, "")
	for range worldRequests {
		body := makeSearch(r)
		if d := s.differs(t, index, body); d.what != "" {
			s.shrink(t, seed, docs, body, d)
			return false
		}
	}
	return true
}

// store stores documents on both sides, with their place as id.
func (s sides) store(t *testing.T, index string, docs []map[string]any) {
	t.Helper()
	var list []document
	for i, d := range docs {
		source, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, document{index, fmt.Sprint(i), string(source)})
	}
	for _, body := range bulks(list) {
		s.oriel.must(t, "POST", "/_bulk?refresh=true", body)
		s.real.must(t, "POST", "/_bulk?refresh=true", body)
	}
}

// disagreement says where the answers to a search differ; what is "" where they
// do not.
type disagreement struct {
	what      string
	want, got int // status
}

// like reports whether d may stand for another one while that is made smaller.
func (d disagreement) like(o disagreement) bool {
	return d.what != "" && d.want == o.want && d.got == o.got
}

// differs compares the answers to a search. What both refuse with the same
// status does not differ.
func (s sides) differs(t *testing.T, index string, body any) disagreement {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	want := s.real.do(t, "POST", "/"+index+"/_search", string(text))
	got := s.oriel.do(t, "POST", "/"+index+"/_search", string(text))
	if want.status == got.status && want.status >= 400 || want.status >= 500 {
		return disagreement{} // an error of both, or a bug of the judge's
	}
	var out []string
	for _, d := range diff(want, got) {
		out = append(out, d.what)
	}
	if want.status != got.status {
		out = append(out, "OpenSearch: "+want.text, "Oriel: "+got.text)
	}
	return disagreement{strings.Join(out, "\n  "), want.status, got.status}
}

// shrink takes away from request and documents what does not take the difference
// away, and prints what is left as a scenario.
func (s sides) shrink(t *testing.T, seed uint64, docs []map[string]any, body any, found disagreement) {
	tries := 0
	index := fmt.Sprintf("gen-%d", seed)
	for again := true; again; {
		again = false
		for _, smaller := range without(body) {
			if !ordered(smaller) {
				continue
			}
			if tries++; tries > 1000 {
				break
			}
			if s.differs(t, index, smaller).like(found) {
				body, again = smaller, true
				break
			}
		}
	}
	for step := (len(docs) + 1) / 2; step > 0; step /= 2 {
		for i := 0; i < len(docs) && len(docs) > 1 && tries < 1100; {
			fewer := append(append([]map[string]any{}, docs[:i]...), docs[min(i+step, len(docs)):]...)
			if len(fewer) == 0 {
				break
			}
			tries++
			name := fmt.Sprintf("gen-%d-%d", seed, tries)
			s.store(t, name, fewer)
			if s.differs(t, name, body).like(found) {
				docs, index = fewer, name
			} else {
				i += step
				s.real.do(t, "DELETE", "/"+name, "")
			}
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for i, d := range docs {
		source, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&shown, "  %d: %s\n", i, source)
	}
	t.Errorf("ORIEL_SEED=%d: POST /%s/_search %s\n  %s\nover\n%s", seed, index, text, s.differs(t, index, body).what, shown.String())
}

// without gives a JSON value with one thing less, in every way: a key, an
// element, or an object replaced by one of its own.
func without(v any) []any {
	var out []any
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			rest := map[string]any{}
			for other, x := range v {
				if other != k {
					rest[other] = x
				}
			}
			out = append(out, rest)
			for _, smaller := range without(inner) {
				changed := map[string]any{k: smaller}
				for other, x := range rest {
					changed[other] = x
				}
				out = append(out, changed)
			}
		}
		if b, ok := v["bool"].(map[string]any); ok {
			for _, part := range b {
				if list, ok := part.([]any); ok {
					out = append(out, list...)
				}
			}
		}
	case []any:
		for i := range v {
			out = append(out, append(append([]any{}, v[:i]...), v[i+1:]...))
			for _, smaller := range without(v[i]) {
				changed := append([]any{}, v...)
				changed[i] = smaller
				out = append(out, changed)
			}
		}
	case string:
		// The parts of a query string stand between blanks.
		words := strings.Fields(v)
		for i := range words {
			if len(words) > 1 {
				out = append(out, strings.Join(append(append([]string{}, words[:i]...), words[i+1:]...), " "))
			}
		}
	}
	return out
}

// ordered reports whether all hits that a search shows come in an order that it
// decides itself.
func ordered(search any) bool {
	m, _ := search.(map[string]any)
	return (m["size"] == 0 || lastIsN(m)) && topHitsOrdered(m["aggs"])
}

func topHitsOrdered(v any) bool {
	m, _ := v.(map[string]any)
	if hits, ok := m["top_hits"]; ok {
		return lastIsN(hits)
	}
	for _, inner := range m {
		if !topHitsOrdered(inner) {
			return false
		}
	}
	return true
}

// lastIsN reports whether a sort ends in the number of the document.
func lastIsN(v any) bool {
	m, _ := v.(map[string]any)
	keys, _ := m["sort"].([]any)
	if len(keys) == 0 {
		return false
	}
	last, _ := keys[len(keys)-1].(map[string]any)
	return last["n"] != nil
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

var (
	genLevels = []string{"debug", "info", "warn", "error"}
	genPods   = []string{"cart-0", "cart-1", "api-7d9f-x2", "db"}
	genTags   = []string{"alpha", "Beta", "gamma x", "δ", ""}
	genWords  = []string{"payment", "timeout", "order", "refused", "Größe", "x-1", "10.0.0.77", "it's", "v2", "POST", "user@example.com", "/var/log", "42", "ok.", "北京"}
	genZones  = []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "+05:30", "-03:00", "Australia/Lord_Howe"}
)

// genStart is some days before the clocks of Europe and the United States change.
var genStart = time.Date(2024, 3, 8, 0, 0, 0, 0, time.UTC)

func makeTime(r *rand.Rand) time.Time {
	return genStart.Add(time.Duration(r.Int64N(int64(pick(r, time.Hour, 30*time.Hour, 60*24*time.Hour))))).Truncate(pick(r, time.Millisecond, time.Minute, time.Hour, 24*time.Hour))
}

func makeText(r *rand.Rand) string {
	words := make([]string, 1+r.IntN(5))
	for i := range words {
		words[i] = pick(r, genWords...)
	}
	return strings.Join(words, pick(r, " ", " ", ", ", "\n"))
}

// makeDocument makes one whose fields have the types of template: doubles have a
// fraction that adds up exactly, whatever the order.
func makeDocument(r *rand.Rand, n int) map[string]any {
	d := map[string]any{"@timestamp": makeTime(r).Format("2006-01-02T15:04:05.000Z"), "message": makeText(r), "n": n,
		"cluster": "test", "region": "eu", "cloud": "private"}
	maybe := func(name string, make func() any) {
		switch r.IntN(12) {
		case 0, 1: // absent
		case 2:
			d[name] = pick[any](r, nil, []any{})
		case 3:
			// Two of the same count twice in Oriel's value_count.
			if one, other := make(), make(); one != other {
				d[name] = []any{one, other}
			}
		default:
			d[name] = make()
		}
	}
	d["level"], d["pod"] = pick(r, genLevels...), pick(r, genPods...)
	if r.IntN(6) == 0 {
		delete(d, "pod")
	}
	maybe("status", func() any { return pick(r, 200, 200, 404, 500, -1, 0) })
	maybe("took", func() any { return float64(r.IntN(400)-100)/4 + 0.125 })
	maybe("ok", func() any { return r.IntN(2) == 0 })
	maybe("tags", func() any { return pick(r, genTags...) })
	if r.IntN(3) > 0 {
		d["user"] = map[string]any{"name": pick(r, "ann", "Bob", "eve mallory"), "id": r.IntN(5)}
	}
	return d
}

func makeSearch(r *rand.Rand) map[string]any {
	body := map[string]any{"size": pick(r, 0, 5, 10, 100), "track_total_hits": true}
	if r.IntN(8) > 0 {
		body["query"] = makeQuery(r, 3)
	}
	if r.IntN(2) == 0 {
		aggs := makeAggs(r, 3)
		if r.IntN(4) == 0 {
			aggs["composite"] = makeComposite(r)
		}
		if r.IntN(4) == 0 {
			makeSiblings(r, aggs)
		}
		body["aggs"] = aggs
		if r.IntN(6) == 0 {
			body["post_filter"] = makeQuery(r, 1)
		}
	}
	if body["size"] != 0 {
		body["sort"] = makeSort(r)
		body["_source"] = pick[any](r, true, false, "user", []any{"u*", "n"}, map[string]any{"excludes": []any{"message", "*.id"}})
		if r.IntN(4) == 0 {
			body["from"] = r.IntN(5)
		}
		if r.IntN(4) == 0 {
			body["docvalue_fields"] = []any{pick(r, "level", "status", "took", "ok", "tags.keyword", "user.id", "n"),
				map[string]any{"field": "@timestamp", "format": pick(r, "epoch_millis", "yyyy-MM-dd", "strict_date_optional_time")}}
		}
		if r.IntN(4) == 0 {
			body["fields"] = []any{pick(r, "level", "status", "took", "ok", "tags", "user.name", "n")}
		}
	}
	return body
}

// makeSort ends in n, which is the number of the document. A missing number has
// no sort value that both sides show alike, so keys that may be missing are
// strings.
func makeSort(r *rand.Rand) []any {
	var keys []any
	for range r.IntN(3) {
		keys = append(keys, pick[any](r,
			map[string]any{"@timestamp": pick(r, "asc", "desc")},
			map[string]any{"level": map[string]any{"order": pick(r, "asc", "desc")}},
			map[string]any{"pod": map[string]any{"order": pick(r, "asc", "desc"), "missing": pick(r, "_first", "_last")}},
			map[string]any{"tags.keyword": map[string]any{"order": pick(r, "asc", "desc"), "missing": pick(r, "_first", "_last")}},
			map[string]any{"user.name.keyword": pick(r, "asc", "desc")}))
	}
	return append(keys, map[string]any{"n": pick(r, "asc", "desc")})
}

func makeQuery(r *rand.Rand, depth int) map[string]any {
	if depth > 0 && r.IntN(2) == 0 {
		b := map[string]any{}
		for _, part := range []string{"must", "filter", "should", "must_not"} {
			if r.IntN(3) > 0 {
				continue
			}
			list := make([]any, 1+r.IntN(3))
			for i := range list {
				list[i] = makeQuery(r, depth-1)
			}
			b[part] = list
		}
		if b["should"] != nil && r.IntN(3) == 0 {
			b["minimum_should_match"] = pick[any](r, 0, 1, 2, -1, "50%", "-30%", "2")
		}
		return map[string]any{"bool": b}
	}
	word := func() string { return pick(r, genWords...) }
	field := func(name string, v any) map[string]any { return map[string]any{name: v} }
	switch r.IntN(13) {
	case 0:
		return field("term", pick(r,
			field("level", pick(r, genLevels...)), field("pod", pick(r, genPods...)), field("status", pick[any](r, 200, "404", -1, 0)),
			field("ok", pick[any](r, true, "false")), field("tags.keyword", pick(r, genTags...)), field("message", strings.ToLower(pick(r, "payment", "order", "Timeout", "post", "größe"))),
			field("took", float64(r.IntN(400)-100)/4+0.125), field("user.name.keyword", "Bob"), field("n", r.IntN(worldDocs)), field("_id", fmt.Sprint(r.IntN(worldDocs)))))
	case 1:
		return field("terms", pick(r, field("level", []any{pick(r, genLevels...), pick(r, genLevels...)}), field("status", []any{200, "500"}),
			field("tags.keyword", []any{pick(r, genTags...), pick(r, genTags...)}), field("n", []any{1, 2, 3, 5, 8})))
	case 2, 3:
		bounds := map[string]any{}
		var name string
		var value func() any
		switch r.IntN(5) {
		case 0:
			name, value = "status", func() any { return pick[any](r, 200, 404, "300", -1, 0) }
		case 1:
			name, value = "took", func() any { return float64(r.IntN(100)) / 2 }
		case 2:
			name, value = "tags.keyword", func() any { return pick[any](r, "a", "alpha", "gamma", "z", "B") }
		default:
			// There a time_zone shifts milliseconds since the epoch, too; to Oriel an instant is an instant.
			zoned := r.IntN(3) == 0
			name, value = "@timestamp", func() any {
				at := makeTime(r)
				if !zoned && r.IntN(6) == 0 {
					return at.UnixMilli()
				}
				return pick[any](r, at.Format(time.RFC3339), at.Format("2006-01-02T15:04:05.000Z"), at.Format("2006-01-02"), at.Format("2006-01"), at.Format("2006-01-02T15:04"),
					at.Format("2006-01-02")+"||"+pick(r, "/d", "+1d/d", "-1M/M", "/w", "+36h", "-1y/y", "/h"))
			}
			if zoned {
				bounds["time_zone"] = pick(r, genZones...)
			}
		}
		if r.IntN(4) > 0 {
			bounds[pick(r, "gte", "gt")] = value()
		}
		if r.IntN(4) > 0 {
			bounds[pick(r, "lte", "lt")] = value()
		}
		return field("range", field(name, bounds))
	case 4:
		return field("match", field("message", pick[any](r, makeText(r), map[string]any{"query": makeText(r), "operator": "and"},
			map[string]any{"query": makeText(r), "minimum_should_match": pick[any](r, 1, 2, "50%", "-1")})))
	case 5: // without slop: what dots and such join are several positions in Oriel, and one there
		return field(pick(r, "match_phrase", "match_phrase_prefix"), field("message", map[string]any{"query": pick(r, "payment ", "order ", "") + pick(r, "timeout", "order", "refused", "größe", "ref")}))
	case 6:
		return field("exists", field("field", pick(r, "pod", "status", "took", "tags", "user", "user.id", "nosuch", "level")))
	case 7:
		return pick(r, field("prefix", field("pod", pick(r, "cart", "c", "api-7", "X"))), field("prefix", field("message", pick(r, "pay", "ord", "10.0", "gr"))),
			field("wildcard", field("pod", pick(r, "*-?", "c*1", "?b", "*"))), field("wildcard", field("message", pick(r, "*ment", "t*out", "?rder", "10.*.77"))),
			field("regexp", field("pod", pick(r, "cart-[01]", "(db|api.*)", ".*-.*"))))
	case 8:
		return field("ids", field("values", []any{fmt.Sprint(r.IntN(worldDocs)), fmt.Sprint(r.IntN(worldDocs)), "x"}))
	case 9:
		return pick(r, field("match_all", map[string]any{}), field("constant_score", field("filter", makeQuery(r, 0))), field("match_none", map[string]any{}))
	case 10:
		return field("simple_query_string", map[string]any{"query": word() + pick(r, " ", " + ", " | ", " -") + pick(r, "payment", "order", "pay*", `"payment timeout"`), "fields": []any{"message"}, "default_operator": pick(r, "and", "or")})
	}
	return field("query_string", map[string]any{"query": makeLucene(r, 3), "default_field": "message", "default_operator": pick(r, "AND", "OR", "OR")})
}

// makeLucene makes what people type, with every operator beside every other.
func makeLucene(r *rand.Rand, depth int) string {
	n := 1 + r.IntN(3)
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(pick(r, " ", " AND ", " OR ", " && ", " || ", " AND NOT ", " OR NOT "))
		}
		if b.Len() == 0 || strings.HasSuffix(b.String(), " ") && !strings.HasSuffix(b.String(), "NOT ") {
			b.WriteString(pick(r, "", "", "", "", "-", "+", "NOT "))
		}
		if depth > 0 && r.IntN(4) == 0 {
			b.WriteString("(" + makeLucene(r, depth-1) + ")")
			continue
		}
		b.WriteString(pick(r,
			"payment", "timeout", "ORDER", "größe", "42", "v2", "pay*", "*out", "o?der", "paymnt~", "timeout~1", `"payment timeout"`, "/ref.*/",
			"level:error", "level:(info OR warn)", "pod:cart-0", `pod:"cart-1"`, "pod:api*", "status:200", "status:[200 TO 404]", "status:{200 TO *]", "status:>=404", "status:<0", `status:\-1`,
			"took:>10", "took:[* TO 0]", "ok:true", "_exists_:tags", "_exists_:pod", "tags.keyword:Beta", `tags.keyword:"gamma x"`, "user.name:ann", "user.id:[1 TO 3}",
			"@timestamp:[2024-03-09 TO 2024-03-12]", "@timestamp:>2024-03-10", "@timestamp:<=2024-04", `@timestamp:["2024-03-10T00:00:00Z" TO *]`, "message:(payment order)", "message:(+payment -order)", "*:*", `10.0.0.77`, `x\-1`))
	}
	return b.String()
}

func makeAggs(r *rand.Rand, depth int) map[string]any {
	out := map[string]any{}
	for i := range 1 + r.IntN(2) {
		out[fmt.Sprintf("a%d", i)] = makeAgg(r, depth)
	}
	return out
}

func makeAgg(r *rand.Rand, depth int) map[string]any {
	number := func() string { return pick(r, "status", "took", "n", "user.id") }
	key := func() string { return pick(r, "level", "pod", "tags.keyword", "user.name.keyword") }
	if depth == 0 || r.IntN(4) == 0 {
		switch r.IntN(7) {
		case 4: // a t-digest is exact at its ends alone
			return map[string]any{"percentile_ranks": map[string]any{"field": number(), "values": []any{-1e6, 1e6}, "keyed": r.IntN(2) == 0}}
		case 0:
			return map[string]any{"percentiles": map[string]any{"field": number(), "percents": []any{0, 100}}}
		case 1:
			return map[string]any{"cardinality": map[string]any{"field": pick(r, number(), key())}}
		case 2:
			return map[string]any{"value_count": map[string]any{"field": pick(r, number(), key())}}
		case 3:
			return map[string]any{"top_hits": map[string]any{"size": 1 + r.IntN(3), "sort": makeSort(r), "_source": pick[any](r, false, []any{"n"})}}
		}
		m := map[string]any{"field": number()}
		kind := pick(r, "avg", "sum", "min", "max", "stats", "extended_stats")
		if r.IntN(4) == 0 {
			m["missing"] = 7
		}
		if r.IntN(6) == 0 {
			m, kind = map[string]any{"field": "@timestamp"}, pick(r, "min", "max")
		}
		if m["field"] != "@timestamp" && r.IntN(5) == 0 {
			m["script"] = pick(r, "_value * 2", "-_value + 0.5", "(_value - 8) / 4", "3 * (2 - _value)")
		}
		if m["field"] != "@timestamp" && r.IntN(6) == 0 {
			m["format"] = pick(r, "0.00", "#,##0.###", "0")
		}
		return map[string]any{kind: m}
	}
	agg := map[string]any{}
	sub := makeAggs(r, depth-1)
	switch r.IntN(10) {
	case 8:
		agg["range"] = makeRanges(r, number())
	case 9:
		agg["date_range"] = makeDateRanges(r)
	case 0, 1:
		t := map[string]any{"field": pick(r, "level", "pod", "tags.keyword", "user.name.keyword", "status", "ok", "user.id"), "size": pick(r, 1, 2, 3, 100)}
		switch r.IntN(5) {
		case 0:
			t["order"] = map[string]any{"_key": pick(r, "asc", "desc")}
		case 1:
			t["order"] = map[string]any{"_count": pick(r, "asc", "desc")}
		case 2:
			sub["by"] = map[string]any{pick(r, "max", "sum", "avg", "value_count", "cardinality"): map[string]any{"field": number()}}
			t["order"] = []any{map[string]any{"by": pick(r, "asc", "desc")}, map[string]any{"_key": "asc"}}
		}
		if _, byKey := t["order"].(map[string]any); !byKey && r.IntN(4) == 0 {
			t["min_doc_count"] = 1 + r.IntN(3) // with order _key the real engine's sum_other_doc_count depends on its shards
		}
		if t["field"] == "level" || t["field"] == "pod" || t["field"] == "tags.keyword" {
			if r.IntN(5) == 0 {
				t["include"] = pick(r, ".*a.*", "(cart|api).*", "[d-w].*", "error|info")
			}
			if r.IntN(5) == 0 {
				t["exclude"] = pick(r, ".*-1", "b.*|i.*", "warn")
			}
		}
		agg["terms"] = t
	case 2, 3, 4:
		h := map[string]any{"field": "@timestamp"}
		if r.IntN(2) == 0 {
			h["fixed_interval"] = pick(r, "6h", "1d", "36h", "7d", "12h")
		} else {
			h["calendar_interval"] = pick(r, "day", "1d", "week", "month", "quarter", "year", "1M")
		}
		if r.IntN(2) == 0 {
			h["time_zone"] = pick(r, genZones...)
		}
		if r.IntN(4) == 0 {
			h["offset"] = pick(r, "+6h", "-1h", "30m")
		}
		if r.IntN(3) == 0 {
			h["min_doc_count"] = r.IntN(3)
		}
		if r.IntN(4) == 0 {
			h["format"] = pick(r, "yyyy-MM-dd", "epoch_millis", "yyyy-MM-dd'T'HH:mm:ssXXX")
		}
		if h["format"] == nil && h["offset"] == nil && r.IntN(4) == 0 { // with an offset the real engine adds it twice
			h["extended_bounds"] = map[string]any{"min": genStart.AddDate(0, 0, -5).UnixMilli(), "max": genStart.AddDate(0, 0, 20).UnixMilli()}
		}
		if r.IntN(6) == 0 {
			h["order"] = map[string]any{"_key": "desc"}
		}
		if h["extended_bounds"] == nil && h["offset"] == nil && r.IntN(6) == 0 {
			h["hard_bounds"] = map[string]any{"min": genStart.AddDate(0, 0, 1).UnixMilli(), "max": genStart.AddDate(0, 0, 9).UnixMilli()}
		}
		if r.IntN(6) == 0 {
			h["keyed"] = true
		}
		if r.IntN(3) == 0 {
			makePipes(r, sub)
		}
		agg["date_histogram"] = h
	case 5:
		h := map[string]any{"field": number(), "interval": pick[any](r, 1, 10, 2.5, 100)}
		if r.IntN(3) == 0 {
			h["min_doc_count"] = r.IntN(3)
		}
		if r.IntN(4) == 0 {
			h["offset"] = pick[any](r, 1, 0.5)
		} else if r.IntN(5) == 0 { // the real engine takes no notice of the offset
			h["hard_bounds"] = map[string]any{"min": r.IntN(50), "max": 50 + r.IntN(400)}
		}
		if r.IntN(3) == 0 {
			makePipes(r, sub)
		}
		agg["histogram"] = h
	case 6:
		agg["filters"] = map[string]any{"filters": map[string]any{"x": makeQuery(r, 1), "y": makeQuery(r, 0)}, "other_bucket": r.IntN(2) == 0}
	default:
		if r.IntN(2) == 0 {
			agg["filter"] = makeQuery(r, 1)
		} else {
			agg["missing"] = map[string]any{"field": pick(r, "pod", "status", "took", "tags.keyword", "user.id")}
		}
	}
	if len(sub) > 0 && r.IntN(4) > 0 || sub["by"] != nil || sub["of"] != nil {
		agg["aggs"] = sub
	}
	return agg
}
