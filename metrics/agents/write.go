package agents

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// point is one value of a series of the tracker's.
type point struct {
	name, reason string
	value        float64
}

var families = map[string]metadata.Metadata{
	seriesUp:      {Type: model.MetricTypeGauge, Help: "1 while the cluster's agent is heard from."},
	seriesLag:     {Type: model.MetricTypeGauge, Help: "Age of the oldest sample that waits at the cluster's agent, or the time since the agent was heard."},
	seriesSkew:    {Type: model.MetricTypeGauge, Help: "How far the agent's clock is ahead of central's; negative: behind."},
	seriesGaps:    {Type: model.MetricTypeCounter, Help: "Times that the agent lost something that waited."},
	seriesRefused: {Type: model.MetricTypeCounter, Help: "Samples of this tenant from this cluster that were refused for good, by reason."},
}

// write writes one moment into the scope of every tenant that has metrics of its own,
// and all of it into the operator's.
func (t *Tracker) write(ctx context.Context) {
	now := t.opts.Clock()
	t.writeOne(ctx, tenant.System, t.clusters(), now)
	for tn := range t.opts.Directory.All() {
		if ctx.Err() != nil {
			return
		}
		clusters := map[string]bool{}
		for _, ns := range tn.Namespaces {
			clusters[ns.Cluster] = true
		}
		t.writeOne(ctx, tn.ID, clusters, now)
	}
	for id := range t.told {
		if _, ok := t.opts.Directory.Lookup(id); !ok && id != tenant.System {
			delete(t.told, id)
		}
	}
}

// clusters are those of all agents that were ever heard of.
func (t *Tracker) clusters() map[string]bool {
	out := map[string]bool{}
	if t.opts.Local != nil {
		out[t.opts.Local.Name] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range t.by {
		out[name] = true
	}
	return out
}

// writeOne writes what one tenant is told of the clusters' agents. A database that is
// not open is not opened for it. One whose tenant was told of an agent is kept open
// while that agent is silent: otherwise what it was told would end with the silence.
func (t *Tracker) writeOne(ctx context.Context, id tenant.ID, clusters map[string]bool, now time.Time) {
	before := t.told[id]
	after := map[string]told{}
	for name := range clusters {
		c, points, ok := t.points(id, name, now)
		if !ok {
			continue // no agent of ours sends from there
		}
		in := metrics.Account(ctx)
		if _, was := before[name]; was && points[0].value == 0 {
			in = ctx
		}
		err := t.append(in, id, c, now, points)
		if errors.Is(err, metrics.ErrNoDatabase) {
			continue
		}
		if err != nil {
			t.opts.Logger.Warn("state of an agent not written", "tenant", string(id), "cluster", name, "error", err)
			continue
		}
		after[name] = told{cluster: c, points: points}
	}
	for name, b := range before {
		if _, still := after[name]; !still && !clusters[name] {
			_ = t.append(metrics.Account(ctx), id, b.cluster, now, stale(b.points)) // it ends anyway, later
		}
	}
	t.told[id] = after
}

// points gives what is known of a cluster's agent; ok is false where there is none.
func (t *Tracker) points(id tenant.ID, cluster string, now time.Time) (c tenant.Cluster, out []point, ok bool) {
	t.mu.Lock()
	h, known := t.by[cluster]
	t.mu.Unlock()
	switch {
	case known:
		c = h.Cluster
		up, lag := 1.0, h.lag().Seconds()
		if !h.up(now) {
			up, lag = 0, (now.Sub(h.At) + h.lag()).Seconds()
		}
		out = []point{{seriesUp, "", up}, {seriesLag, "", lag}, {seriesSkew, "", h.Skew}, {seriesGaps, "", float64(h.Beat.Gaps)}}
	case t.opts.Local != nil && t.opts.Local.Name == cluster:
		c = *t.opts.Local
		out = []point{{seriesUp, "", 1}, {seriesLag, "", 0}, {seriesSkew, "", 0}, {seriesGaps, "", 0}}
	default:
		return c, nil, false
	}
	if t.opts.Refused != nil {
		for reason, n := range t.opts.Refused(id, cluster) {
			out = append(out, point{seriesRefused, reason, float64(n)})
		}
		slices.SortFunc(out[4:], func(a, b point) int {
			if a.reason < b.reason {
				return -1
			}
			return 1
		})
	}
	return c, out, true
}

func stale(points []point) []point {
	out := slices.Clone(points)
	for i := range out {
		out[i].value = math.Float64frombits(value.StaleNaN)
	}
	return out
}

func (t *Tracker) append(ctx context.Context, id tenant.ID, c tenant.Cluster, now time.Time, points []point) error {
	app := t.opts.Appender.Appender(ctx, t.opts.Write(id, c))
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, p := range points {
		b.Reset(labels.EmptyLabels())
		for n, v := range map[string]string{
			model.MetricNameLabel: p.name, "reason": p.reason, model.JobLabel: "oriel",
			"cluster": c.Name, "region": c.Region, "cloud": c.Cloud,
		} {
			b.Set(n, v)
		}
		if _, err := app.Append(0, b.Labels(), 0, now.UnixMilli(), p.value, nil, nil, storage.AOptions{MetricFamilyName: p.name, Metadata: families[p.name]}); err != nil {
			_ = app.Rollback()
			return err
		}
	}
	return app.Commit()
}
