package main

import (
	"context"
	"maps"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

const (
	// A program that has been down since Friday evening has its panels on Monday.
	inventoryOf = 4 * 24 * time.Hour
	// How often tenants that send samples are looked at for metrics that came or
	// went, and how often those whose metrics just changed.
	inventoryEvery = time.Minute
	inventorySoon  = 5 * time.Second
)

// metricNames gives the names of the metrics that a tenant has; nil where that
// cannot be read now.
func (g *gateway) metricNames(ctx context.Context, id tenant.ID) []string {
	now := time.Now()
	names, err := metrics.Names(ctx, g.series.Queryable(g.access.TenantRead(id)), now.Add(-inventoryOf), now)
	if err != nil {
		return nil
	}
	return names
}

// inventory gives what a tenant's panels are chosen by.
func (g *gateway) inventory(ctx context.Context, id tenant.ID) ([]string, []dashboards.Metric) {
	names := g.metricNames(ctx, id)
	if len(names) == 0 {
		return nil, nil
	}
	now, scope := time.Now(), g.access.TenantRead(id)
	meta := g.series.Metadata(scope)
	return names, dashboards.Inventory(names, func(name string) (seen dashboards.Seen) {
		if m := meta[name]; len(m) > 0 {
			seen.Type, seen.Help = m[0].Type, m[0].Help
		}
		shape, err := metrics.ShapeOf(ctx, g.series.Queryable(scope), now.Add(-inventoryOf), now, name)
		if err != nil {
			return seen // its panel is plainer
		}
		seen.Native, seen.Labels = shape.Native, shape.Labels
		maps.DeleteFunc(seen.Labels, func(l string, _ int) bool { return dashboards.StampedLabel(l) })
		return seen
	})
}

// watchInventories has a tenant's dashboards made anew soon after its metrics
// changed. Tenants that send nothing are not looked at.
func (g *gateway) watchInventories(ctx context.Context) error {
	due := map[tenant.ID]time.Time{}
	tick := time.NewTicker(inventorySoon)
	defer tick.Stop()
	for {
		for id, r := range g.intake.now() {
			now := time.Now()
			if !(r.Samples > 0) || now.Before(due[id]) {
				continue
			}
			due[id] = now.Add(inventoryEvery)
			if t, ok := g.directory.Lookup(id); ok && now.Sub(t.Since) < movingIn {
				due[id] = now.Add(inventorySoon)
			}
			if g.windows.Outdated(id, g.metricNames(ctx, id)) {
				due[id] = now.Add(inventorySoon)
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
