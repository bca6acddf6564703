package main

import (
	"context"
	"sync"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/metrics/usage"
	"github.com/oriel-project/oriel/tenant"
)

const (
	// How often a tenant is looked at for what it lacks, and how often one that is
	// moving in; one at a time, so that many of them take longer.
	lacksEvery = 5 * time.Minute
	lacksSoon  = 20 * time.Second
	movingIn   = 10 * time.Minute
	lacksPause = 100 * time.Millisecond
	// The look reads the tenant's metrics: of one that sends none it must let the
	// database go to sleep (tsdb.Options.IdleAfter is an hour).
	lacksQuiet = 2 * time.Hour
)

// lacks remembers what each tenant lacked at the last look.
type lacks struct {
	mu sync.Mutex // guards of
	of map[tenant.ID][]usage.Point
}

func (l *lacks) set(id tenant.ID, checks []dashboards.Check) {
	var points []usage.Point
	for _, c := range checks {
		if c.State == dashboards.CheckUnknown {
			continue
		}
		p := usage.Point{Name: usage.Lacks, Label: "what", Text: c.Name}
		if c.State == dashboards.CheckMissing {
			p.Value = 1
		}
		points = append(points, p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[tenant.ID][]usage.Point{}
	}
	l.of[id] = points
}

func (l *lacks) get(id tenant.ID) []usage.Point {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of[id]
}

func (l *lacks) keep(is func(tenant.ID) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.of {
		if !is(id) {
			delete(l.of, id)
		}
	}
}

// watchLacks looks at the tenants that have metrics, one after the other.
func (g *gateway) watchLacks(ctx context.Context) error {
	due := map[tenant.ID]time.Time{}
	tick := time.NewTicker(lacksPause)
	defer tick.Stop()
	for {
		sent := g.intake.now()
		for id, s := range g.series.Stats() {
			t, ok := g.directory.Lookup(id)
			if !ok || s.Idle || time.Now().Before(due[id]) {
				continue
			}
			switch {
			case time.Since(t.Since) < movingIn:
				due[id] = time.Now().Add(lacksSoon)
			case sent[id].Samples > 0:
				due[id] = time.Now().Add(lacksEvery)
			default:
				due[id] = time.Now().Add(lacksQuiet)
			}
			g.lacking.set(id, g.receiptOf(ctx, g.access.TenantRead(id), id, contactAgeMax).Checks)
			break // the others another time
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// usage gives what each tenant that has metrics uses of its limits, and lacks.
func (g *gateway) usage() map[tenant.ID][]usage.Point {
	stats, now := g.series.Stats(), g.intake.now()
	out := make(map[tenant.ID][]usage.Point, len(stats))
	for id, s := range stats {
		if _, ok := g.directory.Lookup(id); !ok || s.Idle {
			continue // Oriel's own have no limits; who is idle is not woken
		}
		ps := g.lacking.get(id)
		ps = ps[:len(ps):len(ps)]
		for _, r := range []struct {
			resource    string
			used, limit float64
		}{
			{usage.Series, float64(s.Series), float64(g.seriesMax(id))},
			{usage.Samples, now[id].Samples, float64(g.samplesPerSecond(id))},
			{usage.Logs, now[id].LogBytes, float64(g.logBytesPerSecond(id))},
		} {
			ps = append(ps, usage.Point{Name: usage.Used, Label: "resource", Text: r.resource, Value: r.used})
			if r.limit > 0 {
				ps = append(ps, usage.Point{Name: usage.Limit, Label: "resource", Text: r.resource, Value: r.limit})
			}
		}
		out[id] = ps
	}
	g.lacking.keep(func(id tenant.ID) bool { _, ok := out[id]; return ok })
	return out
}
