package dashboards

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// series of two clusters that share a namespace's name. In eu both the
// containers and the processes are known, in us the processes alone; shop counts
// its requests under two names.
const load = `
load 15s
  up{cluster="eu",namespace="shop",instance="a"} 1x40
  up{cluster="eu",namespace="shop",instance="b"} 0x40
  up{cluster="us",namespace="shop",instance="c"} 1x40
  container_cpu_usage_seconds_total{cluster="eu",namespace="shop",pod="p",container="app"} 0+15x40
  container_cpu_usage_seconds_total{cluster="eu",namespace="shop",pod="p",container=""} 0+15x40
  process_cpu_seconds_total{cluster="eu",namespace="shop",pod="p",instance="a"} 0+6x40
  process_cpu_seconds_total{cluster="us",namespace="shop",pod="q",instance="c"} 0+3x40
  http_requests_total{cluster="eu",namespace="shop",code="200",instance="a"} 0+135x40
  http_requests_total{cluster="eu",namespace="shop",code="500",instance="a"} 0+15x40
  http_request_duration_seconds_count{cluster="eu",namespace="shop",instance="a"} 0+150x40
  http_requests_total{cluster="us",namespace="shop",status="200",instance="c"} 0+30x40
  http_server_requests_seconds_count{cluster="us",namespace="back",status="503",instance="d"} 0+15x40
  http_request_duration_seconds_bucket{cluster="eu",namespace="shop",le="0.1"} 0+90x40
  http_request_duration_seconds_bucket{cluster="eu",namespace="shop",le="1"} 0+150x40
  http_request_duration_seconds_bucket{cluster="eu",namespace="shop",le="+Inf"} 0+150x40
  kube_pod_status_ready{cluster="eu",namespace="shop",pod="p",condition="true"} 1x40
  kube_pod_status_ready{cluster="eu",namespace="shop",pod="p2",condition="true"} 0x40
  kube_pod_status_ready{cluster="eu",namespace="shop",pod="done",condition="true"} 0x40
  kube_pod_status_phase{cluster="eu",namespace="shop",pod="done",phase="Succeeded"} 1x40
  kube_pod_status_phase{cluster="eu",namespace="shop",pod="p",phase="Succeeded"} 0x40
  kube_pod_status_ready{cluster="us",namespace="shop",pod="q",condition="true"} 1x40
  kube_pod_container_resource_limits{cluster="eu",namespace="shop",pod="p",container="app",resource="cpu"} 2x40
  kube_pod_container_resource_limits{cluster="eu",namespace="shop",pod="p",container="app",resource="memory"} 100x40
  kube_pod_container_status_restarts_total{cluster="eu",namespace="shop",pod="p",container="app",instance="one"} 0+1x40
  kube_pod_container_status_restarts_total{cluster="eu",namespace="shop",pod="p",container="app",instance="two"} 0+1x40
  kube_pod_container_status_restarts_total{cluster="us",namespace="shop",pod="q",container="app"} 0x40
  kube_pod_container_status_last_terminated_reason{cluster="eu",namespace="shop",pod="p",container="app",reason="OOMKilled"} 1x40
  kube_pod_container_status_waiting_reason{cluster="us",namespace="shop",pod="q",container="app",reason="CrashLoopBackOff"} 1x40
  kube_deployment_spec_replicas{cluster="eu",namespace="shop",deployment="web"} 3x40
  kube_statefulset_replicas{cluster="us",namespace="shop",statefulset="db"} 1x40
  kubelet_volume_stats_capacity_bytes{cluster="eu",namespace="shop",persistentvolumeclaim="data"} 100x40
  kubelet_volume_stats_available_bytes{cluster="eu",namespace="shop",persistentvolumeclaim="data"} 50-1x40
  kube_resourcequota{cluster="eu",namespace="shop",resourcequota="q",resource="pods",type="used"} 4x40
  kube_resourcequota{cluster="eu",namespace="shop",resourcequota="q",resource="pods",type="hard"} 10x40
  oriel_agent_up{cluster="eu",job="oriel"} 1x40
`

