package dashboards

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Kind is how a metric is to be drawn.
type Kind uint8

// The kinds.
const (
	_         Kind = iota
	Counter        // only rises: its rate counts
	Gauge          // goes up and down
	Histogram      // classic: series with the suffixes _bucket, _sum, _count
	Native         // one series of native histograms
	Summary        // quantiles the program itself made, with the suffixes _sum, _count
)

// Metric is one metric that a tenant has.
type Metric struct {
	Name string // of the family: without _bucket, _sum and _count
	Kind Kind
	Help string // in the program's own words; may be ""
	// Labels are the labels that the program itself gives, with the number of
	// values seen of each. What Oriel stamps is not among them.
	Labels map[string]int
}

// Seen is what there is of one metric's series: what a look at some of them told.
type Seen struct {
	Labels map[string]int
	Native bool   // samples are native histograms
	Type   string // as the program declares it: counter, gauge, ...; "" where unknown
	Help   string
}

// OwnMetricsMax bounds how many of a tenant's own metrics are looked at.
const OwnMetricsMax = 200

// platformPrefixes begin the names of metrics that no program of a team's makes,
// but its platform or its exporter; libraryPrefixes those that a program has from
// its language's library.
var (
	platformPrefixes = []string{
		"container_", "kube_", "kubelet_", "scrape_", "probe_", "oriel_", "node_", "machine_", "cadvisor_", "ALERTS", "prober_",
		"apiserver_", "rest_client_", "workqueue_", "storage_operation_", "prometheus_",
	}
	libraryPrefixes = []string{
		"go_", "process_", "promhttp_", "python_", "nodejs_", "jvm_", "dotnet_", "otel_scope_", "target_info",
	}
)

// own reports whether a name may be a tenant's own program's.
func own(name string) bool {
	if name == "up" {
		return false
	}
	begins := func(p string) bool { return strings.HasPrefix(name, p) }
	return !slices.ContainsFunc(platformPrefixes, begins) && !slices.ContainsFunc(libraryPrefixes, begins)
}

// Inventory sorts the tenant's own metrics out of all its names, at most
// OwnMetricsMax of them, ordered by name. look tells of the series of one name.
func Inventory(names []string, look func(name string) Seen) []Metric {
	have := map[string]bool{}
	for _, n := range names {
		have[n] = true
	}
	out := map[string]Metric{}
	for _, n := range slices.Sorted(slices.Values(names)) {
		if !own(n) || len(out) >= OwnMetricsMax {
			continue
		}
		base, kind := n, Kind(0)
		if b, ok := strings.CutSuffix(n, "_bucket"); ok {
			base, kind = b, Histogram
		} else if b, ok := cutAny(n, "_sum", "_count"); ok && (have[b+"_bucket"] || have[b+"_sum"] && have[b+"_count"]) {
			if have[b+"_bucket"] {
				continue // told by its buckets
			}
			base, kind = b, Summary
		}
		if _, ok := out[base]; ok {
			continue
		}
		seen := look(n)
		switch {
		case kind != 0:
		case seen.Native:
			kind = Native
		case seen.Type == "summary", have[n+"_sum"] && have[n+"_count"]:
			kind = Summary
		case seen.Type == "counter", seen.Type != "gauge" && strings.HasSuffix(n, "_total"):
			kind = Counter
		case strings.HasSuffix(n, "_created"), strings.HasSuffix(n, "_info"):
			continue // no figures
		default:
			kind = Gauge
		}
		labels := maps.Clone(seen.Labels)
		for _, l := range []string{"le", "quantile", "__name__"} {
			delete(labels, l)
		}
		out[base] = Metric{Name: base, Kind: kind, Help: seen.Help, Labels: labels}
	}
	return slices.SortedFunc(maps.Values(out), func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
}

func cutAny(s string, suffixes ...string) (string, bool) {
	for _, x := range suffixes {
		if b, ok := strings.CutSuffix(s, x); ok {
			return b, true
		}
	}
	return s, false
}

// StampedLabel reports whether a label is one that Oriel or the scraper sets,
// and so none of the program's own.
func StampedLabel(name string) bool {
	switch name {
	case "cluster", "region", "cloud", "namespace", "pod", "container", "node", "job", "instance", "__name__":
		return true
	}
	return strings.HasPrefix(name, "exported_")
}

// telling are the labels by which a chart of a metric is worth taking apart, the
// most wanted first.
var telling = []string{
	"result", "outcome", "status", "code", "state", "reason", "type", "kind", "method", "grpc_code", "operation",
	"handler", "route", "endpoint", "queue", "topic", "level",
}

// partsMax is how many lines of one namespace a chart bears.
const partsMax = 12

// by gives the label to take a metric apart by; "" for none.
func (m Metric) by() string {
	fits := func(l string) bool { n := m.Labels[l]; return n >= 1 && n <= partsMax }
	for _, l := range telling {
		if fits(l) {
			return l
		}
	}
	for _, l := range slices.Sorted(maps.Keys(m.Labels)) {
		if fits(l) && m.Labels[l] > 1 {
			return l
		}
	}
	return ""
}

// title makes words of a name: shop_orders_total is "Shop orders".
func (m Metric) title() string {
	name, _ := cutAny(m.Name, "_total")
	name, _ = cutAny(name, "_seconds", "_bytes", "_ratio", "_percent") // the axis says it
	name = strings.NewReplacer("_", " ", ".", " ", ":", " ").Replace(name)
	if name == "" {
		return m.Name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// unit gives Grafana's unit of a value of the metric by the suffix of its name,
// as OpenMetrics has it.
func (m Metric) unit() string {
	name, _ := cutAny(m.Name, "_total")
	for _, u := range []struct{ suffix, unit string }{
		{"_milliseconds", "ms"}, {"_seconds", "s"}, {"_timestamp", "short"}, {"_bytes", "bytes"}, {"_ratio", "percentunit"},
		{"_percent", "percent"}, {"_celsius", "celsius"}, {"_volts", "volt"}, {"_amperes", "amp"}, {"_joules", "joule"},
	} {
		if strings.HasSuffix(name, u.suffix) {
			return u.unit
		}
	}
	return "short"
}

// rateUnit is that of the metric's rise in a second.
func (m Metric) rateUnit() string {
	switch m.unit() {
	case "bytes":
		return "Bps"
	case "s":
		return "percentunit" // seconds a second: how much of the time
	}
	if strings.Contains(m.Name, "request") {
		return "reqps"
	}
	return "cps"
}
