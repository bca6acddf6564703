package scrape

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/alecthomas/units"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/relabel"
	corev1 "k8s.io/api/core/v1"
)

// monitorPool gives the scrape manager's configuration for an endpoint of a
// monitor. ok is false while a credential is on its way. The error is for the
// monitor's owner.
func (m *Manager) monitorPool(mon *monitor, e *endpoint) (c *config.ScrapeConfig, ok bool, err error) {
	c = m.pool(mon.pool(e))
	// As for every tenant's target; see the package comment.
	c.HonorTimestamps = false
	c.HTTPClientConfig.EnableHTTP2 = e.http2
	c.HTTPClientConfig.TLSConfig.InsecureSkipVerify = false
	if e.interval > 0 {
		c.ScrapeInterval = model.Duration(e.interval)
		c.ScrapeTimeout = model.Duration(min(e.interval, timeoutMax))
	}
	if e.timeout > 0 {
		c.ScrapeTimeout = min(model.Duration(e.timeout), c.ScrapeInterval)
	}
	if e.path != "" {
		c.MetricsPath = e.path
	}
	if e.scheme != "" {
		c.Scheme = e.scheme
	}
	c.Params = url.Values(e.params)
	mon.limit(c)
	if err := mon.speak(c); err != nil {
		return nil, true, err
	}
	c.MetricRelabelConfigs = m.fenced(mon.ref.Namespace, e.metric)
	if ok, err = m.authorize(mon, e, c); !ok || err != nil {
		return nil, ok, err
	}
	if err := c.Validate(m.base.GlobalConfig); err != nil {
		return nil, true, err
	}
	// What certificates and keys do not read is said here, not in the agent's log.
	if _, err := commonconfig.NewClientFromConfig(c.HTTPClientConfig, c.JobName); err != nil {
		return nil, true, fmt.Errorf("its credentials cannot be used: %w", err)
	}
	return c, true, nil
}

// limit applies the monitor's own limits where they are narrower.
func (mon *monitor) limit(c *config.ScrapeConfig) {
	for _, l := range []struct {
		own int
		to  *uint
	}{
		{mon.limits.SamplesMax, &c.SampleLimit}, {mon.limits.LabelsMax, &c.LabelLimit},
		{mon.limits.LabelNameBytesMax, &c.LabelNameLengthLimit}, {mon.limits.LabelValueBytesMax, &c.LabelValueLengthLimit},
	} {
		if l.own > 0 && (*l.to == 0 || uint(l.own) < *l.to) {
			*l.to = uint(l.own)
		}
	}
	if n := units.Base2Bytes(mon.limits.BodyBytesMax); n > 0 && n < c.BodySizeLimit {
		c.BodySizeLimit = n
	}
	c.TargetLimit = mon.targetsMax
}

// speak applies how the monitor wants its targets to answer.
func (mon *monitor) speak(c *config.ScrapeConfig) error {
	p := mon.protocols
	for _, s := range p.scrape {
		c.ScrapeProtocols = append(c.ScrapeProtocols, config.ScrapeProtocol(s))
	}
	if p.fallback != nil {
		c.ScrapeFallbackProtocol = config.ScrapeProtocol(*p.fallback)
	}
	if p.native != nil {
		c.ScrapeNativeHistograms = p.native
	}
	if p.classic != nil {
		c.AlwaysScrapeClassicHistograms = p.classic
	}
	c.ConvertClassicHistogramsToNHCB = p.toCustom
	if p.bucketsMax > 0 {
		c.NativeHistogramBucketLimit = min(c.NativeHistogramBucketLimit, p.bucketsMax)
	}
	if p.bucketFactorMin != 0 {
		if p.bucketFactorMin < 1 {
			return fmt.Errorf("nativeHistogramMinBucketFactor %g: want 1 or more", p.bucketFactorMin)
		}
		c.NativeHistogramMinBucketFactor = p.bucketFactorMin
	}
	return nil
}

// keepPrefix begins the labels that carry a target's identity around the rules
// of a monitor's owner.
const keepPrefix = "__oriel_keep_"