// TestQueriesMean runs the dashboards' expressions over known series: no request
// is counted twice, no cluster is added to another, and 0 errors are 0.
func TestQueriesMean(t *testing.T) {
	db := promqltest.LoadedStorage(t, load)
	defer db.Close()
	engine := promqltest.NewTestEngine(t, false, 0, 100000)

	ask := func(expr string, vars *strings.Replacer) map[string]string {
		t.Helper()
		q, err := engine.NewInstantQuery(t.Context(), db, nil, vars.Replace(expr), time.Unix(300, 0))
		if err != nil {
			t.Fatalf("%v\n%s", err, expr)
		}
		defer q.Close()
		v, err := q.Exec(t.Context()).Vector()
		if err != nil {
			t.Fatalf("%v\n%s", err, expr)
		}
		return texts(v)
	}
	eu := strings.NewReplacer("$cluster", "(eu)", "$namespace", "(shop|cart)", "$pod", ".*", "$__rate_interval", "1m")

	for _, c := range []struct {
		what string
		expr string
		vars *strings.Replacer
		want map[string]string
	}{
		{"CPU of containers where known, else of processes", cpu(cpuFamilies), variables, map[string]string{
			`{cluster="eu", namespace="shop", pod="p"}`:               "1.000",
			`{cluster="us", instance="c", namespace="shop", pod="q"}`: "0.200",
		}},
		{"CPU where only containers are known", cpu(input("container_cpu_usage_seconds_total").present(cpuFamilies)), variables, map[string]string{
			`{cluster="eu", namespace="shop", pod="p"}`: "1.000",
		}},
		{"requests under two names count once", requests(requestFamilies, "cluster, namespace"), variables, map[string]string{
			`{cluster="eu", namespace="shop"}`: "10.000",
			`{cluster="us", namespace="shop"}`: "2.000",
			`{cluster="us", namespace="back"}`: "1.000",
		}},
		{"by code, whatever its label", requestsByCode(requestFamilies), variables, map[string]string{
			`{cluster="eu", code="200", namespace="shop"}`:   "9.000",
			`{cluster="eu", code="500", namespace="shop"}`:   "1.000",
			`{cluster="us", namespace="shop", status="200"}`: "2.000",
			`{cluster="us", namespace="back", status="503"}`: "1.000",
		}},
		{"no errors are 0, not nothing", errorRatio(requestFamilies, "cluster, namespace"), variables, map[string]string{
			`{cluster="eu", namespace="shop"}`: "0.100",
			`{cluster="us", namespace="shop"}`: "0.000",
			`{cluster="us", namespace="back"}`: "1.000",
		}},
		{"ratio a cluster", errorRatio(requestFamilies, "cluster"), variables, map[string]string{
			`{cluster="eu"}`: "0.100",
			`{cluster="us"}`: "0.333",
		}},
		{"one cluster picked", errorRatio(requestFamilies, "cluster"), eu, map[string]string{
			`{cluster="eu"}`: "0.100",
		}},
		{"pods not ready, without those that are done", podsNotReady("cluster"), variables, map[string]string{
			`{cluster="eu"}`: "1.000",
			`{cluster="us"}`: "0.000",
		}},
		{"out of memory, seen by two instances of one exporter", outOfMemory(), variables, map[string]string{
			`{cluster="eu"}`: "1.000",
			`{cluster="us"}`: "0.000",
		}},
		{"cannot start", cannotStart(), variables, map[string]string{
			`{cluster="eu"}`: "0.000",
			`{cluster="us"}`: "1.000",
		}},
		{"a cluster's series, whatever namespace is picked", selCluster(agentUp), eu, map[string]string{
			`{__name__="oriel_agent_up", cluster="eu", job="oriel"}`: "1.000",
		}},
		{"p50 from buckets", quantile(latencyFamilies, "0.5"), variables, map[string]string{
			`{cluster="eu", namespace="shop"}`: "0.083",
		}},
	} {
		if d := cmp.Diff(c.want, ask(c.expr, c.vars)); d != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", c.what, d, c.expr)
		}
	}

	// Every expression of every rendering runs, and gives a series once.
	for name, in := range inputs {
		targets, titles := promTargets(t, in)
		for i, q := range targets {
			if got := ask(q.Expr, variables); titles[i] == "Platform: Targets that answer" && len(got) != 2 {
				t.Errorf("%s, %s: %v", name, titles[i], slices.Collect(maps.Keys(got)))
			}
		}
	}
}

func texts(v promql.Vector) map[string]string {
	m := map[string]string{}
	for _, s := range v {
		m[s.Metric.String()] = fmt.Sprintf("%.3f", s.F)
	}
	return m
}
