package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// checker collects what is wrong with values that could be read.
type checker struct {
	*Config
	problems Problems
}

func (k *checker) bad(key, format string, args ...any) {
	line := 0
	// A key that the file does not set has the line of its section.
	for at := key; at != "" && line == 0; {
		line = k.lines[at]
		if i := strings.LastIndexAny(at, ".["); i >= 0 {
			at = at[:i]
		} else {
			at = ""
		}
	}
	k.problems = append(k.problems, Problem{File: k.file, Line: line, Key: key, What: fmt.Sprintf(format, args...)})
}

func (c *Config) check() Problems {
	k := &checker{Config: c}
	k.cluster()
	k.agent()
	k.kubernetes()
	k.scrape()
	k.tenancy()
	k.oneOf("auth.anonymous", c.Auth.Anonymous, AnonymousOperator, AnonymousNone)
	k.forward()
	k.journal()
	k.stores()
	k.limits()
	k.grafana()
	k.es()
	k.together("tls.cert_file", c.TLS.CertFile, "tls.key_file", c.TLS.KeyFile)
	if c.TLS.ClientCAFile != "" && c.TLS.CertFile == "" {
		k.bad("tls.client_ca_file", "asks clients for certificates without having one: set tls.cert_file and tls.key_file, too")
	}
	k.atLeast("archive.keep", c.Archive.Keep, time.Hour, "7d")
	return k.problems
}

func (k *checker) cluster() {
	k.label("cluster.name", k.Cluster.Name, "eu-1")
	k.stamp("cluster.region", k.Cluster.Region, "eu-central")
	k.stamp("cluster.cloud", k.Cluster.Cloud, "private")
}

func (k *checker) agent() {
	c := k.Agent.Central
	switch {
	case c.URL != "":
		k.url("agent.central.url", c.URL, "https://oriel.example:7480")
		if c.TokenFile == "" {
			k.bad("agent.central.token_file", "central asks for a cluster's token: make one there with `oriel token create --cluster %s` and name its file here", k.Cluster.Name)
		}
	case k.role == RoleAgent:
		k.bad("agent.central.url", "an agent needs to know central: set it to central's HTTP listener, such as https://oriel.example:7480")
	case c.TokenFile != "" || c.CAFile != "":
		k.bad("agent.central.url", "is missing, and token_file and ca_file mean nothing without it: set it, such as to https://oriel.example:7480")
	}
}

var prefixPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?/$`)

func (k *checker) kubernetes() {
	if p := k.Kubernetes.AnnotationPrefix; !prefixPattern.MatchString(p) {
		k.bad("kubernetes.annotation_prefix", "%q: want a DNS name and a slash, such as oriel/ or oriel.example.com/", clip(p))
	}
	k.atLeast("kubernetes.pods_kept", k.Kubernetes.PodsKept, time.Minute, "6h")
	if k.Kubernetes.Context != "" && k.Kubernetes.Kubeconfig == "" {
		k.bad("kubernetes.context", "means nothing without a file: set kubernetes.kubeconfig, too")
	}
}

var labelNamePattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (k *checker) scrape() {
	stamped := []string{"cluster", "region", "cloud", "namespace", "job", "instance"}
	k.atLeast("scrape.interval", k.Scrape.Interval, time.Second, "15s")
	for i, s := range k.Scrape.Static {
		at := fmt.Sprintf("scrape.static[%d].", i)
		if s.Job == "" {
			k.bad(at+"job", "is missing: give the targets a name, such as shop")
		}
		if s.Platform && s.Namespace != "" {
			k.bad(at+"namespace", "contradicts platform: the samples name their own")
		}
		if s.Namespace != "" {
			k.label(at+"namespace", s.Namespace, "shop-prod")
		}
		if len(s.Targets) == 0 {
			k.bad(at+"targets", "is empty: list at least one host:port, such as 127.0.0.1:9100")
		}
		for j, t := range s.Targets {
			k.hostPort(fmt.Sprintf("%stargets[%d]", at, j), t, "127.0.0.1:9100")
		}
		if s.Path != "" && !strings.HasPrefix(s.Path, "/") {
			k.bad(at+"path", "%q: want a path such as /metrics", clip(s.Path))
		}
		if s.Scheme != "" {
			k.oneOf(at+"scheme", s.Scheme, "http", "https")
		}
		for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
			switch {
			case slices.Contains(stamped, name):
				k.bad(at+"labels."+name, "is stamped by Oriel: remove it")
			case !labelNamePattern.MatchString(name) || strings.HasPrefix(name, "__"):
				k.bad(at+"labels."+clip(name), "is no label name: want letters, digits and '_', such as pod")
			}
		}
	}
	for _, l := range []struct {
		key   string
		v, of int
	}{
		{"targets", k.Scrape.Limits.Targets, 1000}, {"samples", k.Scrape.Limits.Samples, 50_000}, {"labels", k.Scrape.Limits.Labels, 64},
		{"label_name_bytes", k.Scrape.Limits.LabelNameBytes, 256}, {"label_value_bytes", k.Scrape.Limits.LabelValueBytes, 4096},
	} {
		if l.v < 1 {
			k.bad("scrape.limits."+l.key, "%d: want 1 or more, such as %d", l.v, l.of)
		}
	}
	if k.Scrape.Limits.Body < 1024 {
		k.bad("scrape.limits.body", "%s: want 1KiB or more, such as 50MiB", k.Scrape.Limits.Body)
	}
	k.oneOf("scrape.state.from", k.Scrape.State.From, StateAuto, StateOwn, StateOff)
	k.label("scrape.state.namespace", k.Scrape.State.Namespace, "kube-system")
	for i, f := range k.Scrape.Federate {
		at := fmt.Sprintf("scrape.federate[%d].", i)
		if f.URL == "" {
			k.bad(at+"url", "is missing: name the server, such as http://prometheus.monitoring.svc:9090")
		} else {
			k.url(at+"url", f.URL, "http://prometheus.monitoring.svc:9090")
		}
		if f.Interval != 0 {
			k.atLeast(at+"interval", f.Interval, time.Second, "1m")
		}
	}
	kl := k.Scrape.Kubelet
	if kl.CAFile != "" && kl.InsecureSkipVerify {
		k.bad("scrape.kubelet.insecure_skip_verify", "contradicts ca_file: keep one of the two")
	}
}

func (k *checker) tenancy() {
	for i, g := range k.Tenancy.Grants {
		at := fmt.Sprintf("tenancy.grants[%d].", i)
		if g.Cluster != "*" {
			k.label(at+"cluster", g.Cluster, "eu-1")
		}
		if _, err := path.Match(g.Namespace, ""); err != nil || g.Namespace == "" {
			k.bad(at+"namespace", "%q: want a namespace's name or a pattern, such as shop-*", clip(g.Namespace))
		}
		k.tenant(at+"tenant", g.Tenant)
	}
}

func (k *checker) multiline() {
	m := k.Logs.Multiline
	if m.Wait < 0 || m.Wait > Duration(5*time.Second) {
		k.bad("logs.multiline.wait", "%s: want 0s to 5s, such as 1s: senders wait for an answer meanwhile", m.Wait)
	}
	if m.Lines < 1 || m.Lines > 10_000 {
		k.bad("logs.multiline.lines", "%d: want 1 to 10000, such as 500", m.Lines)
	}
	if m.Bytes < 16<<10 || m.Bytes > 4<<20 {
		k.bad("logs.multiline.bytes", "%s: want 16KiB to 4MiB, such as 256KiB", m.Bytes)
	}
	for i, r := range m.Rules {
		at := fmt.Sprintf("logs.multiline.rules[%d].", i)
		for _, p := range [...][2]string{{"namespace", r.Namespace}, {"container", r.Container}} {
			if _, err := path.Match(p[1], ""); err != nil {
				k.bad(at+p[0], "%q: want a name or a pattern, such as shop-*", clip(p[1]))
			}
		}
		if r.Start == "" {
			k.bad(at+"start", `is missing: give the expression of a line that begins a record, such as ^\d{4}-`)
		}
		for _, e := range [...][2]string{{"start", r.Start}, {"continue", r.Continue}} {
			if _, err := regexp.Compile(e[1]); err != nil {
				k.bad(at+e[0], `%q is no regular expression: want one in RE2's syntax, such as ^\d{4}-`, clip(e[1]))
			}
		}
	}
}

