package dashboards

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/oriel-project/oriel/tenant"
)

var update = flag.Bool("update", false, "write the golden files anew")

func input(metrics ...string) Input {
	return Input{
		Tenant:     tenant.Tenant{ID: "payments"},
		GatewayURL: "http://oriel:7480/",
		PageURL:    "https://oriel.example",
		Metrics:    metrics,
	}
}

// everything is what a team in Kubernetes has that exposes all kinds of metrics.
func everything() Input {
	in := input("up", "scrape_duration_seconds", "scrape_samples_post_metric_relabeling",
		"container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_cpu_cfs_throttled_periods_total",
		"container_network_receive_bytes_total", "container_network_receive_packets_dropped_total",
		"kube_deployment_spec_replicas", "kube_deployment_status_replicas_available", "kube_deployment_status_observed_generation",
		"kube_statefulset_replicas", "kube_statefulset_status_replicas_ready",
		"kube_daemonset_status_desired_number_scheduled", "kube_daemonset_status_number_ready",
		"kube_pod_status_phase", "kube_pod_status_ready", restartsTotal, requestsAsked, limitsAsked,
		"kubelet_volume_stats_capacity_bytes", "kubelet_volume_stats_available_bytes", "kube_resourcequota",
		"http_requests_total", "http_request_duration_seconds_bucket", "http_request_duration_seconds_count", "http_request_duration_seconds_sum",
		"orders_total", "queue_depth", "upload_bytes_bucket", "upload_bytes_count", "upload_bytes_sum", "payment_seconds", "job_seconds_sum", "job_seconds_count",
		"a.dotted.total", "go_goroutines", "process_open_fds", "process_start_time_seconds", agentUp, agentLag, agentGaps, agentRefused, agentSkew, scrapeFailing, scrapeRefused, limitUsed, limitOf, probeSuccess, probeRefused)
	in.Own = Inventory(in.Metrics, func(name string) Seen {
		return map[string]Seen{
			"http_requests_total": {Type: "counter", Labels: map[string]int{"code": 3, "handler": 4}},
			"orders_total":        {Type: "counter", Labels: map[string]int{"result": 3, "customer": 400}, Help: "Orders by result."},
			"payment_seconds":     {Native: true, Labels: map[string]int{"code": 2}, Help: "Payments."},
			"a.dotted.total":      {Type: "counter"},
			"queue_depth":         {Type: "gauge", Labels: map[string]int{"queue": 2}},
		}[name]
	})
	return in
}

var inputs = map[string]Input{
	"unknown":    input(),
	"containers": input("container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "http_requests_total", "http_request_duration_seconds_bucket"),
	"processes":  input("process_cpu_seconds_total", "process_resident_memory_bytes", "http_server_request_duration_seconds_count", "http_server_request_duration_seconds_bucket"),
	"everything": everything(),
}

// TestRenderGolden keeps all dashboards of a team that has everything, and those
// that differ where a team has little.
func TestRenderGolden(t *testing.T) {
	golden(t, filepath.Join("testdata", "operator-home.json"), Home("https://oriel.example").JSON)
	for name, keys := range map[string][]string{
		"everything": {boardOverview, boardWorkloads, boardApplication, boardLogs, boardPlatform},
		"processes":  {boardOverview, boardWorkloads, boardApplication},
		"unknown":    {boardOverview, boardApplication},
	} {
		w := Render(inputs[name])
		for _, b := range w.Boards {
			if key := strings.TrimPrefix(b.UID, w.Prefix+"-"); slices.Contains(keys, key) {
				golden(t, filepath.Join("testdata", name+"-"+key+".json"), b.JSON)
			}
		}
		raw, err := json.MarshalIndent(w.Sources, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "sources.json"), raw)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	got = append(slices.Clip(got), '\n')
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (run with -update if that is meant):\n%s", name, d)
	}
}

