package dashboards

import "strings"

const logsWrong = "level:(error OR fatal)"

// overview is the dashboard a team begins with: is it up, is it slow, is it
// failing, what does it use, what does it say.
func overview(n Names, in Input) Dashboard {
	prom := &sourceRef{Type: typePrometheus, UID: n.Metrics}
	es := &sourceRef{Type: typeElasticsearch, UID: n.Logs}
	reqs := present(requestFamilies, in.Metrics)
	lats := present(latencyFamilies, in.Metrics)
	cpus := present(cpuFamilies, in.Metrics)
	mems := present(memoryFamilies, in.Metrics)

	var s sheet
	s.row("At a glance")
	s.put(stat("Targets up", "Scraped targets that answer, and all that are known, a cluster.", "short", prom,
		instant("A", "sum by (cluster) (up{"+narrow+"})", "{{cluster}} up"),
		instant("B", "count by (cluster) (up{"+narrow+"})", "{{cluster}} of")), 5, 5)
	s.put(stat("Requests", "Requests a second, a cluster.", "reqps", prom,
		ranged("A", "sum by (cluster) (\n"+requests(reqs, "cluster, namespace")+"\n)", "{{cluster}}")), 5, 5)
	s.put(withSteps(stat("Errors", "Share of requests answered with 5xx, a cluster.", "percentunit", prom,
		ranged("A", errorRatio(reqs, "cluster"), "{{cluster}}")), "green", 0.01, "orange", 0.05, "red"), 5, 5)
	s.put(stat("p95", "95 of 100 requests are faster, a cluster.", "s", prom,
		ranged("A", quantile(lats, "0.95", "cluster"), "{{cluster}}")), 5, 5)
	s.put(withSteps(sumOf(stat("Error logs", "Log records of level error or fatal in the range.", "short", es,
		logsCount("A", logsWrong, ""))), "green", 1, "orange", 100, "red"), 4, 5)

	s.row("Golden signals")
	s.put(series("Requests by code", "Requests a second by status code.", "reqps", prom,
		ranged("A", requestsByCode(reqs), "{{cluster}} {{namespace}} "+codeLegend(reqs))), 8, 8)
	s.put(series("Error ratio", "Share of requests answered with 5xx.", "percentunit", prom,
		ranged("A", errorRatio(reqs, "cluster, namespace"), "{{cluster}} {{namespace}}")), 8, 8)
	s.put(series("Latency", "Quantiles of the request durations, estimated from histogram buckets.", "s", prom,
		ranged("A", quantile(lats, "0.50", "cluster, namespace"), "{{cluster}} {{namespace}} p50"),
		ranged("B", quantile(lats, "0.95", "cluster, namespace"), "{{cluster}} {{namespace}} p95"),
		ranged("C", quantile(lats, "0.99", "cluster, namespace"), "{{cluster}} {{namespace}} p99")), 8, 8)

	s.row("Resources")
	s.put(series("CPU", "Cores in use: of containers where known, else of processes.", "short", prom,
		ranged("A", cpu(cpus), "{{cluster}} {{namespace}} {{pod}} {{instance}}")), 12, 8)
	s.put(series("Memory", "Working set of containers where known, else resident memory of processes.", "bytes", prom,
		ranged("A", memory(mems), "{{cluster}} {{namespace}} {{pod}} {{instance}}")), 12, 8)

	s.row("Logs")
	s.put(bars("Volume by level", "Log records by level.", es, logsCount("A", "", "level")), 24, 7)
	s.put(lines("Error lines", "The newest records of level error or fatal.", es, logsLines("A", logsWrong, "200")), 12, 12)
	s.put(lines("Newest lines", "The newest records of every level.", es, logsLines("A", "", "500")), 12, 12)

	b := board{
		UID:           n.Dashboards[0],
		Title:         "Overview",
		Description:   "Kept by Oriel for tenant " + string(n.Tenant) + ". Changes are copied aside and undone: save a copy to keep your own.",
		Tags:          []string{Tag},
		SchemaVersion: schemaVersion,
		Editable:      true,
		GraphTooltip:  1,
		Refresh:       "30s",
		Timezone:      "browser",
		Time:          timeRange{From: "now-1h", To: "now"},
		Templating: listOf[vary]{List: []vary{
			picker("cluster", "Cluster", "label_values(up, cluster)", prom),
			picker("namespace", "Namespace", `label_values(up{cluster=~"$cluster"}, namespace)`, prom),
		}},
		Panels: s.panels,
	}
	if in.PageURL != "" {
		b.Links = []link{{Title: "Oriel", Type: "link", URL: strings.TrimRight(in.PageURL, "/") + "/t/" + string(n.Tenant) + "/", TargetBlank: true}}
	}
	return b.encode(n)
}

func picker(name, label, query string, ds *sourceRef) vary {
	return vary{
		Name: name, Label: label, Type: "query", Datasource: ds,
		Definition: query, Query: varyQuery{Query: query, RefID: "PrometheusVariableQueryEditor-VariableQuery"},
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".*",
		Current: varyValue{Text: "All", Value: "$__all"},
	}
}