func (k *checker) stores() {
	k.multiline()
	k.oneOf("logs.store", k.Logs.Store, StoreEmbedded, StoreElastic)
	k.elastic()
	if k.Metrics.Store != StoreEmbedded {
		k.bad("metrics.store", "%q: this build supports `embedded`: write that, or remove the key", clip(k.Metrics.Store))
	}
	k.oneOf("logs.durability", k.Logs.Durability, DurabilitySync, DurabilityInterval, DurabilityNone)
	k.atLeast("logs.retention", k.Logs.Retention, time.Hour, "7d")
	k.atLeast("metrics.retention", k.Metrics.Retention, 2*time.Hour, "30d")
	if k.Logs.RetentionMax < k.Logs.Retention {
		k.bad("logs.retention_max", "%s is less than logs.retention, %s: want at least that, such as 90d", k.Logs.RetentionMax, k.Logs.Retention)
	}
	if k.Metrics.RetentionMax < k.Metrics.Retention {
		k.bad("metrics.retention_max", "%s is less than metrics.retention, %s: want at least that, such as 400d", k.Metrics.RetentionMax, k.Metrics.Retention)
	}
	if b := k.Logs.Buffer; b < 1<<20 || b > 8<<30 {
		k.bad("logs.buffer", "%s: want 1MiB to 8GiB, such as 32MiB", b)
	}
	if b := k.Logs.SearchMemory; b < 1<<20 || b > 1<<40 {
		k.bad("logs.search_memory", "%s: want 1MiB or more, such as 256MiB", b)
	}
	if n := k.Logs.Searches; n < 0 || n > 10_000 {
		k.bad("logs.searches", "%d: want the number of searches that may run at a time, or 0", n)
	}
	if b := k.Logs.RecordBytesMax; b < 1<<10 || b > 64<<20 {
		k.bad("logs.record_bytes_max", "%s: want 1KiB to 64MiB, such as 1MiB", b)
	}
	if k.Metrics.OutOfOrder > k.Metrics.Retention {
		k.bad("metrics.out_of_order", "%s is more than metrics.retention, %s: want something such as 10m", k.Metrics.OutOfOrder, k.Metrics.Retention)
	}
}

var indexPrefixPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

func (k *checker) elastic() {
	e := k.Logs.Elastic
	const key = "logs.elastic."
	if k.Logs.Store != StoreElastic {
		if len(e.URLs) > 0 {
			k.bad(key+"urls", "means nothing while logs.store is %s: set that to elastic, or remove this", clip(k.Logs.Store))
		}
		return
	}
	if len(e.URLs) == 0 {
		k.bad(key+"urls", "is empty: list at least one node, such as https://es-1.example:9200")
	}
	for i, u := range e.URLs {
		k.url(fmt.Sprintf("%surls[%d]", key, i), u, "https://es-1.example:9200")
	}
	k.together(key+"user", e.User, key+"password_file", e.PasswordFile)
	if !indexPrefixPattern.MatchString(e.IndexPrefix) {
		k.bad(key+"index_prefix", "%q: want a letter and at most 63 of a-z, 0-9, '_' and '-' behind it, such as oriel", clip(e.IndexPrefix))
	}
	if e.Shards < 1 || e.Shards > 1024 {
		k.bad(key+"shards", "%d: want 1 to 1024, such as 1", e.Shards)
	}
	if e.Replicas < 0 || e.Replicas > 100 {
		k.bad(key+"replicas", "%d: want 0 to 100, such as 1", e.Replicas)
	}
	if e.ScanRecords < 1 {
		k.bad(key+"scan_records", "%d: want at least 1, such as 1000000", e.ScanRecords)
	}
	if k.Logs.Durability != DurabilitySync {
		k.bad("logs.durability", "%s: the elastic store is only had with sync: write that, or remove the key", clip(k.Logs.Durability))
	}
}

func (k *checker) limits() {
	l := k.Limits
	if l.Series < 1 {
		k.bad("limits.series", "%d: want at least 1, such as 100000", l.Series)
	}
	if l.SeriesMax < l.Series {
		k.bad("limits.series_max", "%d is less than limits.series, %d: want at least that, such as 1000000", l.SeriesMax, l.Series)
	}
	if l.Logs < 1 {
		k.bad("limits.logs", "%s: want at least 1B/s, such as 10MB/s", l.Logs)
	}
	if l.LogsMax < l.Logs {
		k.bad("limits.logs_max", "%s is less than limits.logs, %s: want at least that, such as 100MB/s", l.LogsMax, l.Logs)
	}
	if l.LogStreams < 1 {
		k.bad("limits.log_streams", "%d: want at least 1, such as 5000", l.LogStreams)
	}
	if l.Samples < 1 {
		k.bad("limits.samples", "%d: want at least 1, such as 100000", l.Samples)
	}
	if l.Labels < 16 {
		k.bad("limits.labels", "%d: want at least 16, since Oriel stamps nine itself, such as 64", l.Labels)
	}
	if l.LabelLength < 128 || l.LabelLength > 1<<20 {
		k.bad("limits.label_length", "%s: want 128B to 1MiB, such as 4KiB", l.LabelLength)
	}
	if l.Queries < 1 || l.Queries > 1000 {
		k.bad("limits.queries", "%d: want 1 to 1000, such as 10", l.Queries)
	}
	if l.QuerySamples < 1000 {
		k.bad("limits.query_samples", "%d: want at least 1000, such as 50000000", l.QuerySamples)
	}
	k.atLeast("limits.query_time", l.QueryTime, time.Second, "2m")
}

