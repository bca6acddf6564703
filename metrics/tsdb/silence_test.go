package tsdb

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestSilentClusterEnds asks as a panel would, while an agent is dead and after
// it has come back.
func TestSilentClusterEnds(t *testing.T) {
	begin := time.Now().Truncate(time.Second).Add(-10 * time.Minute)
	ends := map[string]int64{}
	s := open(t, t.TempDir(), Options{Silences: func() map[string]int64 { return ends }})
	dead := scopetest.WriteCluster(tenant.Cluster{Name: "dead"}, scopetest.Owners{Of: map[string]tenant.ID{"dead/ns": "a"}})
	well := scopetest.WriteCluster(tenant.Cluster{Name: "well"}, scopetest.Owners{Of: map[string]tenant.ID{"well/ns": "a"}})
	var times []time.Time
	for i := range 9 {
		times = append(times, begin.Add(time.Duration(i)*15*time.Second))
	}
	for _, w := range []tenant.Write{dead, well} {
		for i, at := range times {
			put(t, s, w, map[string]float64{`up{namespace="ns"}`: 1, `n_total{namespace="ns"}`: float64(i)}, at)
		}
	}
	lastAt := times[len(times)-1]
	ask := func(query string, at time.Time) int {
		t.Helper()
		e := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{})})
		q := s.Queryable(scopetest.Read("a"))
		one, err := e.NewInstantQuery(t.Context(), q, nil, query, at)
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		v, err := one.Exec(t.Context()).Vector()
		if err != nil {
			t.Fatal(err)
		}
		return len(v)
	}
	ends["dead"] = lastAt.Add(30 * time.Second).UnixMilli()
	for _, c := range []struct {
		query string
		after time.Duration
		want  int
	}{
		{"up", 0, 2}, {"up", 29 * time.Second, 2}, {"up", 31 * time.Second, 1}, {"up", 4 * time.Minute, 1},
		{`rate(n_total{cluster="dead"}[1m])`, 10 * time.Second, 1},
		{`rate(n_total{cluster="dead"}[1m])`, 61 * time.Second, 0}, // no flat line
		{`up{cluster="dead"} offset 1m`, 31 * time.Second, 1},
		{"up[5m:15s]", 0, 2},
	} {
		if c.query == "up[5m:15s]" {
			c.query = "count_over_time(up[5m:15s])"
		}
		if got := ask(c.query, lastAt.Add(c.after)); got != c.want {
			t.Errorf("%s after %s: %d series, want %d", c.query, c.after, got, c.want)
		}
	}
	// It was not dead for good: what it kept is what it was.
	put(t, s, dead, map[string]float64{`up{namespace="ns"}`: 1}, lastAt.Add(15*time.Second), lastAt.Add(30*time.Second), lastAt.Add(45*time.Second))
	clear(ends)
	for _, after := range []time.Duration{31 * time.Second, 46 * time.Second, 2 * time.Minute} {
		if got := ask(`up{cluster="dead"}`, lastAt.Add(after)); got != 1 {
			t.Errorf("after it came back, at %s: %d series", after, got)
		}
	}
}
