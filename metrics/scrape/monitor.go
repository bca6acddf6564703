package scrape

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The kinds of monitor objects, by resource.
const (
	kindPodMonitor     = "PodMonitor"
	kindServiceMonitor = "ServiceMonitor"
	monitorGroup       = "monitoring.coreos.com"
	monitorVersion     = "v1"
)

// monitor is a PodMonitor or ServiceMonitor: what its owner asks for, taken
// apart. What of it cannot be done is in problems, in whole sentences for the
// owner, and harms nothing else of it: an endpoint that is wrong is left out.
type monitor struct {
	ref                     corev1.ObjectReference
	selector                klabels.Selector
	jobLabel                string
	targetLabels, podLabels []string
	limits                  Limits // smaller ones than the Manager's; 0: the Manager's
	targetsMax              uint
	protocols               monitorProtocols
	endpoints               []endpoint
	problems                []string
}

// monitorProtocols is how a monitor wants its targets to answer.
type monitorProtocols struct {
	scrape          []monitoringv1.ScrapeProtocol
	fallback        *monitoringv1.ScrapeProtocol
	native, classic *bool
	toCustom        *bool
	bucketsMax      uint
	bucketFactorMin float64
}

// endpoint is one entry of a monitor's list.
type endpoint struct {
	index             int
	port              string              // name of the Service's or container's port
	number            int32               // of the container's port
	target            *intstr.IntOrString // of the container's port
	path, scheme      string
	params            map[string][]string
	interval, timeout time.Duration
	finished          bool // ended pods, too
	relabel, metric   []*relabel.Config
	auth              monitoringv1.HTTPConfig
	http2             bool
}

// pool names the endpoint's pool of targets, and its job in the scrape manager.
func (m *monitor) pool(e *endpoint) string {
	return fmt.Sprintf("%s/%s/%s/%d", strings.ToLower(m.ref.Kind[:1])+m.ref.Kind[1:], m.ref.Namespace, m.ref.Name, e.index)
}

func (m *monitor) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

// readMonitor takes an object apart as it comes from the API server. It always
// gives a monitor: one that cannot be read has a problem and no endpoints.
func readMonitor(u *unstructured.Unstructured) *monitor {
	m := &monitor{ref: corev1.ObjectReference{
		APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(),
	}, selector: klabels.Nothing()}
	raw, err := json.Marshal(u.Object)
	if err != nil {
		m.problem("it cannot be read: %v", err)
		return m
	}
	if u.GetKind() == kindPodMonitor {
		var o monitoringv1.PodMonitor
		if err := json.Unmarshal(raw, &o); err != nil {
			m.problem("it cannot be read as a %s: %v", u.GetKind(), err)
			return m
		}
		m.readPodMonitor(&o.Spec)
		return m
	}
	var o monitoringv1.ServiceMonitor
	if err := json.Unmarshal(raw, &o); err != nil {
		m.problem("it cannot be read as a %s: %v", u.GetKind(), err)
		return m
	}
	m.readServiceMonitor(&o.Spec)
	return m
}

func (m *monitor) readPodMonitor(s *monitoringv1.PodMonitorSpec) {
	m.read(common{
		selector: s.Selector, namespaces: s.NamespaceSelector, jobLabel: s.JobLabel, podLabels: s.PodTargetLabels,
		samples: s.SampleLimit, targets: s.TargetLimit, labels: s.LabelLimit, names: s.LabelNameLengthLimit, values: s.LabelValueLengthLimit,
		body: s.BodySizeLimit, native: s.NativeHistogramConfig, protocols: s.ScrapeProtocols, fallback: s.FallbackScrapeProtocol,
		class: s.ScrapeClassName, attach: s.AttachMetadata,
	})
	for i := range s.PodMetricsEndpoints {
		p := &s.PodMetricsEndpoints[i]
		e := endpoint{index: i, target: p.TargetPort} //nolint:staticcheck // deprecated is not gone: people have it in their objects
		if p.Port != nil {
			e.port = *p.Port
		}
		if p.PortNumber != nil {
			e.number = *p.PortNumber
		}
		m.readEndpoint(e, shared{
			path: p.Path, scheme: p.Scheme, params: p.Params, interval: p.Interval, timeout: p.ScrapeTimeout,
			honorLabels: p.HonorLabels, running: p.FilterRunning, relabel: p.RelabelConfigs, metric: p.MetricRelabelConfigs,
			auth: p.HTTPConfig, proxy: p.ProxyConfig,
		})
	}
}

