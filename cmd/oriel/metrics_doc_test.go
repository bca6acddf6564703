package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant/access"
)

const (
	metricsFile  = "../../docs/metrics.md"
	metricsBegin = "<!-- metrics: begin -->\n"
	metricsEnd   = "<!-- metrics: end -->\n"
)

// The page lists every metric of the processes' registries with its labels and
// its help; -update rewrites the list.
func TestMetricsReference(t *testing.T) {
	doc, err := os.ReadFile(metricsFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(doc), metricsBegin)
	_, tail, ok2 := strings.Cut(rest, metricsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s: the marks %q and %q are missing", metricsFile, metricsBegin, metricsEnd)
	}
	list := metricsList(t, map[string]*prometheus.Registry{"central": centralRegistry(t), "agent": agentRegistry(t), "central over a cluster": elasticRegistry(t)})
	golden.Check(t, "../"+metricsFile, []byte(head+metricsBegin+list+metricsEnd+tail))
}

func metricsList(t *testing.T, regs map[string]*prometheus.Registry) string {
	t.Helper()
	known := map[string]*metric{}
	libraries := regexp.MustCompile(`^(go|process|promhttp)_`)
	pattern := regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: ("(?:[^"\\]|\\.)*"),.* constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)
	for _, where := range []string{"central", "agent", "central over a cluster"} {
		descs := make(chan *prometheus.Desc, 1000) // Describe must not wait for us: it holds a lock
		regs[where].Describe(descs)
		close(descs)
		for d := range descs {
			m := pattern.FindStringSubmatch(d.String())
			if m == nil {
				t.Fatalf("cannot read %s", d)
			}
			name := m[1]
			if libraries.MatchString(name) {
				continue
			}
			if !strings.HasPrefix(name, "oriel_") || m[2] == `""` {
				t.Errorf("%s: want a name that begins with oriel_, and a help", d)
			}
			if known[name] == nil {
				known[name] = &metric{name: name, help: strings.Trim(m[2], `"`), labels: labelNames(m[3], m[4])}
			}
			if k := known[name]; !slices.Contains(k.in, where) && !strings.HasPrefix(where, k.in0()+" ") {
				k.in = append(k.in, where)
			}
		}
	}
	var all []*metric
	for _, m := range known {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *metric) int { return cmp.Compare(a.name, b.name) })
	var b strings.Builder
	const columns = "\n| metric | labels | meaning | in |\n|---|---|---|---|\n"
	b.WriteString(columns)
	for _, m := range all {
		if strings.HasPrefix(m.name, "oriel_prometheus_") {
			continue
		}
		b.WriteString(row(m))
	}
	b.WriteString("\n## Of the libraries of Prometheus inside\n\nScraping, PromQL and the receiver are Prometheus' own; what they count is theirs, with `oriel_` before it.\n" + columns)
	for _, m := range all {
		if strings.HasPrefix(m.name, "oriel_prometheus_") {
			b.WriteString(row(m))
		}
	}
	b.WriteByte('\n')
	return b.String()
}

// metric is one row of the page.
type metric struct {
	name, help string
	labels, in []string
}

// in0 is the first process that has it.
func (m *metric) in0() string {
	if len(m.in) == 0 {
		return "none"
	}
	return m.in[0]
}

// labelNames of `a="x",b="y"` and `c,d` are a, b, c, d.
func labelNames(constant, variable string) []string {
	var names []string
	for l := range strings.SplitSeq(constant+","+variable, ",") {
		if name, _, _ := strings.Cut(l, "="); name != "" {
			names = append(names, "`"+name+"`")
		}
	}
	return names
}

func row(m *metric) string {
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.name, strings.Join(m.labels, " "), strings.ReplaceAll(m.help, "|", `\|`), strings.Join(m.in, ", "))
}

// centralRegistry is a gateway's that has a Grafana.
func centralRegistry(t *testing.T) *prometheus.Registry {
	return testGateway(t, func(c *config.Config) {
		c.Grafana.URL, c.Grafana.PasswordFile = "http://127.0.0.1:1", secretFile(t)
	}).reg
}

// elasticRegistry is a gateway's whose logs are in an Elasticsearch cluster.
func elasticRegistry(t *testing.T) *prometheus.Registry {
	return testGateway(t, func(c *config.Config) {
		c.Logs.Store, c.Logs.Elastic.URLs = config.StoreElastic, []string{"http://127.0.0.1:1"}
	}).reg
}

// agentRegistry is an agent's that watches a cluster.
func agentRegistry(t *testing.T) *prometheus.Registry {
	t.Helper()
	cfg := config.Default(config.RoleAgent)
	cfg.Agent.Central.URL, cfg.Agent.Central.TokenFile = "http://127.0.0.1:1", secretFile(t)
	dir, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	reg, log := newMetricsRegistry(), slog.New(slog.DiscardHandler)
	up, err := newUplink(uplinkOptions{cfg: cfg, dir: dir, reg: reg, log: log, undecided: func(string) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.close)
	tokens, err := access.OpenTokens(dir.Path(dirTokens), clock.System)
	if err != nil {
		t.Fatal(err)
	}
	guard := access.New(access.Options{Directory: &decisions{}, Tokens: tokens, Local: localCluster(cfg), Logger: log, Registerer: reg})
	client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newEdge(edgeOptions{
		cfg: cfg, log: log, reg: reg, access: guard, roster: up.roster, samples: metrics.Appendable(up.samples),
		records: up.records, dir: dir, stamper: &logging.Stamper{}, kube: client, done: t.Context().Done(), interval: 1e9,
	}); err != nil {
		t.Fatal(err)
	}
	auditAPI(&decisions{}, up.records, &logging.Stamper{}, reg, log)
	return reg
}

func secretFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte("of the test"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
