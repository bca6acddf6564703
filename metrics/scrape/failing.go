package scrape

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"
)

// The series that say what is not scraped and why; see docs/metrics.md.
const (
	seriesFailing = "oriel_scrape_failing"
	seriesRefused = "oriel_scrape_refused"
	// excessMax bounds how many of the targets beyond a namespace's limit are
	// told of by name.
	excessMax = 100
)

// refusedSeries is one object that asks for something that is not done.
type refusedSeries struct{ namespace, kind, name, reason string }

// writeFailing writes why targets fail and what is refused.
func (m *Manager) writeFailing(ctx context.Context, at time.Time) error {
	var out []sample
	for _, ts := range m.scraper.TargetsActive() {
		for _, t := range ts {
			if t.Health() != promscrape.HealthBad {
				continue
			}
			b := labels.NewBuilder(t.Labels(labels.NewBuilder(labels.EmptyLabels())))
			b.Set(model.MetricNameLabel, seriesFailing)
			b.Set("reason", failureOf(t.LastError()))
			out = append(out, sample{labels: b.Labels(), value: 1, typ: model.MetricTypeGauge})
		}
	}
	m.mu.Lock()
	excess, refused := m.excess, m.refusals
	m.mu.Unlock()
	for _, t := range excess {
		b := labels.NewBuilder(labels.EmptyLabels())
		for n, v := range t.labels {
			if !strings.HasPrefix(string(n), model.ReservedLabelPrefix) {
				b.Set(string(n), string(v))
			}
		}
		b.Set(model.MetricNameLabel, "up")
		out = append(out, sample{labels: b.Labels(), typ: model.MetricTypeGauge})
		b.Set(model.MetricNameLabel, seriesFailing)
		b.Set("reason", "target_limit")
		out = append(out, sample{labels: b.Labels(), value: 1, typ: model.MetricTypeGauge})
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	c := m.opts.Cluster
	for r := range refused {
		b.Reset(labels.EmptyLabels())
		for n, v := range map[string]string{
			model.MetricNameLabel: seriesRefused, "namespace": r.namespace, "kind": r.kind, "name": r.name, "reason": r.reason,
			"job": "oriel", "cluster": c.Name, "region": c.Region, "cloud": c.Cloud,
		} {
			b.Set(n, v)
		}
		out = append(out, sample{labels: b.Labels(), value: 1, typ: model.MetricTypeGauge})
	}
	return m.failingOut.write(ctx, at, out)
}

// failureOf sorts a scrape's error: a handful of reasons that an owner can act on.
func failureOf(err error) string {
	if err == nil {
		return "other"
	}
	var timeout net.Error
	switch s := err.Error(); {
	case strings.Contains(s, "body size limit"):
		return "body_size_limit"
	case strings.Contains(s, "sample limit"):
		return "sample_limit"
	case strings.Contains(s, "target_limit"):
		return "target_limit"
	case strings.Contains(s, "label_limit"), strings.Contains(s, "label_name_length_limit"), strings.Contains(s, "label_value_length_limit"):
		return "label_limit"
	case strings.Contains(s, "server returned HTTP status"):
		return "status"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case strings.Contains(s, "tls: "), strings.Contains(s, "x509: "):
		return "tls"
	case strings.Contains(s, "Content-Type"), strings.Contains(s, "parse"), strings.Contains(s, "expected "), strings.Contains(s, "unexpected"):
		return "format"
	}
	return "other"
}

// bounded leaves out what is beyond a namespace's number of targets; the order
// makes it the same ones each time.
func (m *Manager) bounded(all []target) (in, excess []target) {
	limit := m.opts.Limits.TargetsMax
	n := map[model.LabelValue]int{}
	in = slices.DeleteFunc(all, func(t target) bool {
		if t.pool == poolPlatform || t.pool == poolKubelet || strings.HasPrefix(t.pool, "federate/") {
			return false
		}
		ns := t.labels["namespace"]
		if n[ns]++; n[ns] <= limit {
			return false
		}
		if n[ns] <= limit+excessMax {
			excess = append(excess, t)
		}
		return true
	})
	return in, excess
}
