package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/logging/store"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
)

// runAll runs everything until ctx ends or one fails, which ends the others.
func runAll(ctx context.Context, fs ...func(context.Context) error) error {
	group, inner := errgroup.WithContext(ctx)
	for _, f := range fs {
		group.Go(func() error { return ended(inner, f(inner)) })
	}
	return group.Wait()
}

// onDirectoryEvent turns what happened in the directory into log lines, and
// into work for the stores.
func (g *gateway) onDirectoryEvent(e registry.Event) {
	level := slog.LevelInfo
	if e.Kind == registry.Refused || e.Kind == registry.Failed || e.Kind == registry.TornTail {
		level = slog.LevelWarn
	}
	g.log.Log(context.Background(), level, "directory: "+string(e.Kind), "tenant", string(e.Tenant),
		"cluster", e.Life.Cluster, "namespace", e.Life.Namespace, "reason", e.Reason, "bytes", e.Bytes)
	if e.Kind == registry.Purge {
		g.ended.add(e)
	}
}

// remove takes the telemetry of an ended life out of the stores, or all that
// there is of a tenant. The directory forgets neither before that is done.
func (g *gateway) remove(ctx context.Context, id tenant.ID, l tenant.Life) error {
	if l.Cluster == "" {
		return errors.Join(g.logs.Purge(ctx, id, "", "", time.Time{}, time.Time{}), g.series.Delete(ctx, id))
	}
	return errors.Join(
		g.logs.Purge(ctx, id, l.Cluster, l.Namespace, l.From, l.To),
		g.series.Purge(ctx, id, l.Cluster, l.Namespace, l.From, l.To))
}

// endedLives holds lives whose telemetry is to be removed at once, however many
// there are. The directory tells them again after a restart.
type endedLives struct {
	mu    sync.Mutex // guards lives
	lives []registry.Event
	wake  chan struct{}
}

func (q *endedLives) add(e registry.Event) {
	q.mu.Lock()
	q.lives = append(q.lives, e)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (q *endedLives) take() []registry.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	lives := q.lives
	q.lives = nil
	return lives
}

const removeRetry = 30 * time.Second

// removeEnded removes the telemetry of lives that ended with on-delete: purge.
// What fails is tried again.
func (g *gateway) removeEnded(ctx context.Context) error {
	for {
		for _, e := range g.ended.take() {
			l := e.Life
			if err := g.remove(ctx, e.Tenant, l); err != nil && ctx.Err() == nil {
				g.log.Error("remove the telemetry of an ended namespace; it will be tried again", "tenant", string(e.Tenant), "namespace", l.Namespace, "error", err)
				time.AfterFunc(removeRetry, func() { g.ended.add(e) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-g.ended.wake:
		}
	}
}

// markStages looks for the first sample and the first record that tenants send
// after their onboarding, or after the start of this process.
func (g *gateway) markStages(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		stats := g.series.Stats()
		for t := range g.directory.All() {
			done, _ := g.loop.Stages(t.ID)
			if _, ok := done["metrics"]; !ok && stats[t.ID].Samples > 0 {
				g.loop.Mark(t.ID, "metrics")
			}
			if _, ok := done["logs"]; !ok && g.intake.stored(t.ID) {
				g.loop.Mark(t.ID, "logs")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// logRetention and its siblings give what a tenant's namespaces ask for, the
// most generous where they differ, within the operator's bounds.
func (g *gateway) logRetention(id tenant.ID) time.Duration {
	return asked(g, id, time.Duration(g.cfg.Logs.Retention), time.Duration(g.cfg.Logs.RetentionMax),
		func(n tenant.Namespace) time.Duration { return n.Retention.Logs })
}

// namespaceRetention gives the namespaces of a tenant that ask for less than the
// most generous of them.
func (g *gateway) namespaceRetention(id tenant.ID) []store.NamespaceRetention {
	t, ok := g.directory.Lookup(id)
	if !ok {
		return nil
	}
	most := g.logRetention(id)
	var out []store.NamespaceRetention
	for _, n := range t.Namespaces {
		keep := n.Retention.Logs
		if keep == 0 {
			keep = time.Duration(g.cfg.Logs.Retention)
		}
		if keep < most {
			out = append(out, store.NamespaceRetention{Cluster: n.Cluster, Namespace: n.Namespace, Keep: keep})
		}
	}
	return out
}

func (g *gateway) seriesRetention(id tenant.ID) time.Duration {
	return asked(g, id, time.Duration(g.cfg.Metrics.Retention), time.Duration(g.cfg.Metrics.RetentionMax),
		func(n tenant.Namespace) time.Duration { return n.Retention.Metrics })
}

func (g *gateway) seriesMax(id tenant.ID) int {
	if id.Reserved() {
		return 0
	}
	return asked(g, id, g.cfg.Limits.Series, g.cfg.Limits.SeriesMax,
		func(n tenant.Namespace) int { return n.Limits.SeriesMax })
}

// samplesPerSecond: Oriel's own tenants are the operator's to bound.
func (g *gateway) samplesPerSecond(id tenant.ID) int {
	if id.Reserved() {
		return 0
	}
	return g.cfg.Limits.Samples
}

func (g *gateway) logBytesPerSecond(id tenant.ID) int64 {
	return asked(g, id, int64(g.cfg.Limits.Logs), int64(g.cfg.Limits.LogsMax),
		func(n tenant.Namespace) int64 { return n.Limits.LogBytesPerSecond })
}

// unassignedKept is how long nobody's telemetry is kept for the operator.
const unassignedKept = 24 * time.Hour

func asked[T int | int64 | time.Duration](g *gateway, id tenant.ID, def, bound T, of func(tenant.Namespace) T) T {
	if d, ok := any(&def).(*time.Duration); ok && id == tenant.Unassigned {
		*d = unassignedKept
		return def
	}
	t, ok := g.directory.Lookup(id)
	if !ok {
		return def
	}
	var most T
	for _, n := range t.Namespaces {
		most = max(most, of(n))
	}
	if most == 0 {
		return def
	}
	return min(most, bound)
}
