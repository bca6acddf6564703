package grafana_test

import (
	"fmt"
	"testing"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/tenant"
)

// BenchmarkReconcile measures one look at a window that is right, among 2,000
// tenants; the stand-in's own work is in it.
func BenchmarkReconcile(b *testing.B) {
	w := newWorld(b, dashboards.ByOrg)
	const tenants = 2000
	for i := range tenants {
		id := tenant.ID(fmt.Sprintf("team-%d", i))
		w.dir.add(id)
		w.reconcile(id)
	}
	w.g.Writes()
	w.g.Requests()
	n := 0
	for b.Loop() {
		w.reconcile(tenant.ID(fmt.Sprintf("team-%d", n%tenants)))
		n++
	}
	b.ReportMetric(float64(len(w.g.Requests()))/float64(n), "requests/op")
	b.ReportMetric(float64(len(w.g.Writes()))/float64(n), "writes/op")
}
