package scrape

import (
	"fmt"
	"time"

	"github.com/alecthomas/units"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
)

// The pools: what differs between targets of one is in their labels.
const (
	poolTenant   = "tenant"
	poolPlatform = "platform"
	poolKubelet  = "kubelet"
)

var pools = [...]string{poolTenant, poolPlatform, poolKubelet}

const timeoutMax = 10 * time.Second

// Where Kubernetes puts a pod's service account.
const (
	serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	serviceAccountCA    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// config gives the part of the scrape manager's configuration that never changes.
func (m *Manager) config() (*config.Config, error) {
	cfg, err := config.Load("", m.opts.Logger)
	if err != nil {
		return nil, err
	}
	tenants := m.pool(poolTenant)
	// Anybody can make a certificate for a pod, and the pod's address comes from
	// the cluster: what encryption there is keeps listeners out.
	tenants.HTTPClientConfig.TLSConfig.InsecureSkipVerify = true
	// See the package comment.
	tenants.HonorTimestamps = false

	platform := m.pool(poolPlatform)
	platform.HonorLabels = true
	platform.TrackTimestampsStaleness = true

	kubelets := m.pool(poolKubelet)
	kubelets.HonorLabels = true
	kubelets.TrackTimestampsStaleness = true // cAdvisor gives times of its own
	kubelets.Scheme = "https"
	if k := m.opts.Kubelet; k != nil {
		kubelets.HTTPClientConfig.Authorization = &commonconfig.Authorization{
			Type: "Bearer", Credentials: commonconfig.Secret(k.Token), CredentialsFile: k.tokenFile(),
		}
		kubelets.HTTPClientConfig.TLSConfig.InsecureSkipVerify = k.InsecureSkipVerify
		if !k.InsecureSkipVerify {
			kubelets.HTTPClientConfig.TLSConfig.CA = k.CA
			kubelets.HTTPClientConfig.TLSConfig.CAFile = k.caFile()
		}
	}
	all := []*config.ScrapeConfig{tenants, platform, kubelets}
	for i := range m.opts.Federate {
		all = append(all, m.federateConfig(i, &m.opts.Federate[i]))
	}
	for _, c := range all {
		if err := c.Validate(cfg.GlobalConfig); err != nil {
			return nil, fmt.Errorf("targets of kind %s: %w", c.JobName, err)
		}
		cfg.ScrapeConfigs = append(cfg.ScrapeConfigs, c)
	}
	return cfg, nil
}

func (m *Manager) pool(name string) *config.ScrapeConfig {
	c := config.DefaultScrapeConfig
	l := m.opts.Limits
	c.JobName = name
	c.ScrapeInterval = model.Duration(m.opts.Interval)
	c.ScrapeTimeout = model.Duration(min(m.opts.Interval, timeoutMax))
	c.ScrapeFallbackProtocol = config.PrometheusText0_0_4
	c.BodySizeLimit = units.Base2Bytes(l.BodyBytesMax)
	c.SampleLimit = uint(l.SamplesMax)
	c.LabelLimit = uint(l.LabelsMax)
	c.LabelNameLengthLimit = uint(l.LabelNameBytesMax)
	c.LabelValueLengthLimit = uint(l.LabelValueBytesMax)
	c.NativeHistogramBucketLimit = 160
	// Both, since dashboards of classic histograms must not go blank because a
	// library began to send native ones as well.
	yes := true
	c.ScrapeNativeHistograms, c.AlwaysScrapeClassicHistograms = &yes, &yes
	// A target must not send the scraper elsewhere: it reaches what tenants cannot.
	c.HTTPClientConfig.FollowRedirects = false
	return &c
}
