package dashboards

import (
	"slices"
	"strings"
)

// Every query is narrowed by the two variables of the dashboard. Their "All" is
// ".*", which matches series without the label, too. It does not match log
// records without the field: what came with a tenant's own credential may have
// no namespace, and is shown whatever is picked.
const (
	narrow     = `cluster=~"$cluster",namespace=~"$namespace"`
	logsNarrow = `cluster:/${cluster:regex}/ AND (namespace:/${namespace:regex}/ OR (* AND NOT _exists_:namespace))`
)

// family is one of the ways in which programs count their requests.
type family struct {
	metric string
	codes  []string // labels that may carry the status code
}

// The names that programs use for the same thing, the most wanted first: where
// a namespace has several, the first counts and the others are left out, since
// adding them up would count every request twice.
var (
	requestFamilies = []family{
		{"http_requests_total", []string{"code", "status"}},
		{"http_server_request_duration_seconds_count", []string{"http_response_status_code"}}, // OpenTelemetry
		{"http_server_requests_seconds_count", []string{"status"}},                            // Micrometer
		{"http_request_duration_seconds_count", []string{"code", "status"}},
	}
	latencyFamilies = []family{
		{"http_request_duration_seconds_bucket", nil},
		{"http_server_request_duration_seconds_bucket", nil},
		{"http_server_requests_seconds_bucket", nil},
	}
	cpuFamilies = []family{
		{"container_cpu_usage_seconds_total", nil},
		{"process_cpu_seconds_total", nil},
	}
	memoryFamilies = []family{
		{"container_memory_working_set_bytes", nil},
		{"process_resident_memory_bytes", nil},
	}
)

// present keeps the families the tenant has; all of them where that is not
// known, or where it has none yet.
func present(fs []family, metrics []string) []family {
	var have []family
	for _, f := range fs {
		if slices.Contains(metrics, f.metric) {
			have = append(have, f)
		}
	}
	if len(have) == 0 {
		return fs
	}
	return have
}

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
			b.WriteString("\n  unless on (cluster, namespace) " + before.metric + "{" + narrow + "}")
		}
	}
	return b.String()
}

func rate(metric, more string) string {
	return "rate(" + metric + "{" + narrow + more + "}[$__rate_interval])"
}

// requests gives the rate of requests by the given labels, which name cluster
// and namespace.
func requests(fs []family, by string) string {
	return first(fs, func(f family) string {
		return "sum by (" + by + ") (" + rate(f.metric, "") + ")"
	})
}

// requestsByCode adds the labels that carry the code.
func requestsByCode(fs []family) string {
	return first(fs, func(f family) string {
		return "sum by (cluster, namespace, " + strings.Join(f.codes, ", ") + ") (" + rate(f.metric, "") + ")"
	})
}

// errors gives the rate of answers with a code of 5xx. A series with both
// labels is the same series in both operands of "or" and counts once.
func requestErrors(fs []family, by string) string {
	return first(fs, func(f family) string {
		parts := make([]string, len(f.codes))
		for i, code := range f.codes {
			parts[i] = rate(f.metric, ","+code+`=~"5.."`)
		}
		return "sum by (" + by + ") (" + strings.Join(parts, " or ") + ")"
	})
}

// errorRatio is 0 where there are requests and no errors.
func errorRatio(fs []family, by string) string {
	total := "sum by (" + by + ") (\n" + requests(fs, "cluster, namespace") + "\n)"
	failed := "sum by (" + by + ") (\n" + requestErrors(fs, "cluster, namespace") + "\n)"
	return "(" + failed + "\nor 0 * " + total + ")\n/\n" + total
}

// quantile of the durations, in seconds.
func quantile(fs []family, q, by string) string {
	sums := first(fs, func(f family) string {
		return "sum by (cluster, namespace, le) (" + rate(f.metric, "") + ")"
	})
	return "histogram_quantile(" + q + ", sum by (" + by + ", le) (\n" + sums + "\n))"
}

func cpu(fs []family) string {
	return first(fs, func(f family) string {
		if strings.HasPrefix(f.metric, "container_") {
			return "sum by (cluster, namespace, pod) (" + rate(f.metric, `,container!=""`) + ")"
		}
		return "sum by (cluster, namespace, pod, instance) (" + rate(f.metric, "") + ")"
	})
}

func memory(fs []family) string {
	return first(fs, func(f family) string {
		if strings.HasPrefix(f.metric, "container_") {
			return "sum by (cluster, namespace, pod) (" + f.metric + "{" + narrow + `,container!=""})`
		}
		return "sum by (cluster, namespace, pod, instance) (" + f.metric + "{" + narrow + "})"
	})
}