func (k *checker) grafana() {
	g := k.Grafana
	k.oneOf("grafana.isolation", g.Isolation, IsolationOrg, IsolationFolder)
	if g.Requests < 1 || g.Requests > 10_000 {
		k.bad("grafana.requests", "%d: want 1 to 10000, such as 40", g.Requests)
	}
	if g.OrielURL != "" {
		k.url("grafana.oriel_url", g.OrielURL, "https://oriel.example")
	}
	switch {
	case g.URL == "":
		if g.PasswordFile != "" || g.TokenFile != "" {
			k.bad("grafana.url", "is missing, and credentials mean nothing without it: set it, such as to https://grafana.example")
		}
		return
	case g.PasswordFile == "" && g.TokenFile == "":
		k.bad("grafana.password_file", "is missing: name a file with the password of the server admin %q (or set token_file, with isolation: folder)", clip(g.User))
	case g.PasswordFile == "" && g.Isolation == IsolationOrg:
		k.bad("grafana.isolation", "org needs a server admin, and a service account cannot be one: set user and password_file, or isolation: folder, which isolates dashboards only")
	case g.PasswordFile != "" && g.TokenFile != "":
		k.bad("grafana.token_file", "contradicts password_file: keep one of the two")
	case g.PasswordFile != "" && g.User == "":
		k.bad("grafana.user", "is empty: name the server admin whose password password_file holds, such as admin")
	}
	k.url("grafana.url", g.URL, "https://grafana.example")
}

var versionPattern = regexp.MustCompile(`^[78]\.[0-9]{1,3}\.[0-9]{1,3}$`)

func (k *checker) es() {
	if !versionPattern.MatchString(k.ES.Version) {
		k.bad("es.version", "%q: want a version 7 or 8 of three numbers, such as 8.19.0", clip(k.ES.Version))
	}
	if k.ES.PublishAddress != "" {
		k.hostPort("es.publish_address", k.ES.PublishAddress, "oriel.example:9200")
	}
	if b := k.ES.BodyBytesMax; b < 1<<20 || b > 2<<30 {
		k.bad("es.body_bytes_max", "%s: want 1MiB to 2GiB, such as 100MiB", b)
	}
	if b := k.ES.AnswersMemory; b != 0 && (b < 1<<20 || b > 1<<40) {
		k.bad("es.answers_memory", "%s: want 1MiB to 1TiB, such as 1GiB, or 0 for four times logs.search_memory", b)
	}
}

func (k *checker) oneOf(key, value string, want ...string) {
	if !slices.Contains(want, value) {
		k.bad(key, "%q: want %s", clip(value), strings.Join(want, " or "))
	}
}

func (k *checker) atLeast(key string, d Duration, least time.Duration, good string) {
	if time.Duration(d) < least {
		k.bad(key, "%s: want at least %s, such as %s", d, Duration(least), good)
	}
}

func (k *checker) together(keyA, a, keyB, b string) {
	switch {
	case a != "" && b == "":
		k.bad(keyB, "is missing: %s needs it", keyA)
	case a == "" && b != "":
		k.bad(keyA, "is missing: %s needs it", keyB)
	}
}

var labelPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (k *checker) label(key, value, good string) {
	if !labelPattern.MatchString(value) {
		k.bad(key, "%q: want 1 to 63 of a-z, 0-9 and '-', such as %s", clip(value), good)
	}
}

func (k *checker) tenant(key, value string) {
	if _, err := tenant.ParseID(value); err != nil {
		k.bad(key, "%v", err)
	}
}

var stampPattern = regexp.MustCompile(`^[a-zA-Z0-9._-]{0,63}$`)

// stamp checks a free text that lands in labels and fields.
func (k *checker) stamp(key, value, good string) {
	if !stampPattern.MatchString(value) {
		k.bad(key, "%q: want at most 63 letters, digits, '.', '_' and '-', such as %s", clip(value), good)
	}
}

func (k *checker) url(key, value, good string) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		// Not repeated: it may hold a password.
		k.bad(key, "is no URL: want one such as %s", good)
	case u.User != nil:
		k.bad(key, "holds a password or user name: remove it from the URL, secrets come by file")
	case u.RawQuery != "" || u.Fragment != "":
		k.bad(key, "holds a query: want a base URL such as %s", good)
	}
}

func (k *checker) hostPort(key, value, good string) {
	host, port, err := net.SplitHostPort(value)
	n, perr := strconv.Atoi(port)
	if err != nil || host == "" || perr != nil || n < 1 || n > 65535 || strings.ContainsAny(host, "/@? ") {
		k.bad(key, "%q: want host:port, such as %s", clip(value), good)
	}
}
