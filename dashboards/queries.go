package dashboards

import (
	"fmt"
	"slices"
	"strings"
)

// Every query is narrowed by the two variables of the dashboard. Their "All" is
// ".*", which matches series without the label, too. It does not match log
// records without the field: what came with a tenant's own credential may have
// no namespace, and is shown whatever is picked.
const (
	narrow = `cluster=~"$cluster",namespace=~"$namespace"`
	// ofCluster narrows series of a cluster as a whole, which have no namespace.
	ofCluster = `cluster=~"$cluster",namespace=~"$namespace|"`
	// ofTenant narrows series of a tenant as a whole, which are of no cluster either.
	ofTenant   = `cluster=~"$cluster|",namespace=~"$namespace|"`
	logsNarrow = `cluster:/${cluster:regex}/ AND (namespace:/${namespace:regex}/ OR (* AND NOT _exists_:namespace))`
)

// family is one of the ways in which programs count their requests.
type family struct {
	metric string
	codes  []string // labels that may carry the status code
	native bool     // native histograms
}

// The names that programs use for the same thing, the most wanted first: where
// a namespace has several, the first counts and the others are left out, since
// adding them up would count every request twice.
var (
	requestFamilies = []family{
		{metric: "http_requests_total", codes: []string{"code", "status"}},
		{metric: "http_server_request_duration_seconds_count", codes: []string{"http_response_status_code"}}, // OpenTelemetry
		{metric: "http_server_requests_seconds_count", codes: []string{"status"}},                            // Micrometer
		{metric: "http_request_duration_seconds_count", codes: []string{"code", "status"}},
		{metric: "http_server_request_duration_seconds", codes: []string{"http_response_status_code"}, native: true},
		{metric: "http_request_duration_seconds", codes: []string{"code", "status"}, native: true},
	}
	latencyFamilies = []family{
		{metric: "http_request_duration_seconds_bucket"},
		{metric: "http_server_request_duration_seconds_bucket"},
		{metric: "http_server_requests_seconds_bucket"},
		{metric: "http_request_duration_seconds", native: true},
		{metric: "http_server_request_duration_seconds", native: true},
	}
	cpuFamilies = []family{
		{metric: "container_cpu_usage_seconds_total"},
		{metric: "process_cpu_seconds_total"},
	}
	memoryFamilies = []family{
		{metric: "container_memory_working_set_bytes"},
		{metric: "process_resident_memory_bytes"},
	}
)

// known keeps the families that the tenant is known to have.
func (in Input) known(fs []family) []family {
	var have []family
	for _, f := range fs {
		m, _ := in.own(f.metric)
		// The name of native histograms may be that of a summary, too.
		if slices.Contains(in.Metrics, f.metric) && (!f.native || m.Kind == Native) {
			have = append(have, f)
		}
	}
	return have
}

// present is known, but all families where it has none yet, or that is not known.
func (in Input) present(fs []family) []family {
	if have := in.known(fs); len(have) > 0 {
		return have
	}
	return fs
}

// sel selects the series of a metric in what is picked; more are further
// matchers, such as `container!=""`.
func sel(metric string, more ...string) string {
	matchers := strings.Join(append([]string{narrow}, more...), ",")
	if legacyName(metric) {
		return metric + "{" + matchers + "}"
	}
	return fmt.Sprintf("{%q,%s}", metric, matchers)
}

// selCluster selects series of a cluster as a whole.
func selCluster(metric string) string { return metric + "{" + ofCluster + "}" }

// selTenant selects series of a tenant as a whole; more are further matchers.
func selTenant(metric string, more ...string) string {
	return metric + "{" + strings.Join(append([]string{ofTenant}, more...), ",") + "}"
}

// legacyName reports whether PromQL takes a metric's name without quotes.
func legacyName(name string) bool {
	for i, r := range name {
		if !(r == '_' || r == ':' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return name != ""
}

func rate(metric string, more ...string) string {
	return "rate(" + sel(metric, more...) + "[$__rate_interval])"
}

// sumBy and maxBy keep at least the cluster.
func sumBy(by, expr string) string { return "sum by (" + by + ") (" + expr + ")" }
func maxBy(by, expr string) string { return "max by (" + by + ") (" + expr + ")" }

// zeroOf is 0 for every group that expr has.
func zeroOf(expr string) string { return "0 * " + expr }

// first joins one expression a family: in each (cluster, namespace) the first
// family that is there counts. The expressions keep at least these two labels.
func first(fs []family, expr func(family) string) string {
	var b strings.Builder
	for i, f := range fs {
		if i > 0 {
			b.WriteString("\nor\n")
		}
		b.WriteString(expr(f))
		for _, before := range fs[:i] {
			b.WriteString("\n  unless on (cluster, namespace) " + sel(before.metric))
		}
	}
	return b.String()
}

// count is the rate of requests, of plain counters and native histograms alike.
func (f family) count(more ...string) string {
	if f.native {
		return "histogram_count(" + rate(f.metric, more...) + ")"
	}
	return rate(f.metric, more...)
}

// requests gives the rate of requests by the given labels, which name cluster
// and namespace.
func requests(fs []family, by string) string {
	return first(fs, func(f family) string { return sumBy(by, f.count()) })
}

// requestsByCode adds the labels that carry the code.
func requestsByCode(fs []family) string {
	return first(fs, func(f family) string {
		return sumBy("cluster, namespace, "+strings.Join(f.codes, ", "), f.count())
	})
}

// errors gives the rate of answers with a code of 5xx. A series with both
// labels is the same series in both operands of "or" and counts once.
func requestErrors(fs []family, by string) string {
	return first(fs, func(f family) string {
		parts := make([]string, len(f.codes))
		for i, code := range f.codes {
			parts[i] = f.count(code + `=~"5.."`)
		}
		return sumBy(by, strings.Join(parts, " or "))
	})
}

// errorRatio is 0 where there are requests and no errors.
func errorRatio(fs []family, by string) string {
	total := "sum by (" + by + ") (\n" + requests(fs, "cluster, namespace") + "\n)"
	failed := "sum by (" + by + ") (\n" + requestErrors(fs, "cluster, namespace") + "\n)"
	return "(" + failed + "\nor " + zeroOf(total) + ")\n/\n" + total
}

// quantile of the durations of each namespace, in seconds.
func quantile(fs []family, q string) string {
	return "histogram_quantile(" + q + ",\n" + first(fs, func(f family) string {
		if f.native {
			return sumBy("cluster, namespace", rate(f.metric))
		}
		return sumBy("cluster, namespace, le", rate(f.metric))
	}) + "\n)"
}

func cpu(fs []family) string {
	return first(fs, func(f family) string {
		if strings.HasPrefix(f.metric, "container_") {
			return sumBy("cluster, namespace, pod", rate(f.metric, ofContainers))
		}
		return sumBy("cluster, namespace, pod, instance", rate(f.metric))
	})
}

func memory(fs []family) string {
	return first(fs, func(f family) string {
		if strings.HasPrefix(f.metric, "container_") {
			return sumBy("cluster, namespace, pod", sel(f.metric, ofContainers))
		}
		return sumBy("cluster, namespace, pod, instance", sel(f.metric))
	})
}

// ofContainers leaves out cAdvisor's sums over a pod, and its pause container.
const ofContainers = `container!=""`