// codeLegend names every label that may carry the code; those that a series
// does not have come out empty.
func codeLegend(fs []family) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, f := range fs {
		for _, c := range f.codes {
			if !seen[c] {
				seen[c] = true
				b.WriteString("{{" + c + "}}")
			}
		}
	}
	return b.String()
}

func instant(ref, expr, legend string) target {
	return target{RefID: ref, Expr: expr, LegendFormat: legend, Instant: true, EditorMode: "code"}
}

func ranged(ref, expr, legend string) target {
	return target{RefID: ref, Expr: expr, LegendFormat: legend, Range: true, EditorMode: "code"}
}

func logsQuery(more string) string {
	if more == "" {
		return logsNarrow
	}
	return logsNarrow + " AND " + more
}

// logsCount counts records over time, apart by the field if one is given.
func logsCount(ref, more, by string) target {
	t := target{RefID: ref, Query: logsQuery(more), TimeField: "@timestamp", Metrics: []esMetric{{ID: "1", Type: "count"}}}
	if by != "" {
		t.BucketAggs = append(t.BucketAggs, esBuckets{ID: "2", Type: "terms", Field: by, Settings: map[string]string{
			"size": "10", "order": "desc", "orderBy": "_count", "min_doc_count": "1", "missing": "unknown",
		}})
	}
	// Grafana makes time series only where the innermost buckets are of time.
	t.BucketAggs = append(t.BucketAggs, esBuckets{ID: "3", Type: "date_histogram", Field: "@timestamp", Settings: map[string]string{
		"interval": "auto", "min_doc_count": "0",
	}})
	return t
}

func logsLines(ref, more, limit string) target {
	return target{RefID: ref, Query: logsQuery(more), TimeField: "@timestamp", Metrics: []esMetric{
		{ID: "1", Type: "logs", Settings: map[string]string{"limit": limit}},
	}}
}

func newPanel(kind, title, about string, ds *sourceRef, ts []target) panel {
	for i := range ts {
		ts[i].Datasource = ds
	}
	return panel{Type: kind, Title: title, Description: about, Datasource: ds, Targets: ts}
}

func stat(title, about, unit string, ds *sourceRef, ts ...target) panel {
	p := newPanel("stat", title, about, ds, ts)
	p.FieldConfig = &fieldConfig{
		Defaults:  fieldDefaults{Unit: unit, NoValue: "no data", Color: &colour{Mode: "fixed", FixedColor: "text"}},
		Overrides: []override{},
	}
	p.Options = map[string]any{
		"colorMode": "value", "graphMode": "area", "textMode": "value_and_name", "justifyMode": "auto", "orientation": "auto",
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	return p
}

// sumOf shows the sum over the range in place of the last value.
func sumOf(p panel) panel {
	p.Options["reduceOptions"] = map[string]any{"calcs": []string{"sum"}, "fields": "", "values": false}
	p.Options["textMode"] = "value"
	return p
}

// withSteps colours the value: the first colour below a, then b's, then c's.
func withSteps(p panel, ca string, a float64, cb string, b float64, cc string) panel {
	p.FieldConfig.Defaults.Color = &colour{Mode: "thresholds"}
	p.FieldConfig.Defaults.Thresholds = &thresholds{Mode: "absolute", Steps: []step{{Color: ca}, {Color: cb, Value: &a}, {Color: cc, Value: &b}}}
	return p
}

func series(title, about, unit string, ds *sourceRef, ts ...target) panel {
	p := newPanel("timeseries", title, about, ds, ts)
	zero := 0.0
	p.FieldConfig = &fieldConfig{
		Defaults: fieldDefaults{Unit: unit, Min: &zero, Color: &colour{Mode: "palette-classic"}, Custom: map[string]any{
			"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false,
		}},
		Overrides: []override{},
	}
	p.Options = map[string]any{
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}
	return p
}

// levelColours are those of Grafana's own log panels.
var levelColours = []struct{ level, colour string }{
	{"fatal", "purple"}, {"error", "red"}, {"warn", "yellow"}, {"info", "green"}, {"debug", "blue"}, {"trace", "light-blue"}, {"unknown", "text"},
}

func bars(title, about string, ds *sourceRef, ts ...target) panel {
	p := series(title, about, "short", ds, ts...)
	p.FieldConfig.Defaults.Custom = map[string]any{
		"drawStyle": "bars", "lineWidth": 0, "fillOpacity": 100, "barAlignment": 0,
		"stacking": map[string]any{"mode": "normal", "group": "A"},
	}
	for _, l := range levelColours {
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{
			Matcher:    matcher{ID: "byName", Options: l.level},
			Properties: []property{{ID: "color", Value: colour{Mode: "fixed", FixedColor: l.colour}}},
		})
	}
	return p
}

func lines(title, about string, ds *sourceRef, ts ...target) panel {
	p := newPanel("logs", title, about, ds, ts)
	p.Options = map[string]any{
		"showTime": true, "wrapLogMessage": true, "enableLogDetails": true, "dedupStrategy": "none",
		"sortOrder": "Descending", "prettifyLogMessage": false, "showLabels": false, "showCommonLabels": false,
	}
	return p
}
