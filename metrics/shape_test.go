package metrics_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/oriel-project/oriel/metrics"
)

func TestShapes(t *testing.T) {
	db := promqltest.LoadedStorage(t, `
load 15s
  orders_total{pod="a",result="paid"} 0+1x10
  orders_total{pod="b",result="paid"} 0+1x10
  orders_total{pod="b",result="failed"} 0+1x10
  pay_seconds{pod="a"} {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x10
`)
	defer db.Close()
	from, to := time.Unix(0, 0), time.Unix(150, 0)
	names, err := metrics.Names(t.Context(), db, from, to)
	if d := cmp.Diff([]string{"orders_total", "pay_seconds"}, names); err != nil || d != "" {
		t.Errorf("names %v\n%s", err, d)
	}
	for name, want := range map[string]metrics.Shape{
		"orders_total": {Labels: map[string]int{"__name__": 1, "pod": 2, "result": 2}},
		"pay_seconds":  {Labels: map[string]int{"__name__": 1, "pod": 1}, Native: true},
		"nothing":      {Labels: map[string]int{}},
	} {
		got, err := metrics.ShapeOf(t.Context(), db, from, to, name)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
}