func TestUIDs(t *testing.T) {
	ok := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`)
	for _, id := range []tenant.ID{"a", "payments", tenant.ID(strings.Repeat("x", 63))} {
		in := input()
		in.Tenant.ID = id
		w := Render(in)
		uids := []string{w.Folder}
		for _, s := range w.Sources {
			uids = append(uids, s.UID)
		}
		for _, b := range w.Boards {
			uids = append(uids, b.UID)
			if !w.Owns(b.UID) {
				t.Errorf("%s: dashboard %s is not known as our own", id, b.UID)
			}
			c, err := CopyOf(w.Names, b.JSON, testTime)
			if err != nil {
				t.Fatal(err)
			}
			uids = append(uids, c.UID)
			if w.Owns(c.UID) {
				t.Errorf("%s: copy %s counts as our own", id, c.UID)
			}
		}
		var rendered []string
		for _, b := range w.Boards {
			rendered = append(rendered, b.UID)
		}
		if !slices.Equal(w.Dashboards(), rendered) {
			t.Errorf("%s: names say %v, rendered is %s", id, w.Dashboards(), rendered)
		}
		for _, uid := range uids {
			if !ok.MatchString(uid) || len(uid) > UIDLenMax {
				t.Errorf("%s: uid %q (%d characters) is not one that Grafana takes", id, uid, len(uid))
			}
		}
	}
	if a, b := NamesOf("payments"), NamesOf("billing"); a.Prefix == b.Prefix {
		t.Error("two tenants have one prefix")
	}
}

// variables are what Grafana would put in for "All".
var variables = strings.NewReplacer("$cluster", ".*", "$namespace", ".*", "$pod", ".*", "$__rate_interval", "1m", "$__range", "5m")

func promTargets(t *testing.T, in Input) (ts []target, titles []string) {
	t.Helper()
	for _, b := range append(Render(in).Boards, Home("")) {
		var d board
		if err := json.Unmarshal(b.JSON, &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Datasource.Type == typePrometheus {
					ts, titles = append(ts, q), append(titles, d.Title+": "+p.Title)
				}
			}
		}
		for _, a := range d.Annotations.List {
			if a.Expr != "" {
				ts, titles = append(ts, target{Expr: a.Expr}), append(titles, d.Title+": note "+a.Name)
			}
		}
	}
	return ts, titles
}

// TestExpressions parses every expression, and sees to it that each selector is
// narrowed by both variables and that nothing adds up clusters.
func TestExpressions(t *testing.T) {
	pql := parser.NewParser(parser.Options{})
	for name, in := range inputs {
		targets, titles := promTargets(t, in)
		if len(targets) < 20 {
			t.Fatalf("%s: %d PromQL queries, want those of five dashboards", name, len(targets))
		}
		for i, q := range targets {
			expr, err := pql.ParseExpr(variables.Replace(q.Expr))
			if err != nil {
				t.Errorf("%s, %s: %v\n%s", name, titles[i], err, q.Expr)
				continue
			}
			selectors := strings.Count(q.Expr, narrow) + strings.Count(q.Expr, ofCluster) + strings.Count(q.Expr, ofTenant)
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				switch n := n.(type) {
				case *parser.VectorSelector:
					selectors--
				case *parser.AggregateExpr:
					if n.Without || !slices.Contains(n.Grouping, "cluster") {
						t.Errorf("%s, %s: %s adds up clusters", name, titles[i], n)
					}
				case *parser.BinaryExpr:
					if m := n.VectorMatching; m != nil && m.On && !slices.Contains(m.MatchingLabels, "cluster") {
						t.Errorf("%s, %s: %s matches series of different clusters", name, titles[i], n)
					}
				}
				return nil
			})
			if selectors != 0 {
				t.Errorf("%s, %s: a selector is not narrowed by cluster and namespace:\n%s", name, titles[i], q.Expr)
			}
		}
	}
}

// boardsOf gives the dashboards of an input, decoded.
func boardsOf(t *testing.T, in Input) (out []board) {
	t.Helper()
	for _, b := range append(Render(in).Boards, Home("")) {
		var d board
		if err := json.Unmarshal(b.JSON, &d); err != nil {
			t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

// TestLogQueries checks the shape of the Elasticsearch queries: narrowed, and
// with time innermost where a series is drawn, since Grafana makes none otherwise.
func TestLogQueries(t *testing.T) {
	asked := 0
	for _, d := range boardsOf(t, everything()) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Datasource.Type != typeElasticsearch {
					continue
				}
				asked++
				if !strings.HasPrefix(q.Query, logsNarrow) || q.TimeField != "@timestamp" || len(q.Metrics) != 1 {
					t.Errorf("%s: %+v", p.Title, q)
				}
				inner := ""
				for _, b := range q.BucketAggs {
					inner = b.Type
				}
				want := "date_histogram"
				switch p.Type {
				case "table":
					want = "terms"
				case "logs":
					want = ""
					if q.Metrics[0].Type != "logs" || q.Metrics[0].Settings["limit"] == "" {
						t.Errorf("%s: %+v", p.Title, q)
					}
				}
				if inner != want {
					t.Errorf("%s, a %s: innermost buckets %q, want %q", p.Title, p.Type, inner, want)
				}
			}
		}
	}
	if asked < 15 {
		t.Errorf("%d log queries", asked)
	}
}

// TestLayout sees to it that panels have ids of their own, titles and words,
// and do not overlap, and that no row stands empty.
func TestLayout(t *testing.T) {
	for name, in := range inputs {
		for _, d := range boardsOf(t, in) {
			ids := map[int]bool{}
			taken := map[[2]int]string{}
			if len(d.Panels) == 0 {
				t.Errorf("%s: %s is empty", name, d.Title)
			}
			for i, p := range d.Panels {
				if ids[p.ID] {
					t.Errorf("%s, %s: id %d twice", name, d.Title, p.ID)
				}
				ids[p.ID] = true
				if p.Title == "" || p.Type != "row" && p.Type != "text" && (p.Description == "" || len(p.Targets) == 0) {
					t.Errorf("%s, %s: panel %q says nothing", name, d.Title, p.Title)
				}
				if p.Type == "row" && (i+1 == len(d.Panels) || d.Panels[i+1].Type == "row") {
					t.Errorf("%s, %s: row %q is empty", name, d.Title, p.Title)
				}
				for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
					for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
						if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
							t.Fatalf("%s, %s: %q lies over %q or beyond the edge at %d,%d", name, d.Title, p.Title, other, x, y)
						}
						taken[[2]int{x, y}] = p.Title
					}
				}
			}
		}
	}
}

// TestDocsAreHonest: the pages say it in these words.
func TestDocsAreHonest(t *testing.T) {
	for _, page := range []string{"../README.md", "../docs/grafana.md"} {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(strings.ReplaceAll(string(raw), "\n>", "\n")), " ")
		if !strings.Contains(text, HonestSentence) {
			t.Errorf("%s does not say: %s", page, HonestSentence)
		}
	}
}
