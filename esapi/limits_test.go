package esapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestLimits sends what would take a server's time or memory without end: each
// request is refused with an error as Elasticsearch shapes it, and the next one
// is served. Times are only shown.
func TestLimits(t *testing.T) {
	a := testAPI(t)
	a.o.BodyBytesMax = 1 << 20
	h := asShop(a)
	nest := func(open, inner, closing string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(closing, n)
	}
	list := func(of string, n int) string { return strings.TrimSuffix(strings.Repeat(of+",", n), ",") }
	query := func(q string) string { return `{"query":` + q + `}` }
	text := func(q string) string {
		b, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		return query(`{"query_string":{"query":` + string(b) + `}}`)
	}
	aggs := func(of string) string { return `{"size":0,"aggs":{"a":` + of + `}}` }
	cases := map[string]struct {
		path, body string
		status     int
		kind       string
	}{
		"body":                 {"/_search", `{"query":{"match_all":{}}}` + strings.Repeat(" ", 1<<20), 413, "content_too_long_exception"},
		"nested JSON":          {"/_search", nest(`{"query":`, "1", "}", 100_000), 400, "parsing_exception"},
		"nested arrays":        {"/_search", `{"sort":` + nest("[", "", "]", 100_000) + `}`, 400, "parsing_exception"},
		"nested bool":          {"/_search", query(nest(`{"bool":{"must":`, `{"match_all":{}}`, "}}", 40)), 400, ""},
		"nested groups":        {"/_search", text(nest("(", "a", ")", 10_000)), 400, "search_phase_execution_exception"},
		"nested simple groups": {"/_search", query(`{"simple_query_string":{"query":"` + nest("(", "a", ")", 10_000) + `"}}`), 400, ""},
		"nested aggregations":  {"/_search", `{"aggs":` + nest(`{"a":{"terms":{"field":"pod"},"aggs":`, "{}", "}}", 40) + `}`, 400, ""},
		"many clauses":         {"/_search", query(`{"bool":{"should":[` + list(`{"term":{"pod":"x"}}`, 20_000) + `]}}`), 0, ""},
		"many words":           {"/_search", text(strings.Repeat("w ", 100_000)), 400, ""},
		"many aggregations": {"/_search", `{"aggs":{` + func() string {
			var b strings.Builder
			for i := range 5000 {
				b.WriteString(`"a` + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + strings.Repeat("y", i/100) + `":{"avg":{"field":"took"}},`)
			}
			return strings.TrimSuffix(b.String(), ",")
		}() + `}}`, 400, ""},
		"many buckets":        {"/_search", aggs(`{"date_histogram":{"field":"@timestamp","fixed_interval":"1ms","extended_bounds":{"min":0,"max":1709208000000}}}`), 400, "search_phase_execution_exception"},
		"many small buckets":  {"/_search", aggs(`{"histogram":{"field":"status","interval":0.000001}}`), 400, "search_phase_execution_exception"},
		"buckets in buckets":  {"/_search", aggs(`{"histogram":{"field":"status","interval":0.01},"aggs":{"b":{"histogram":{"field":"took","interval":0.00001}}}}`), 400, "search_phase_execution_exception"},
		"a huge composite":    {"/_search", aggs(`{"composite":{"size":1000000,"sources":[{"p":{"terms":{"field":"pod"}}}]}}`), 400, "search_phase_execution_exception"},
		"many ranges":         {"/_search", aggs(`{"range":{"field":"took","ranges":[` + list(`{"from":1}`, 5000) + `]}}`), 400, ""},
		"many percents":       {"/_search", aggs(`{"percentiles":{"field":"took","percents":[` + list("1", 5000) + `]}}`), 400, ""},
		"a long script":       {"/_search", aggs(`{"date_histogram":{"field":"@timestamp","fixed_interval":"1h"},"aggs":{"b":{"bucket_script":{"buckets_path":{"a":"_count"},"script":"` + strings.Repeat("1+", 5000) + `1"}}}}`), 400, "search_phase_execution_exception"},
		"a nested script":     {"/_search", aggs(`{"avg":{"field":"took","script":"` + nest("(", "_value", ")", 1000) + `"}}`), 400, "search_phase_execution_exception"},
		"many predictions":    {"/_search", aggs(`{"date_histogram":{"field":"@timestamp","fixed_interval":"1h"},"aggs":{"b":{"moving_avg":{"buckets_path":"_count","predict":100000000}}}}`), 400, ""},
		"huge size":           {"/_search", `{"size":1000000000}`, 400, "search_phase_execution_exception"},
		"huge from":           {"/_search", `{"from":10000,"size":1}`, 400, "search_phase_execution_exception"},
		"huge size in terms":  {"/_search", aggs(`{"top_hits":{"size":100000}}`), 400, ""},
		"a size out of range": {"/_search", `{"size":99999999999999999999}`, 400, ""},
		"a repeated regexp":   {"/_search", query(`{"regexp":{"pod":"((a{1000}){1000}){1000}"}}`), 400, ""},
		"a long regexp":       {"/_search", query(`{"regexp":{"pod":"` + strings.Repeat("a", 5000) + `"}}`), 400, ""},
		"a regexp in terms":   {"/_search", aggs(`{"terms":{"field":"pod","include":"((a{1000}){1000}){1000}"}}`), 400, ""},
		"many sort keys":      {"/_search", `{"sort":[` + list(`"pod"`, 1000) + `]}`, 400, ""},
		"many fields":         {"/_search", `{"fields":[` + list(`"pod"`, 5000) + `]}`, 400, ""},
		"a long name":         {"/_search", aggs(`{"terms":{"field":"pod"}}`)[:18] + strings.Repeat("n", 10_000) + `":{"terms":{"field":"pod"}}}}`, 400, ""},
		"many searches":       {"/_msearch", strings.Repeat("{}\n{\"size\":0}\n", 1500), 400, ""},
		"a long keep-alive":   {"/_search?scroll=1000d", `{}`, 400, ""},
		"many digits":         {"/_search", query(`{"term":{"status":` + strings.Repeat("9", 100_000) + `}}`), 0, ""},
		// These are only slow where patterns are tried by going back.
		"a regexp that goes back": {"/_search", text("message:/(p+)+x/ OR message:/(a|aa)*(a|aa)*(a|aa)*b/"), 200, ""},
		"a wildcard of stars":     {"/_search", query(`{"wildcard":{"message":{"value":"` + strings.Repeat("*a", 400) + `"}}}`), 0, ""},
	}
	for name, c := range cases {
		begin := time.Now()
		w := send(t, h, "POST", c.path, c.body)
		if d := time.Since(begin); d > time.Second {
			t.Logf("%s: %v", name, d.Round(time.Millisecond))
		}
		var out struct {
			Error  *struct{ Type, Reason string }
			Status int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Errorf("%s: %v: %.300s", name, err, w.Body)
			continue
		}
		switch {
		case c.status != 0 && w.Code != c.status, w.Code >= http.StatusInternalServerError:
			t.Errorf("%s: got %d %.300s, want %d", name, w.Code, w.Body, c.status)
		case w.Code != http.StatusOK && (out.Error == nil || out.Error.Reason == "" || out.Status != w.Code || c.kind != "" && out.Error.Type != c.kind):
			t.Errorf("%s: %.300s, want a %s", name, w.Body, c.kind)
		case w.Body.Len() > 20_000:
			t.Errorf("%s: an answer of %d bytes", name, w.Body.Len())
		}
		if w := send(t, h, "GET", "/_count", ""); !strings.Contains(w.Body.String(), `"count":6`) {
			t.Fatalf("after %s: %s", name, w.Body)
		}
	}
}
