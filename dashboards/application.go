package dashboards

import "strings"

// ownPanelsMax bounds the panels made of a tenant's own metrics.
const ownPanelsMax = 40

// application is made of what the tenant's programs expose.
func application(d *desk) {
	reqs, lats := d.in.known(requestFamilies), d.in.known(latencyFamilies)
	s := &d.sheet
	if len(reqs) > 0 {
		s.row("Requests")
		s.put(d.toMinute(series("Rate", "Requests a second by status code.", "reqps", d.prom,
			ranged("A", requestsByCode(reqs), "{{cluster}} {{namespace}} "+codeLegend(reqs)))), 8, 8)
		s.put(d.toMinute(withLine(series("Errors", "Share of requests answered with 5xx.", "percentunit", d.prom,
			ranged("A", errorRatio(reqs, "cluster, namespace"), "{{cluster}} {{namespace}}")), 0.01, 0.05)), 8, 8)
		if len(lats) > 0 {
			s.put(d.toMinute(series("Duration", "Quantiles of the request durations.", "s", d.prom,
				ranged("A", quantile(lats, "0.50"), "{{cluster}} {{namespace}} p50"),
				ranged("B", quantile(lats, "0.95"), "{{cluster}} {{namespace}} p95"),
				ranged("C", quantile(lats, "0.99"), "{{cluster}} {{namespace}} p99"))), 8, 8)
		}
		d.byRoute()
	}
	counters, shapes, gauges := d.ownPanels()
	for _, g := range []struct {
		title  string
		panels []panel
	}{{"Counters", counters}, {"Durations and sizes", shapes}, {"Levels", gauges}} {
		if len(g.panels) > 0 {
			s.row(g.title)
		}
		for _, p := range g.panels {
			s.put(p, 8, 7)
		}
	}
	d.runtime()
	if len(s.panels) == 0 {
		s.put(text("Nothing exposed yet", "No program of this team exposes metrics of its own. Count requests in `http_requests_total` with the label `code`, time them in the histogram `http_request_duration_seconds`, annotate the pods with `prometheus.io/scrape: \"true\"`, and panels appear here by themselves.\n\nHow, with an example: `docs/patterns/expose-metrics.md` of Oriel."), 24, 6)
	}
}

// own gives one of the tenant's own metrics by name.
func (in Input) own(name string) (Metric, bool) {
	for _, m := range in.Own {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}

// routes are the labels in which programs name what was asked for.
var routes = []string{"handler", "route", "http_route", "uri", "path", "endpoint", "grpc_method"}

// byRoute takes the requests apart by what was asked for, where a label says so.
func (d *desk) byRoute() {
	for _, f := range d.in.known(requestFamilies) {
		base, _ := cutAny(f.metric, "_count")
		m, ok := d.in.own(base)
		if !ok {
			continue
		}
		for _, route := range routes {
			if m.Labels[route] < 2 {
				continue
			}
			by := "cluster, namespace, " + route
			legend := "{{cluster}} {{namespace}} {{" + route + "}}"
			d.sheet.put(d.toMinute(series("Rate by "+route, "Requests a second, the ten most asked for.", "reqps", d.prom,
				ranged("A", "topk by (cluster, namespace) (10, "+sumBy(by, f.count())+")", legend))), 12, 8)
			var bad []string
			for _, code := range f.codes {
				bad = append(bad, f.count(code+`=~"5.."`))
			}
			d.sheet.put(d.toMinute(series("Errors by "+route, "Answers with 5xx a second.", "reqps", d.prom,
				ranged("A", "topk by (cluster, namespace) (10, "+sumBy(by, strings.Join(bad, " or "))+"\nor "+zeroOf(sumBy(by, f.count()))+")", legend))), 12, 8)
			return
		}
	}
}

// shown reports whether a metric stands on the dashboard already.
func shown(m Metric) bool {
	for _, fs := range [][]family{requestFamilies, latencyFamilies} {
		for _, f := range fs {
			if base, _ := cutAny(f.metric, "_bucket", "_count"); base == m.Name || f.metric == m.Name {
				return true
			}
		}
	}
	return false
}

// ownPanels makes the panel that fits of each metric, the first ownPanelsMax.
func (d *desk) ownPanels() (counters, shapes, gauges []panel) {
	n := 0
	for _, m := range d.in.Own {
		if shown(m) || n == ownPanelsMax {
			continue
		}
		n++
		about := strings.TrimSpace(m.Help + " " + m.Name)
		label := m.by()
		by, legend := "cluster, namespace", "{{cluster}} {{namespace}}"
		if label != "" {
			by, legend = by+", "+label, legend+" {{"+label+"}}"
		}
		switch m.Kind {
		case Counter:
			counters = append(counters, d.toMinute(series(m.title(), about, m.rateUnit(), d.prom, ranged("A", sumBy(by, rate(m.Name)), legend))))
		case Histogram, Native:
			shapes = append(shapes, d.toMinute(series(m.title(), about, m.unit(), d.prom,
				ranged("A", m.quantile("0.50"), "{{cluster}} {{namespace}} p50"),
				ranged("B", m.quantile("0.95"), "{{cluster}} {{namespace}} p95"),
				ranged("C", m.quantile("0.99"), "{{cluster}} {{namespace}} p99"))))
		case Summary:
			shapes = append(shapes, d.toMinute(series(m.title()+", mean", about, m.unit(), d.prom,
				ranged("A", sumBy(by, rate(m.Name+"_sum"))+"\n/\n"+sumBy(by, rate(m.Name+"_count")), legend))))
		default:
			p := series(m.title(), about, m.unit(), d.prom, ranged("A", maxBy(by+", pod", sel(m.Name)), legend+" {{pod}}"))
			p.FieldConfig.Defaults.Min = nil // a level may be below zero
			gauges = append(gauges, d.toMinute(p))
		}
	}
	return counters, shapes, gauges
}

func (m Metric) quantile(q string) string {
	if m.Kind == Native {
		return "histogram_quantile(" + q + ", " + sumBy("cluster, namespace", rate(m.Name)) + ")"
	}
	return "histogram_quantile(" + q + ", " + sumBy("cluster, namespace, le", rate(m.Name+"_bucket")) + ")"
}

// runtime shows what client libraries expose by themselves.
func (d *desk) runtime() {
	var ps []panel
	add := func(metric, title, about, unit string) {
		if d.has(metric) {
			ps = append(ps, d.toMinute(series(title, about+" "+metric, unit, d.prom,
				ranged("A", maxBy("cluster, namespace, pod", sel(metric)), "{{cluster}} {{namespace}} {{pod}}"))))
		}
	}
	add("go_goroutines", "Goroutines", "More and more of them is a leak.", "short")
	add("go_memstats_heap_alloc_bytes", "Heap", "Bytes of the heap in use.", "bytes")
	add("process_open_fds", "Open files", "Files and connections that are open.", "short")
	add("jvm_memory_used_bytes", "JVM memory", "Bytes in use.", "bytes")
	add("nodejs_eventloop_lag_seconds", "Event loop lag", "How late Node.js is.", "s")
	if len(ps) > 0 {
		d.sheet.row("Runtime")
	}
	for _, p := range ps {
		d.sheet.put(p, 8, 7)
	}
}