// fenced puts a monitor's own rules for samples between rules that give back
// what Oriel stamps: the namespace, which decides whose the series is, as what
// it is; pod, container and node as what they were.
func (m *Manager) fenced(namespace string, own []*relabel.Config) []*relabel.Config {
	if len(own) == 0 {
		return nil
	}
	rule := func(source, target, replacement string) *relabel.Config {
		c := relabel.DefaultRelabelConfig
		if source != "" {
			c.SourceLabels = model.LabelNames{model.LabelName(source)}
		}
		c.TargetLabel, c.Replacement, c.NameValidationScheme = target, replacement, model.UTF8Validation
		return &c
	}
	kept := []string{"pod", "container", "node"}
	var out []*relabel.Config
	for _, l := range kept {
		out = append(out, rule(l, keepPrefix+l, "$1"))
	}
	out = append(out, own...)
	for _, l := range kept {
		out = append(out, rule(keepPrefix+l, l, "$1"))
	}
	cl := m.opts.Cluster
	for _, l := range [][2]string{{"namespace", namespace}, {"cluster", cl.Name}, {"region", cl.Region}, {"cloud", cl.Cloud}} {
		out = append(out, rule("", l[0], escapeDollars(l[1])))
	}
	drop := relabel.DefaultRelabelConfig
	drop.Action, drop.Regex, drop.NameValidationScheme = relabel.LabelDrop, relabel.MustNewRegexp(keepPrefix+".*"), model.UTF8Validation
	return append(out, &drop)
}

// authorize fills in the credentials that the endpoint names: Secrets and
// ConfigMaps of the monitor's own namespace. ok is false while one is on its way.
func (m *Manager) authorize(mon *monitor, e *endpoint, c *config.ScrapeConfig) (ok bool, err error) {
	ok = true
	var errs []error
	secret := func(s *corev1.SecretKeySelector) string {
		return m.credential(mon.ref.Namespace, "Secret", s.Name, s.Key, s.Optional, &ok, &errs)
	}
	either := func(s monitoringv1.SecretOrConfigMap) string {
		switch {
		case s.Secret != nil:
			return secret(s.Secret)
		case s.ConfigMap != nil:
			return m.credential(mon.ref.Namespace, "ConfigMap", s.ConfigMap.Name, s.ConfigMap.Key, s.ConfigMap.Optional, &ok, &errs)
		}
		return ""
	}
	h := &c.HTTPClientConfig
	if b := e.auth.BasicAuth; b != nil {
		h.BasicAuth = &commonconfig.BasicAuth{Username: secret(&b.Username), Password: commonconfig.Secret(secret(&b.Password))}
	}
	if a := e.auth.Authorization; a != nil {
		typ := a.Type
		if typ == "" {
			typ = "Bearer"
		}
		h.Authorization = &commonconfig.Authorization{Type: typ, Credentials: commonconfig.Secret(secret(a.Credentials))}
	}
	if s := e.auth.BearerTokenSecret; s != nil && s.Name != "" { //nolint:staticcheck // deprecated is not gone
		h.Authorization = &commonconfig.Authorization{Type: "Bearer", Credentials: commonconfig.Secret(secret(s))}
	}
	if t := e.auth.TLSConfig; t != nil {
		h.TLSConfig.CA, h.TLSConfig.Cert = either(t.CA), either(t.Cert)
		if t.KeySecret != nil {
			h.TLSConfig.Key = commonconfig.Secret(secret(t.KeySecret))
		}
		if t.ServerName != nil {
			h.TLSConfig.ServerName = *t.ServerName
		}
		h.TLSConfig.InsecureSkipVerify = t.InsecureSkipVerify != nil && *t.InsecureSkipVerify
		for _, v := range []struct {
			from *monitoringv1.TLSVersion
			to   *commonconfig.TLSVersion
		}{{t.MinVersion, &h.TLSConfig.MinVersion}, {t.MaxVersion, &h.TLSConfig.MaxVersion}} {
			if v.from == nil {
				continue
			}
			known, is := commonconfig.TLSVersions[string(*v.from)]
			if !is {
				errs = append(errs, fmt.Errorf("TLS version %q: want TLS10, TLS11, TLS12 or TLS13", *v.from))
			}
			*v.to = known
		}
	}
	return ok, errors.Join(errs...)
}
