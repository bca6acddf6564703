package scrape

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/promql/parser"
)

// Federate is a Prometheus server that the cluster runs already, whose series of
// owned namespaces are pulled from its /federate: one request for each namespace,
// so that none is so large that it times out. Their times are the server's, and a
// series that the server shows no longer is marked stale.
type Federate struct {
	URL       string        // such as http://prometheus.monitoring.svc:9090
	Job       string        // label job of up and its like; "": federate
	Match     []string      // selectors that narrow what is pulled; none: everything
	Interval  time.Duration // 0: the Manager's
	TokenFile string
	CAFile    string

	base     *url.URL
	matchers [][]*labels.Matcher
}

// labelMatch tells the requests for several selectors apart, in up and its like.
const labelMatch = "match"

func (f *Federate) check() error {
	bad := func(what string) error { return fmt.Errorf("federate from %q: %s", f.URL, what) }
	u, err := url.Parse(f.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return bad("want a URL such as http://prometheus.monitoring.svc:9090")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	f.base, f.matchers = u, nil
	p := parser.NewParser(parser.Options{})
	for _, m := range f.Match {
		ms, err := p.ParseMetricSelector(m)
		if err != nil {
			return bad(fmt.Sprintf("match %q: %v", m, err))
		}
		f.matchers = append(f.matchers, ms)
	}
	if len(f.matchers) == 0 {
		f.matchers = [][]*labels.Matcher{nil}
	}
	return nil
}

func federatePool(i int) string { return fmt.Sprintf("federate/%d", i) }

// federateConfig gives the pool of a server's requests.
func (m *Manager) federateConfig(i int, f *Federate) *config.ScrapeConfig {
	c := m.pool(federatePool(i))
	c.HonorLabels, c.TrackTimestampsStaleness = true, true
	c.MetricsPath = strings.TrimSuffix(f.base.Path, "/") + "/federate"
	c.Scheme = f.base.Scheme
	c.ScrapeInterval = model.Duration(cmp.Or(f.Interval, m.opts.Interval))
	c.ScrapeTimeout = c.ScrapeInterval // a server that has much takes long
	if f.TokenFile != "" {
		c.HTTPClientConfig.Authorization = &commonconfig.Authorization{Type: "Bearer", CredentialsFile: f.TokenFile}
	}
	c.HTTPClientConfig.TLSConfig.CAFile = f.CAFile
	drop := relabel.DefaultRelabelConfig
	drop.Action, drop.Regex, drop.NameValidationScheme = relabel.LabelDrop, relabel.MustNewRegexp(labelMatch), model.UTF8Validation
	if len(f.matchers) > 1 {
		c.MetricRelabelConfigs = []*relabel.Config{&drop}
	}
	return c
}

// federateTargets gives a request for each owned namespace and selector.
func (m *Manager) federateTargets(i int, f *Federate) []target {
	var out []target
	if m.opts.Namespaces == nil {
		return nil
	}
	for _, ns := range m.opts.Namespaces() {
		for j, ms := range f.matchers {
			own := map[string]string{"job": cmp.Or(f.Job, "federate"), "instance": f.base.Host, "namespace": ns}
			if len(f.matchers) > 1 {
				own[labelMatch] = f.Match[j]
			}
			t := target{pool: federatePool(i), labels: m.labelSet(f.base.Host, "", "", own)}
			t.labels[model.ParamLabelPrefix+"match[]"] = model.LabelValue(selector(ms, ns))
			out = append(out, t)
		}
	}
	return out
}

// selector narrows a selector to a namespace.
func selector(ms []*labels.Matcher, namespace string) string {
	all := append(ms[:len(ms):len(ms)], labels.MustNewMatcher(labels.MatchEqual, "namespace", namespace))
	parts := make([]string, len(all))
	for i, m := range all {
		parts[i] = m.String()
	}
	return "{" + strings.Join(parts, ",") + "}"
}