func (m *monitor) readServiceMonitor(s *monitoringv1.ServiceMonitorSpec) {
	m.targetLabels = s.TargetLabels
	m.read(common{
		selector: s.Selector, namespaces: s.NamespaceSelector, jobLabel: s.JobLabel, podLabels: s.PodTargetLabels,
		samples: s.SampleLimit, targets: s.TargetLimit, labels: s.LabelLimit, names: s.LabelNameLengthLimit, values: s.LabelValueLengthLimit,
		body: s.BodySizeLimit, native: s.NativeHistogramConfig, protocols: s.ScrapeProtocols, fallback: s.FallbackScrapeProtocol,
		class: s.ScrapeClassName, attach: s.AttachMetadata,
	})
	for i := range s.Endpoints {
		p := &s.Endpoints[i]
		sh := shared{
			path: p.Path, scheme: p.Scheme, params: p.Params, interval: p.Interval, timeout: p.ScrapeTimeout,
			honorLabels: p.HonorLabels, running: p.FilterRunning, relabel: p.RelabelConfigs, metric: p.MetricRelabelConfigs,
			auth:  monitoringv1.HTTPConfig{HTTPConfigWithoutTLS: p.HTTPConfigWithoutTLS},
			proxy: p.ProxyConfig, tokenFile: p.BearerTokenFile, //nolint:staticcheck // deprecated is not gone
		}
		if t := p.TLSConfig; t != nil {
			sh.auth.TLSConfig = &t.SafeTLSConfig
			sh.tlsFiles = t.TLSFilesConfig
		}
		m.readEndpoint(endpoint{index: i, port: p.Port, target: p.TargetPort}, sh)
	}
}

// common is what both kinds say once.
type common struct {
	selector                                metav1.LabelSelector
	namespaces                              monitoringv1.NamespaceSelector
	jobLabel                                string
	podLabels                               []string
	samples, targets, labels, names, values *uint64
	body                                    *monitoringv1.ByteSize
	native                                  monitoringv1.NativeHistogramConfig
	protocols                               []monitoringv1.ScrapeProtocol
	fallback                                *monitoringv1.ScrapeProtocol
	class                                   *string
	attach                                  *monitoringv1.AttachMetadata
}

func (m *monitor) read(c common) {
	sel, err := metav1.LabelSelectorAsSelector(&c.selector)
	if err != nil {
		m.problem("selector: %v", err)
		sel = klabels.Nothing()
	}
	m.selector, m.jobLabel, m.podLabels = sel, c.jobLabel, c.podLabels
	if others := foreign(c.namespaces, m.ref.Namespace); others != "" {
		m.problem("namespaceSelector names %s: a monitor reaches pods of its own namespace %s alone; make one in each namespace", others, m.ref.Namespace)
		if len(c.namespaces.MatchNames) > 0 && !c.namespaces.Any && !slices.Contains(c.namespaces.MatchNames, m.ref.Namespace) {
			m.selector = klabels.Nothing() // its own is not meant
		}
	}
	if c.class != nil && *c.class != "" {
		m.problem("scrapeClass %q: there are no scrape classes here; say it in the endpoint itself", *c.class)
	}
	if c.attach != nil && c.attach.Node != nil && *c.attach.Node {
		m.problem("attachMetadata.node: labels of nodes are not at hand; the label node is set on every series")
	}
	for _, l := range []struct {
		from *uint64
		to   *int
	}{{c.samples, &m.limits.SamplesMax}, {c.labels, &m.limits.LabelsMax}, {c.names, &m.limits.LabelNameBytesMax}, {c.values, &m.limits.LabelValueBytesMax}} {
		if l.from != nil && *l.from > 0 {
			*l.to = int(*l.from)
		}
	}
	if c.targets != nil && *c.targets > 0 {
		m.targetsMax = uint(*c.targets)
	}
	if c.body != nil && *c.body != "" {
		n, err := units.ParseBase2Bytes(string(*c.body))
		if err != nil {
			m.problem("bodySizeLimit: %v", err)
		}
		m.limits.BodyBytesMax = int64(n)
	}
	m.protocols = monitorProtocols{
		scrape: c.protocols, fallback: c.fallback, native: c.native.ScrapeNativeHistograms, classic: c.native.ScrapeClassicHistograms,
		toCustom: c.native.ConvertClassicHistogramsToNHCB,
	}
	if n := c.native.NativeHistogramBucketLimit; n != nil && *n > 0 {
		m.protocols.bucketsMax = uint(*n)
	}
	if f := c.native.NativeHistogramMinBucketFactor; f != nil {
		m.protocols.bucketFactorMin = f.AsApproximateFloat64()
	}
}

// foreign words what of a namespaceSelector lies outside of own; "" for nothing.
func foreign(s monitoringv1.NamespaceSelector, own string) string {
	if s.Any {
		return "every namespace"
	}
	var others []string
	for _, n := range s.MatchNames {
		if n != own {
			others = append(others, n)
		}
	}
	return strings.Join(others, ", ")
}

// shared is what an entry of both kinds says.
type shared struct {
	path              string
	scheme            *monitoringv1.Scheme
	params            map[string][]string
	interval, timeout monitoringv1.Duration
	honorLabels       bool
	running           *bool
	relabel, metric   []monitoringv1.RelabelConfig
	auth              monitoringv1.HTTPConfig
	proxy             monitoringv1.ProxyConfig
	tokenFile         string
	tlsFiles          monitoringv1.TLSFilesConfig
}

// intervalMin bounds how often a target is scraped.
const intervalMin = time.Second

