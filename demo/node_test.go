package demo

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestNode: the node tells what is so: who runs, who listens, how often a team
// was started again, and what a process costs, once.
func TestNode(t *testing.T) {
	n := newNode()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(n)
	check := func(what, want string, names ...string) {
		t.Helper()
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), names...); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	listen := func(pid int) {
		for _, p := range places(shop) {
			n.announced(Target{Team: shop, Pod: p.pod, PID: pid})
		}
	}
	available := func(billingPods, shopPods string) string {
		return "# HELP kube_deployment_status_replicas_available Pods that listen.\n# TYPE kube_deployment_status_replicas_available gauge\n" +
			`kube_deployment_status_replicas_available{deployment="billing-api",namespace="billing"} ` + billingPods + "\n" +
			`kube_deployment_status_replicas_available{deployment="shop-web",namespace="shop"} ` + shopPods + "\n"
	}
	check("nobody runs", available("0", "0"), "kube_deployment_status_replicas_available")
	listen(os.Getpid())
	check("shop runs", available("0", "2"), "kube_deployment_status_replicas_available")
	if got, err := testutil.GatherAndCount(reg, "container_memory_working_set_bytes", "container_cpu_usage_seconds_total"); err != nil || got != 2 {
		t.Errorf("%d series of what the process costs, want 2: %v", got, err)
	}
	n.exited(shop)
	check("shop ended", available("0", "0"), "kube_deployment_status_replicas_available")
	listen(os.Getpid() + 1)
	check("shop was started again", `
# HELP kube_pod_container_status_restarts_total How often the process was started again.
# TYPE kube_pod_container_status_restarts_total counter
kube_pod_container_status_restarts_total{container="api",namespace="billing",pod="billing-api-5d8c7b6f9-hh2vw"} 0
kube_pod_container_status_restarts_total{container="api",namespace="billing",pod="billing-api-5d8c7b6f9-tq7rn"} 0
kube_pod_container_status_restarts_total{container="web",namespace="shop",pod="shop-web-7c9f6d5b4-2xkqp"} 1
kube_pod_container_status_restarts_total{container="web",namespace="shop",pod="shop-web-7c9f6d5b4-9fmzt"} 1
`, "kube_pod_container_status_restarts_total")
}
