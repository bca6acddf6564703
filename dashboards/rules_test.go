package dashboards

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

func TestRulesGolden(t *testing.T) {
	var all []json.RawMessage
	for _, r := range Render(input()).Rules {
		all = append(all, r.JSON)
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "rules.json"), raw)
}

// TestRulesFire runs the rules' queries over clusters that share a namespace's
// name: what is wrong in one fires for that one.
func TestRulesFire(t *testing.T) {
	db := promqltest.LoadedStorage(t, `
load 15s
  kube_pod_container_status_restarts_total{cluster="eu",namespace="shop",pod="p",container="app"} 0+1x80
  kube_pod_container_status_restarts_total{cluster="us",namespace="shop",pod="p",container="app"} 0x80
  up{cluster="eu",namespace="shop",job="web",instance="a"} 0x80
  up{cluster="us",namespace="shop",job="web",instance="a"} 1x80
  up{cluster="cut",namespace="shop",job="web",instance="a"} 0x80
  oriel_agent_up{cluster="eu"} 1x80
  oriel_agent_up{cluster="us"} 1x80
  oriel_agent_up{cluster="cut"} 0x80
  container_memory_working_set_bytes{cluster="eu",namespace="shop",pod="p",container="app",image="x"} 95x80
  container_memory_working_set_bytes{cluster="us",namespace="shop",pod="p",container="app",image="x"} 50x80
  kube_pod_container_resource_limits{cluster="eu",namespace="shop",pod="p",container="app",resource="memory"} 100x80
  kube_pod_container_resource_limits{cluster="us",namespace="shop",pod="p",container="app",resource="memory"} 100x80
  kubelet_volume_stats_capacity_bytes{cluster="eu",namespace="shop",persistentvolumeclaim="d"} 100x80
  kubelet_volume_stats_available_bytes{cluster="eu",namespace="shop",persistentvolumeclaim="d"} 5x80
`)
	defer db.Close()
	engine := promqltest.NewTestEngine(t, false, 0, 100000)
	pql := parser.NewParser(parser.Options{})
	fires := map[string][]string{}
	for _, r := range Render(input()).Rules {
		var rule alertRule
		if err := json.Unmarshal(r.JSON, &rule); err != nil {
			t.Fatal(err)
		}
		if len(r.UID) > UIDLenMax {
			t.Errorf("uid %s is too long", r.UID)
		}
		expr, ok := rule.Data[0].Model["expr"].(string)
		if !ok {
			continue
		}
		parsed, err := pql.ParseExpr(expr)
		if err != nil {
			t.Fatalf("%s: %v", rule.Title, err)
		}
		parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
			if a, ok := n.(*parser.AggregateExpr); ok && (a.Without || !slices.Contains(a.Grouping, "cluster")) {
				t.Errorf("%s adds up clusters: %s", rule.Title, a)
			}
			return nil
		})
		q, err := engine.NewInstantQuery(t.Context(), db, nil, expr, time.Unix(1200, 0))
		if err != nil {
			t.Fatal(err)
		}
		v, err := q.Exec(t.Context()).Vector()
		if err != nil {
			t.Fatalf("%s: %v", rule.Title, err)
		}
		for _, s := range v {
			if s.F > 0 {
				fires[rule.Title] = append(fires[rule.Title], s.Metric.Get("cluster"))
			}
		}
		q.Close()
	}
	want := map[string][]string{"Crash loop": {"eu"}, "Target down": {"eu"}, "Memory near its limit": {"eu"}, "Volume nearly full": {"eu"}, "Agent away": {"cut"}}
	if d := cmp.Diff(want, fires); d != "" {
		t.Errorf("rules that fire, by cluster (-want +got):\n%s", d)
	}
}

func TestJudgeRule(t *testing.T) {
	want := Render(input()).Rules[0]
	with := func(f func(map[string]any)) []byte { return change(t, want.JSON, f) }
	for name, c := range map[string]struct {
		live []byte
		want Verdict
	}{
		"as written": {want.JSON, Same},
		"with Grafana's own additions": {with(func(d map[string]any) {
			d["id"], d["updated"], d["isPaused"] = 7, "2026", true
			d["data"].([]any)[0].(map[string]any)["model"].(map[string]any)["intervalMs"] = 1000
		}), Same},
		"waits longer":    {with(func(d map[string]any) { d["for"] = "1h" }), Edited},
		"somebody else's": {with(func(d map[string]any) { d["annotations"] = map[string]any{} }), Foreign},
	} {
		got, err := JudgeRule(c.live, want)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
	// Written by an Oriel that wanted something else: no edit.
	n := NamesOf("payments")
	older := n.rule("crash", "Crash loop", "warning", "9m", "other words", alertQuery{RefID: "A", DatasourceUID: n.Metrics, Model: map[string]any{"refId": "A", "expr": "up"}}, "A", 0)
	if got, err := JudgeRule(older.JSON, want); err != nil || got != Stale {
		t.Errorf("an older one: %v, %v", got, err)
	}
}