// readEndpoint takes in one entry, unless it asks for what is refused.
func (m *monitor) readEndpoint(e endpoint, s shared) {
	bad := func(format string, args ...any) {
		m.problem("endpoint %d: %s", e.index, fmt.Sprintf(format, args...))
	}
	e.path, e.params, e.scheme = s.path, s.params, s.scheme.String()
	e.finished = s.running != nil && !*s.running
	e.auth, e.http2 = s.auth, s.auth.EnableHTTP2 == nil || *s.auth.EnableHTTP2
	if s.honorLabels {
		// Said, and not followed: the labels of where a series comes from are forced.
		bad("honorLabels is not followed: labels that the target sets itself and that Oriel stamps become exported_*")
	}
	err := errors.Join(s.refused(), e.auth.Validate(), checkEndpoint(&e))
	if err == nil {
		e.interval, e.timeout, err = s.pace()
	}
	if err == nil {
		e.relabel, err = relabelings("relabelings", s.relabel)
	}
	if err == nil {
		e.metric, err = relabelings("metricRelabelings", s.metric)
	}
	if err != nil {
		bad("not scraped: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	m.endpoints = append(m.endpoints, e)
}

// refused says what would let an owner of a namespace reach what is not theirs:
// files of the agent, other hosts.
func (s *shared) refused() error {
	var errs []error
	no := func(is bool, what, why string) {
		if is {
			errs = append(errs, fmt.Errorf("%s is refused: %s", what, why))
		}
	}
	const file = "it would read a file of the agent's; use a Secret of this namespace"
	no(s.tokenFile != "", "bearerTokenFile", file)
	no(s.tlsFiles.CAFile != "", "tlsConfig.caFile", file)
	no(s.tlsFiles.CertFile != "", "tlsConfig.certFile", file)
	no(s.tlsFiles.KeyFile != "", "tlsConfig.keyFile", file)
	no(s.proxy.ProxyURL != nil && *s.proxy.ProxyURL != "", "proxyUrl", "pods are scraped at their own address")
	no(s.proxy.ProxyFromEnvironment != nil && *s.proxy.ProxyFromEnvironment, "proxyFromEnvironment", "pods are scraped at their own address")
	no(s.auth.OAuth2 != nil, "oauth2", "the agent asks no other server for a token; use authorization with a Secret of this namespace")
	return errors.Join(errs...)
}

func checkEndpoint(e *endpoint) error {
	if e.path != "" && !strings.HasPrefix(e.path, "/") {
		return fmt.Errorf("path %q: want one that begins with /, such as /metrics", e.path)
	}
	if e.scheme != "" && e.scheme != "http" && e.scheme != "https" {
		return fmt.Errorf("scheme %q: want http or https", e.scheme)
	}
	return nil
}

// pace reads interval and timeout; 0 is the Manager's.
func (s *shared) pace() (interval, timeout time.Duration, err error) {
	for _, p := range []struct {
		what string
		text monitoringv1.Duration
		to   *time.Duration
	}{{"interval", s.interval, &interval}, {"scrapeTimeout", s.timeout, &timeout}} {
		if p.text == "" {
			continue
		}
		d, err := model.ParseDuration(string(p.text))
		if err != nil {
			return 0, 0, fmt.Errorf("%s %q: want a duration such as 30s", p.what, p.text)
		}
		*p.to = time.Duration(d)
	}
	if interval != 0 && interval < intervalMin {
		return 0, 0, fmt.Errorf("interval %s: want %s or more", interval, intervalMin)
	}
	if interval != 0 && timeout > interval {
		return 0, 0, fmt.Errorf("scrapeTimeout %s is longer than interval %s", timeout, interval)
	}
	return interval, timeout, nil
}

// relabelings turns the objects' words into Prometheus'.
func relabelings(what string, in []monitoringv1.RelabelConfig) ([]*relabel.Config, error) {
	var out []*relabel.Config
	for i, r := range in {
		c := relabel.DefaultRelabelConfig
		for _, l := range r.SourceLabels {
			c.SourceLabels = append(c.SourceLabels, model.LabelName(l))
		}
		if r.Separator != nil {
			c.Separator = *r.Separator
		}
		if r.Replacement != nil {
			c.Replacement = *r.Replacement
		}
		if r.Action != "" {
			c.Action = relabel.Action(strings.ToLower(r.Action))
		}
		c.TargetLabel, c.Modulus = r.TargetLabel, max(r.Modulus, 0)
		if r.Regex != "" {
			re, err := relabel.NewRegexp(r.Regex)
			if err != nil {
				return nil, fmt.Errorf("%s[%d].regex: %w", what, i, err)
			}
			c.Regex = re
		}
		if err := knownAction(c.Action); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", what, i, err)
		}
		if err := c.Validate(model.UTF8Validation); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", what, i, err)
		}
		out = append(out, &c)
	}
	return out, nil
}

func knownAction(a relabel.Action) error {
	switch a {
	case relabel.Replace, relabel.Keep, relabel.Drop, relabel.KeepEqual, relabel.DropEqual, relabel.HashMod,
		relabel.LabelMap, relabel.LabelDrop, relabel.LabelKeep, relabel.Lowercase, relabel.Uppercase:
		return nil
	}
	return fmt.Errorf("action %q is not known; want replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase", a)
}
