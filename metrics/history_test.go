package metrics_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/oriel-project/oriel/metrics"
)

func TestHistories(t *testing.T) {
	db := promqltest.LoadedStorage(t, `
load 15s
  kube_deployment_metadata_generation{deployment="web"} 3 3 4 4 stale
  kube_deployment_metadata_generation{deployment="db"} _ 7 7
  kube_deployment_metadata_generationx{deployment="web"} 1 2
  pay_seconds{pod="a"} {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x10
  up 0 1 0
`)
	defer db.Close()
	at := func(n int) time.Time { return time.UnixMilli(int64(n) * 15_000) }
	got, err := metrics.Histories(t.Context(), db, at(0), at(10), "up", "kube_deployment_metadata_generation", "pay_seconds", "no.such")
	want := []metrics.History{
		{Name: "kube_deployment_metadata_generation", Labels: map[string]string{"deployment": "web"}, Steps: []metrics.Step{{At: at(0), Value: 3}, {At: at(2), Value: 4}}, Last: at(3), Ended: true},
		{Name: "kube_deployment_metadata_generation", Labels: map[string]string{"deployment": "db"}, Steps: []metrics.Step{{At: at(1), Value: 7}}, Last: at(2)},
		{Name: "up", Labels: map[string]string{}, Steps: []metrics.Step{{At: at(0), Value: 0}, {At: at(1), Value: 1}, {At: at(2), Value: 0}}, Last: at(2)},
	}
	less := cmp.Transformer("set", func(hs []metrics.History) map[string]metrics.History {
		m := map[string]metrics.History{}
		for _, h := range hs {
			m[h.Name+h.Labels["deployment"]] = h
		}
		return m
	})
	if d := cmp.Diff(want, got, less); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}
