package main

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestLimitsOfAnnotations: a namespace's own limits hold for its tenant's metrics,
// within what the operator allows, and from the moment on that they are said.
func TestLimitsOfAnnotations(t *testing.T) {
	g := testGateway(t, func(c *config.Config) { c.Limits.Series, c.Limits.SeriesMax = 2, 4 })
	east := tenant.Cluster{Name: "east"}
	say := func(series int) {
		t.Helper()
		c := tenant.Claim{Namespace: "shop", UID: "u1", Created: time.Now().Add(-time.Hour), Tenant: "shop", Groups: []string{"g"}}
		c.Limits.SeriesMax, c.Retention.Metrics = series, time.Duration(series)*24*time.Hour
		if _, err := g.directory.Snapshot(t.Context(), east, uint64(series)+1, []tenant.Claim{c}); err != nil {
			t.Fatal(err)
		}
	}
	write := scopetest.WriteClusterOf(east, g.directory)
	// stored gives how many of ten series, which stay the same, are taken.
	stored := func() (n int) {
		t.Helper()
		app := g.series.Appender(t.Context(), write)
		for i := range 10 {
			ls := labels.FromStrings("__name__", "m", "namespace", "shop", "i", string(rune('a'+i)))
			_, err := app.Append(0, ls, 0, time.Now().UnixMilli(), 1, nil, nil, storage.AOptions{})
			if limit, ok := errors.AsType[*metrics.LimitError](err); err != nil && (!ok || limit.Reason == "") {
				t.Fatal(err)
			}
			if err == nil {
				n++
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, c := range []struct{ says, want int }{{0, 2}, {3, 3}, {100, 4}} {
		say(c.says)
		if n := stored(); n != c.want {
			t.Errorf("where the namespace says %d series, %d are taken, want %d", c.says, n, c.want)
		}
	}
	say(3)
	if got := g.seriesRetention("shop"); got != 3*24*time.Hour {
		t.Errorf("where the namespace says three days, metrics are kept for %s", got)
	}
}
