package main

import (
	"context"
	"slices"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

const (
	// How far back moments are marked in Grafana: what is told later than that, by
	// an agent that was cut off, is on Oriel's own page alone.
	momentsOf = time.Hour
	// How often tenants that send samples are looked at for moments.
	momentsEvery = 30 * time.Second
	// A moment that a change of a value tells needs the value before.
	momentsBefore = 5 * time.Minute
)

// moments gives what happened to the workloads of the scope's tenants, the oldest
// first.
func (g *gateway) moments(ctx context.Context, scope tenant.Read, from, to time.Time) ([]dashboards.Moment, error) {
	found, err := metrics.Histories(ctx, g.series.Queryable(scope), from.Add(-momentsBefore), to, dashboards.PastMetrics()...)
	if err != nil {
		return nil, err
	}
	past := make([]dashboards.Past, len(found))
	for i, h := range found {
		past[i] = dashboards.Past{Metric: h.Name, Labels: h.Labels, Last: h.Last, Ended: h.Ended}
		for _, s := range h.Steps {
			past[i].Steps = append(past[i].Steps, dashboards.PastStep(s))
		}
	}
	var ends []dashboards.End
	for t := range g.directory.All() {
		if !scope.Includes(t.ID) {
			continue
		}
		for _, l := range g.directory.Sealed(t.ID) {
			// A namespace that was made again is no end to tell of.
			again := slices.ContainsFunc(t.Namespaces, func(n tenant.Namespace) bool { return n.Cluster == l.Cluster && n.Namespace == l.Namespace })
			if !again && !l.To.IsZero() && !l.To.After(to) {
				ends = append(ends, dashboards.End{Cluster: l.Cluster, Namespace: l.Namespace, At: l.To})
			}
		}
	}
	return dashboards.MomentsOf(past, ends, from), nil
}

// latelyOf gives the moments that are marked in a tenant's window.
func (g *gateway) latelyOf(ctx context.Context, id tenant.ID) ([]dashboards.Moment, error) {
	now := time.Now()
	return g.moments(ctx, g.access.TenantRead(id), now.Add(-momentsOf), now)
}

// watchMoments has a tenant's window made anew soon after something happened to
// its workloads. Tenants that send nothing are not looked at, and the others not
// all at once.
func (g *gateway) watchMoments(ctx context.Context) error {
	if g.windows.grafana == nil {
		<-ctx.Done()
		return nil
	}
	due := map[tenant.ID]time.Time{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for id, r := range g.intake.now() {
			now := time.Now()
			if !(r.Samples > 0) || now.Before(due[id]) {
				continue
			}
			due[id] = now.Add(momentsEvery)
			if g.windows.Unmarked(ctx, id) {
				g.loop.Add(id)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
