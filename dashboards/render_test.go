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

var inputs = map[string]Input{
	"unknown":    input(),
	"containers": input("container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "http_requests_total", "http_request_duration_seconds_bucket"),
	"processes":  input("process_cpu_seconds_total", "process_resident_memory_bytes", "http_server_request_duration_seconds_count", "http_server_request_duration_seconds_bucket"),
}

func TestRenderGolden(t *testing.T) {
	for name, in := range inputs {
		w := Render(in)
		for _, b := range w.Boards {
			golden(t, filepath.Join("testdata", name+".json"), b.JSON)
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
		if !slices.Equal(w.Dashboards, []string{w.Boards[0].UID}) {
			t.Errorf("%s: names say %v, rendered is %s", id, w.Dashboards, w.Boards[0].UID)
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
var variables = strings.NewReplacer("$cluster", ".*", "$namespace", ".*", "$__rate_interval", "1m")

func promTargets(t *testing.T, in Input) (ts []target, titles []string) {
	t.Helper()
	for _, b := range Render(in).Boards {
		var d board
		if err := json.Unmarshal(b.JSON, &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Datasource.Type == typePrometheus {
					ts, titles = append(ts, q), append(titles, p.Title)
				}
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
		if len(targets) < 10 {
			t.Fatalf("%s: %d PromQL queries, want the overview's", name, len(targets))
		}
		for i, q := range targets {
			expr, err := pql.ParseExpr(variables.Replace(q.Expr))
			if err != nil {
				t.Errorf("%s, %s: %v\n%s", name, titles[i], err, q.Expr)
				continue
			}
			selectors := strings.Count(q.Expr, narrow)
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

// TestLogQueries checks the shape of the Elasticsearch queries: narrowed, and
// with time innermost, since Grafana makes no series otherwise.
func TestLogQueries(t *testing.T) {
	var d board
	if err := json.Unmarshal(Render(input()).Boards[0].JSON, &d); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			if q.Datasource.Type != typeElasticsearch {
				continue
			}
			if !strings.HasPrefix(q.Query, logsNarrow) || q.TimeField != "@timestamp" || len(q.Metrics) != 1 {
				t.Errorf("%s: %+v", p.Title, q)
			}
			kinds = append(kinds, q.Metrics[0].Type)
			switch q.Metrics[0].Type {
			case "count":
				if n := len(q.BucketAggs); n == 0 || q.BucketAggs[n-1].Type != "date_histogram" {
					t.Errorf("%s: buckets %+v", p.Title, q.BucketAggs)
				}
			case "logs":
				if len(q.BucketAggs) != 0 || q.Metrics[0].Settings["limit"] == "" {
					t.Errorf("%s: %+v", p.Title, q)
				}
			}
		}
	}
	if want := []string{"count", "count", "logs", "logs"}; !slices.Equal(kinds, want) {
		t.Errorf("log queries %v, want %v", kinds, want)
	}
}

// TestLayout sees to it that panels have ids of their own and do not overlap.
func TestLayout(t *testing.T) {
	var d board
	if err := json.Unmarshal(Render(input()).Boards[0].JSON, &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("id %d twice", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%q lies over %q or beyond the edge at %d,%d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
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
