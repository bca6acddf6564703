package main

import (
	"fmt"
	"time"

	"github.com/oriel-project/oriel/test/bench/loggen"
)

// query is one question, in both languages.
type query struct {
	id, title string
	want      float64 // the ratio of CPU to VictoriaLogs' that is wanted; 0: none

	es      string // body of _search
	parseES func([]byte) ([]row, error)
	vl      []ask // ways to ask it: the cheaper one counts
	parseVL func([]byte) ([]row, error)

	tolerance float64 // relative, between numbers
	top       bool    // rows of which the last may be tied with others that are left out
}

// ask is one way to ask VictoriaLogs.
type ask struct {
	endpoint string // query, hits
	query    string
	params   [][2]string
}

const iso = "2006-01-02T15:04:05.000000000Z"

// queries are those of the table, in its order.
func queries(c *corpus) []*query {
	from, to := c.start(), c.End
	// The largest namespace but one: the largest is a fifth of everything.
	ns := c.Namespaces[1]
	day := esRange(from, to)
	inNS := `{"term":{"kubernetes.namespace_name.keyword":"` + ns + `"}}`
	nsVL := `{"kubernetes.namespace_name"="` + ns + `"}`
	quarter := to.Add(-6 * time.Hour)
	span := func(from, to time.Time) string {
		return fmt.Sprintf("_time:[%s, %s) ", from.Format(iso), to.Format(iso))
	}
	all := span(from, to)
	hits := [][2]string{{"start", from.Format(time.RFC3339)}, {"end", to.Format(time.RFC3339)}, {"step", "1m"}}

	newest := func(id, title string, want float64, n int, filters string, vl string) *query {
		return &query{
			id: id, title: title, want: want, parseES: esHits, parseVL: vlHits,
			es: fmt.Sprintf(`{"size":%d,"track_total_hits":false,"sort":[{"@timestamp":{"order":"desc"}},{"_doc":{"order":"desc"}}],"query":{"bool":{"filter":[%s]}}}`, n, filters),
			vl: []ask{
				{"query", vl + fmt.Sprintf(" | sort by (_time desc) limit %d", n), nil},
				{"query", vl, [][2]string{{"limit", fmt.Sprint(n)}}},
			},
		}
	}
	aggregate := func(id, title string, want float64, filters, aggs string, parse func([]byte) ([]row, error), parseVL func([]byte) ([]row, error), vl ...ask) *query {
		return &query{
			id: id, title: title, want: want, parseES: parse, parseVL: parseVL, vl: vl, tolerance: 1e-9,
			es: fmt.Sprintf(`{"size":0,"track_total_hits":false,"query":{"bool":{"filter":[%s]}},"aggs":{%s}}`, filters, aggs),
		}
	}
	terms := func(id, title string, want float64, field, es string) *query {
		q := aggregate(id, title, want, day,
			`"t":{"terms":{"field":"`+es+`","size":10},"aggs":{"a":{"avg":{"field":"latency_ms"}}}}`, esTerms, vlTerms(field),
			// One more than ten, since records without the field are a group here.
			ask{"query", all + `| stats by ("` + field + `") count() n, avg(latency_ms) a | sort by (n desc) limit 11`, nil})
		q.top, q.tolerance = true, 1e-6
		return q
	}
	count := func(id, title string, want float64, filter, vl string) *query {
		q := aggregate(id, title, want, day+","+filter, `"c":{"value_count":{"field":"@timestamp"}}`, esValue, vlValue,
			ask{"query", all + vl + " | count() n", nil})
		// Counting is what hits.total is for.
		q.es = `{"size":0,"track_total_hits":true,"query":{"bool":{"filter":[` + day + "," + filter + `]}}}`
		q.parseES = esTotal
		return q
	}
	perMinute := `"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m","min_doc_count":1}}`
	return []*query{
		newest("needle", "needle: one trace_id over everything", 0.25, 10, day+","+esString("trace_id:"+loggen.Needle), all+`trace_id:="`+loggen.Needle+`"`),
		newest("newest-15m", "newest 500 of a namespace, 15 minutes", 0.5, 500, esRange(quarter, quarter.Add(15*time.Minute))+","+inNS, span(quarter, quarter.Add(15*time.Minute))+nsVL),
		newest("newest-day", "newest 500 of a namespace, a day", 0.15, 500, day+","+inNS, all+nsVL),
		newest("ns-word", "namespace and word, newest 100", 0.5, 100, day+","+inNS+","+esString("message:error"), all+nsVL+" error"),
		newest("phrase", "phrase over everything, newest 100", 0.5, 100, day+","+esString(`message:\"connection refused\"`), all+`"connection refused"`),
		aggregate("per-minute", "count per minute over everything", 0.1, day, perMinute, esMinutes, vlHitsByMinute, ask{"hits", "*", hits}),
		aggregate("per-minute-ns", "count per minute and namespace, 45 namespaces", 0.1, day,
			`"n":{"terms":{"field":"kubernetes.namespace_name.keyword","size":45},"aggs":{`+perMinute+`}}`, esSeries, vlHitsByMinute,
			ask{"hits", "*", append(hits, [2]string{"field", "kubernetes.namespace_name"}, [2]string{"fields_limit", "45"})}),
		aggregate("per-minute-ns10", "the same, the 10 largest namespaces", 0, day,
			`"n":{"terms":{"field":"kubernetes.namespace_name.keyword","size":10},"aggs":{`+perMinute+`}}`, esSeries, vlHitsByMinute,
			ask{"hits", "*", append(hits, [2]string{"field", "kubernetes.namespace_name"}, [2]string{"fields_limit", "10"})}),
		aggregate("word-minute", "a word per minute", 0.5, day+","+esString("message:error"), perMinute, esMinutes, vlHitsByMinute, ask{"hits", "error", hits}),
		terms("terms-status", "terms: status with average latency", 0.3, "status", "status"),
		terms("terms-pod", "terms: pod, top 10, with average latency", 0.5, "kubernetes.pod_name", "kubernetes.pod_name.keyword"),
		terms("terms-path", "terms: path, top 10, with average latency", 0.1, "path", "path.keyword"),
		withTolerance(aggregate("distinct", "distinct trace_ids", 0.1, day, `"v":{"cardinality":{"field":"trace_id.keyword"}}`, esValue, vlValue,
			ask{"query", all + "| count_uniq(trace_id) n", nil}), 0.02),
		count("substring", "substring count (*xceptio*)", 0.3, esString("message:*xceptio*"), `~"xceptio"`),
		count("regexp", "regular expression count", 1, `{"regexp":{"message.keyword":".*PacketResponder [0-9]+ for block blk_.*"}}`, `~"PacketResponder [0-9]+ for block blk_"`),
	}
}

func withTolerance(q *query, t float64) *query {
	q.tolerance = t
	return q
}

func esRange(from, to time.Time) string {
	return fmt.Sprintf(`{"range":{"@timestamp":{"gte":"%s","lt":"%s"}}}`, from.Format(iso), to.Format(iso))
}

// esString is what a person types into Grafana; quotes in it come escaped.
func esString(lucene string) string {
	return `{"query_string":{"query":"` + lucene + `","analyze_wildcard":true}}`
}
