// Package arch checks what a compiler does not: that every package keeps to
// its floor, that a library stays in the room it belongs to, and that scopes
// are made in one place only.
package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/oriel-project/oriel"

// floors is the map of the house. A package imports lower floors only; a
// package that is not on the map fails the test, so that somebody decides where
// it stands.
var floors = map[string]int{
	"internal/atomicfile": 0,
	"internal/bitpack":    0,
	"internal/clock":      0,
	"internal/colenc":     0,
	"internal/datadir":    0,
	"internal/filelock":   0,
	"internal/golden":     0,
	"internal/httpx":      0,
	"internal/iddict":     0,
	"internal/jsontext":   0,
	"internal/kubeevent":  0,
	"internal/queue":      0,
	"internal/shape":      0,
	"internal/spell":      0,
	"internal/text":       0,
	"internal/vfs":        0,

	"tenant/internal/scope": 0,
	"tenant":                1,
	"tenant/scopetest":      1,

	"config":            2,
	"internal/otlphttp": 2,
	"logging":           2,
	"metrics":           2,

	"esapi/dsl":           3,
	"logging/logtest":     3,
	"metrics/metricstest": 3,
	"logging/segment":     3,

	"tenant/registry": 4,
	"logging/elastic": 4,
	"logging/mem":     4,
	"logging/scan":    4,
	"logging/store":   4,
	"metrics/tsdb":    4,
	"dashboards":      4,

	"tenant/access":          5,
	"tenant/admin":           5,
	"tenant/agentapi":        5,
	"tenant/kube":            5,
	"logging/audit":          5,
	"logging/bulk":           5,
	"logging/events":         5,
	"logging/forward":        5,
	"logging/journal":        5,
	"logging/multiline":      5,
	"logging/otlp":           5,
	"logging/pods":           5,
	"logging/relay":          5,
	"logging/tail":           5,
	"metrics/losses":         5,
	"metrics/agents":         5,
	"metrics/otlp":           5,
	"metrics/promapi":        5,
	"metrics/probe":          5,
	"metrics/self":           5,
	"metrics/usage":          5,
	"metrics/remote":         5,
	"metrics/scrape":         5,
	"dashboards/grafana":     5,
	"dashboards/grafanatest": 5,
	"esapi":                  5,
	"console":                5,

	"cmd/oriel": 6,
	"demo":      6,

	"test/agentbench":             7,
	"test/arch":                   7,
	"test/debian":                 7,
	"test/kubetest":               7,
	"test/metricsbench":           7,
	"test/onboardbench":           7,
	"test/peers":                  7,
	"test/conformance/es":         7,
	"test/conformance/prometheus": 7,
	"test/opensearch":             7,
	"test/script":                 7,
	"test/sim":                    7,
	"test/real":                   7,
}

// engines are known to the edges by the interfaces of floors 1 and 2 alone.
var engines = []string{"logging/store", "logging/scan", "logging/mem", "logging/elastic", "metrics/tsdb"}

// rooms names who may import a library. Everybody else speaks the words of
// floors 1 and 2.
var rooms = []struct {
	library string // import path prefix
	allowed []string
	why     string
}{
	{"github.com/prometheus/prometheus/", []string{"metrics", "test/agentbench"}, "Prometheus' vocabulary stays under metrics/"},
	{"k8s.io/", []string{"tenant/kube", "tenant/access", "metrics/scrape", "metrics/probe", "logging/pods", "logging/events", "internal/kubeevent", "test/kubetest", "cmd/oriel"}, "client-go stays with those who watch, ask for access, or discover targets"},
	{"go.opentelemetry.io/collector", []string{"logging/otlp", "metrics/otlp"}, "OpenTelemetry's data model is the OTLP receivers' business"},
	{"github.com/tinylib/msgp", []string{"logging/forward"}, "msgpack is the forward protocol's business"},
	{"github.com/grafana-tools/sdk", []string{"dashboards/grafana"}, "Grafana's HTTP API has one client"},
	{"github.com/olivere/elastic", []string{"logging/elastic", "cmd/oriel"}, "the client of an Elasticsearch cluster is the store's that lies in one"},
	{"github.com/fluent/fluent-logger-golang", []string{"cmd/oriel", "demo", "test/onboardbench"}, "Oriel forwards its own log, and the demo teams theirs"},
	{module + "/tenant/internal/scope", []string{"tenant", "tenant/access", "tenant/scopetest"}, "scopes are made from credentials, in one place"},
	{module + "/tenant/scopetest", []string{}, "scopes for tests are for tests"},
	{module + "/metrics/metricstest", []string{}, "random series and queries are for tests"},
	{module + "/logging/logtest", []string{"test/sim"}, "random records and queries are for tests"},
	{module + "/dashboards/grafanatest", []string{"test/script", "test/onboardbench"}, "the stand-in is for tests"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
	Module     *struct{ Path string }
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles,Module", module+"/...").Output()
	if err != nil {
		if ee, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, ee.Stderr)
		}
		t.Fatal(err)
	}
	var ps []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	if len(ps) < 10 {
		t.Fatalf("go list found %d packages: is this the module's root?", len(ps))
	}
	return ps
}

func TestFloors(t *testing.T) {
	for _, p := range packages(t) {
		name := rel(p.ImportPath)
		floor, ok := floors[name]
		if !ok {
			if len(p.GoFiles) > 0 {
				t.Errorf("package %s is on no floor: decide where it stands and add it to the map in test/arch", name)
			}
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module+"/") {
				continue
			}
			target := rel(imp)
			tf, ok := floors[target]
			if !ok {
				continue // reported for itself
			}
			if tf > floor || (tf == floor && !neighbours(name, target)) {
				t.Errorf("%s (floor %d) imports %s (floor %d): lower floors only", name, floor, target, tf)
			}
			if floor == 5 && slices.Contains(engines, target) {
				t.Errorf("%s (an edge) imports the engine %s: know it by its interface", name, target)
			}
		}
	}
}

func TestRooms(t *testing.T) {
	for _, p := range packages(t) {
		name := rel(p.ImportPath)
		for _, imp := range p.Imports {
			for _, r := range rooms {
				if (imp == r.library || strings.HasPrefix(imp, strings.TrimSuffix(r.library, "/")+"/")) && !within(name, r.allowed) {
					t.Errorf("%s imports %s: %s", name, imp, r.why)
				}
			}
		}
	}
}

// neighbours may import each other on the same floor: the small parts of
// internal, what makes scopes for tests of tenant, the log store with the search
// over its blocks, the program of its demo, and what gives tests the programs of
// Debian and of other projects.
func neighbours(name, target string) bool {
	return (strings.HasPrefix(name, "internal/") && strings.HasPrefix(target, "internal/")) ||
		(name == "tenant/scopetest" && target == "tenant") ||
		(name == "logging/store" && target == "logging/scan") ||
		(name == "cmd/oriel" && target == "demo") ||
		(strings.HasPrefix(name, "test/") && (target == "test/debian" || target == "test/kubetest" || target == "test/peers"))
}

func rel(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

// within reports whether the package is one of the allowed or, for "metrics",
// below it.
func within(name string, allowed []string) bool {
	for _, a := range allowed {
		if name == a || (a == "metrics" && strings.HasPrefix(name, "metrics/")) {
			return true
		}
	}
	return false
}
