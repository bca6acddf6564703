package dashboards

import "fmt"

// The queries of panels, as Grafana's data sources take them.

func instant(ref, expr, legend string) target {
	return target{RefID: ref, Expr: expr, LegendFormat: legend, Instant: true, EditorMode: "code"}
}

func ranged(ref, expr, legend string) target {
	return target{RefID: ref, Expr: expr, LegendFormat: legend, Range: true, EditorMode: "code"}
}

const (
	logsWrong = "level:(error OR fatal)"
	logsWarn  = "level:warn"
	timeField = "@timestamp"
)

func logsQuery(more ...string) string {
	q := logsNarrow
	for _, m := range more {
		if m != "" {
			q += " AND " + m
		}
	}
	return q
}

// logsCount counts records over time, apart by the field if one is given.
func logsCount(ref, query, by string) target {
	t := target{RefID: ref, Query: query, TimeField: timeField, Metrics: []esMetric{{ID: "1", Type: "count"}}}
	if by != "" {
		t.BucketAggs = append(t.BucketAggs, termsOf("2", by, 10))
	}
	t.BucketAggs = append(t.BucketAggs, overTime("3"))
	return t
}

// logsNewest gives the newest time there is in each step.
func logsNewest(ref, query string) target {
	return target{RefID: ref, Query: query, TimeField: timeField,
		Metrics: []esMetric{{ID: "1", Type: "max", Field: timeField}}, BucketAggs: []esBuckets{overTime("3")}}
}

// logsTop counts records by the values of fields, the most frequent first, as a table.
func logsTop(ref, query string, size int, fields ...string) target {
	t := target{RefID: ref, Query: query, TimeField: timeField, Metrics: []esMetric{{ID: "1", Type: "count"}}}
	for i, f := range fields {
		t.BucketAggs = append(t.BucketAggs, termsOf(fmt.Sprint(i+2), f, size))
	}
	return t
}

func logsLines(ref, query, limit string) target {
	return target{RefID: ref, Query: query, TimeField: timeField, Metrics: []esMetric{
		{ID: "1", Type: "logs", Settings: map[string]string{"limit": limit}},
	}}
}

func termsOf(id, field string, size int) esBuckets {
	return esBuckets{ID: id, Type: "terms", Field: field, Settings: map[string]string{
		"size": fmt.Sprint(size), "order": "desc", "orderBy": "_count", "min_doc_count": "1", "missing": "unknown",
	}}
}

// overTime is always the innermost: Grafana makes time series only then.
func overTime(id string) esBuckets {
	return esBuckets{ID: id, Type: "date_histogram", Field: timeField, Settings: map[string]string{"interval": "auto", "min_doc_count": "0"}}
}
