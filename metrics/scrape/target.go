package scrape

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// target is one thing to scrape.
type target struct {
	pool   string // which of the configurations of config.go
	labels model.LabelSet
}

func (t target) key() string { return t.pool + t.labels.String() }

func compareTargets(a, b target) int {
	return cmp.Or(cmp.Compare(a.pool, b.pool), cmp.Compare(a.labels.String(), b.labels.String()))
}

// Static is a target that no discovery finds.
type Static struct {
	Job       string // label job; required
	Namespace string // whose owner gets the samples; required unless Platform
	// Pod, Container and Node are labels; a tenant target without them gets the
	// job's name, the job's name and this machine's.
	Pod, Container, Node string
	Address              string        // host:port
	Scheme               string        // http or https; "": http
	Path                 string        // "": /metrics
	Interval             time.Duration // 0: the Manager's
	// Platform marks a target of the operator's, whose samples name their own
	// namespaces (kube-state-metrics, say). Its namespace is a label like others.
	Platform bool
}

type staticKey struct{ job, namespace, pod, address string }

func (s Static) key() staticKey { return staticKey{s.Job, s.Namespace, s.Pod, s.Address} }

func (s Static) validate() error {
	bad := func(what string) error {
		return fmt.Errorf("static target %q of job %q: %s", s.Address, s.Job, what)
	}
	host, port, err := net.SplitHostPort(s.Address)
	switch {
	case s.Job == "":
		return bad("it has no job; give it one, such as job: shop")
	case s.Namespace == "" && !s.Platform:
		return bad("it has no namespace; name the one whose owner gets the samples")
	case err != nil || host == "" || !isPort(port):
		return bad("want host:port, such as 127.0.0.1:8080")
	case s.Scheme != "" && s.Scheme != "http" && s.Scheme != "https":
		return bad(fmt.Sprintf("scheme %q; want http or https", s.Scheme))
	case s.Path != "" && !strings.HasPrefix(s.Path, "/"):
		return bad(fmt.Sprintf("path %q; want one that begins with /, such as /metrics", s.Path))
	case s.Interval < 0 || s.Interval != 0 && s.Interval < time.Second:
		return bad(fmt.Sprintf("interval %s; want one second or more", s.Interval))
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// AddStatic adds a target, or changes the one with the same job, namespace, pod
// and address.
func (m *Manager) AddStatic(s Static) error {
	if err := s.validate(); err != nil {
		return err
	}
	m.mu.Lock()
	m.static[s.key()] = s
	m.mu.Unlock()
	m.Reload()
	return nil
}

// RemoveStatic removes a target that AddStatic or the Options made; its series
// are marked stale. One that is not there is no error.
func (m *Manager) RemoveStatic(job, namespace, pod, address string) {
	m.mu.Lock()
	delete(m.static, staticKey{job, namespace, pod, address})
	m.mu.Unlock()
	m.Reload()
}

func (m *Manager) staticTarget(s Static) target {
	t := target{pool: poolTenant}
	if s.Platform {
		t.pool = poolPlatform
	} else {
		s.Pod, s.Container, s.Node = cmp.Or(s.Pod, s.Job), cmp.Or(s.Container, s.Job), cmp.Or(s.Node, m.host)
	}
	t.labels = m.labelSet(s.Address, s.Scheme, s.Path, map[string]string{
		"job": s.Job, "namespace": s.Namespace, "pod": s.Pod, "container": s.Container, "node": s.Node, "instance": s.Address,
	})
	if s.Interval > 0 {
		t.labels[model.ScrapeIntervalLabel] = model.LabelValue(model.Duration(s.Interval).String())
		t.labels[model.ScrapeTimeoutLabel] = model.LabelValue(model.Duration(min(s.Interval, timeoutMax)).String())
	}
	return t
}

// labelSet gives a target's labels, with the cluster's; empty ones are left out.
func (m *Manager) labelSet(address, scheme, path string, own map[string]string) model.LabelSet {
	c := m.opts.Cluster
	ls := model.LabelSet{model.AddressLabel: model.LabelValue(address)}
	for name, v := range map[string]string{
		string(model.SchemeLabel): scheme, string(model.MetricsPathLabel): path,
		"cluster": c.Name, "region": c.Region, "cloud": c.Cloud,
	} {
		if v != "" {
			ls[model.LabelName(name)] = model.LabelValue(v)
		}
	}
	for name, v := range own {
		if v != "" {
			ls[model.LabelName(name)] = model.LabelValue(v)
		}
	}
	return ls
}

// pacer lets new targets in: one at once, many spread over the time that their
// scrapes take, at most one interval, since targets that begin together are
// scraped together for ever after.
type pacer struct{ due map[string]time.Time }

// perTarget is how far apart new targets begin.
const perTarget = 5 * time.Millisecond

// groups gives the targets that are due, as the scrape manager wants them, and
// when to ask again; zero where all are in.
func (p *pacer) groups(ts []target, interval time.Duration, now time.Time, pools []string) (map[string][]*targetgroup.Group, time.Time) {
	old := p.due
	p.due = make(map[string]time.Time, len(ts))
	fresh := 0
	for _, t := range ts {
		if _, ok := old[t.key()]; !ok {
			fresh++
		}
	}
	step := perTarget
	if fresh > 0 {
		step = min(step, interval/time.Duration(fresh))
	}
	var (
		next  time.Time
		begin = now
		out   = map[string][]*targetgroup.Group{}
	)
	for _, pool := range pools {
		out[pool] = []*targetgroup.Group{{Source: pool}}
	}
	for _, t := range ts {
		key := t.key()
		due, ok := old[key]
		if !ok {
			due, begin = begin, begin.Add(step)
		}
		p.due[key] = due
		if due.After(now) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		out[t.pool][0].Targets = append(out[t.pool][0].Targets, t.labels)
	}
	if !next.IsZero() && next.Before(now.Add(reloadEvery)) {
		next = now.Add(reloadEvery) // the scrape manager takes no more often
	}
	return out, next
}

// counters are the Manager's own metrics.
type counters struct {
	targets, refused *prometheus.GaugeVec
}

// kindMonitor is how the targets of monitors are counted, together; kindFederate,
// the requests to other Prometheus servers.
const (
	kindMonitor  = "monitor"
	kindFederate = "federate"
)

// reasonsCounted are the reasons of oriel_scrape_refused_objects.
func reasonsCounted() []string {
	out := []string{kindMonitor}
	for _, r := range refusals {
		out = append(out, r.label)
	}
	return out
}

func newCounters(reg prometheus.Registerer, more ...prometheus.Collector) (*counters, error) {
	c := &counters{
		targets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oriel_scrape_targets", Help: "Targets by kind; excess are those beyond their namespace's limit, which are not scraped.",
		}, []string{"kind"}),
		refused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oriel_scrape_refused_objects", Help: "Pods that ask to be scraped and are not, by reason, and monitor objects of which something is not done.",
		}, []string{"reason"}),
	}
	c.count(nil, 0, nil)
	if reg == nil {
		return c, nil
	}
	errs := []error{reg.Register(c.targets), reg.Register(c.refused)}
	for _, m := range more {
		errs = append(errs, reg.Register(m))
	}
	return c, errors.Join(errs...)
}

func (c *counters) count(ts []target, excess int, refused map[string]int) {
	n := map[string]int{kindMonitor: 0, kindFederate: 0, "excess": excess}
	for _, pool := range pools {
		n[pool] = 0
	}
	for _, t := range ts {
		kind := t.pool
		if strings.HasPrefix(kind, "federate/") {
			kind = kindFederate
		} else if !slices.Contains(pools[:], kind) {
			kind = kindMonitor
		}
		n[kind]++
	}
	for kind, v := range n {
		c.targets.WithLabelValues(kind).Set(float64(v))
	}
	for _, reason := range reasonsCounted() {
		c.refused.WithLabelValues(reason).Set(float64(refused[reason]))
	}
}
