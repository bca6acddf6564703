package dashboards

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInventory: which of a tenant's metrics are its own programs', of what
// kind, and by which label a chart takes them apart.
func TestInventory(t *testing.T) {
	names := []string{
		"up", "go_goroutines", "kube_pod_status_phase", "container_cpu_usage_seconds_total", "process_open_fds", "scrape_duration_seconds",
		"orders_total", "orders_created", "app_info", "queue_depth", "requests",
		"wait_seconds_bucket", "wait_seconds_count", "wait_seconds_sum",
		"job_seconds", "job_seconds_sum", "job_seconds_count",
		"pay_seconds", "lone_count", "dotted.name_total",
	}
	seen := map[string]Seen{
		"orders_total":        {Labels: map[string]int{"customer": 5000, "result": 3}},
		"queue_depth":         {Labels: map[string]int{"shard": 7}},
		"requests":            {Type: "counter"},
		"wait_seconds_bucket": {Labels: map[string]int{"le": 11, "code": 2}},
		"pay_seconds":         {Native: true},
	}
	var got []string
	for _, m := range Inventory(names, func(n string) Seen { return seen[n] }) {
		kind := map[Kind]string{Counter: "counter", Gauge: "gauge", Histogram: "histogram", Native: "native", Summary: "summary"}[m.Kind]
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", m.Name, kind, m.by())))
	}
	want := []string{
		"dotted.name_total counter", "job_seconds summary", "lone_count gauge", "orders_total counter result",
		"pay_seconds native", "queue_depth gauge shard", "requests counter", "wait_seconds histogram code",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("inventory (-want +got):\n%s", d)
	}
	many := make([]string, 3*OwnMetricsMax)
	for i := range many {
		many[i] = fmt.Sprintf("m%04d_total", i)
	}
	if got := len(Inventory(many, func(string) Seen { return Seen{} })); got != OwnMetricsMax {
		t.Errorf("%d metrics, want the first %d", got, OwnMetricsMax)
	}
}

func TestTitlesAndUnits(t *testing.T) {
	for name, want := range map[string]string{
		"shop_orders_total":   "Shop orders|short|cps",
		"upload_bytes_total":  "Upload|bytes|Bps",
		"cpu_seconds_total":   "Cpu|s|percentunit",
		"http_requests_total": "Http requests|short|reqps",
		"disk_used_ratio":     "Disk used|percentunit|cps",
		"a.b":                 "A b|short|cps",
	} {
		m := Metric{Name: name}
		if got := m.title() + "|" + m.unit() + "|" + m.rateUnit(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
