package main

import (
	"context"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// receiptRecords is how many of a tenant's newest log records a receipt looks at.
const receiptRecords = 200

// receipt says what a tenant got and what it lacks, as far as the scope sees it.
func (g *gateway) receipt(ctx context.Context, scope tenant.Read, id tenant.ID) dashboards.Receipt {
	return g.receiptOf(ctx, scope, id, contactAge)
}

// How old the answer to who is told of alerts may be: of a receipt that somebody
// reads, and of what all tenants lack.
const (
	contactAge    = 30 * time.Second
	contactAgeMax = 30 * time.Minute
)

func (g *gateway) receiptOf(ctx context.Context, scope tenant.Read, id tenant.ID, age time.Duration) dashboards.Receipt {
	var f dashboards.Facts
	scope = scope.Narrow(id)
	if scope.Empty() {
		return dashboards.Receipt{Checks: []dashboards.Check{}}
	}
	made, err := g.windows.Made(id)
	if err != nil {
		g.log.Warn("the receipt does not say what was made", "tenant", string(id), "error", err)
	}
	if t, ok := g.directory.Lookup(id); ok {
		for _, n := range t.Namespaces {
			f.Probes += len(n.Probes)
		}
	}
	if f.Contact, err = g.windows.Contact(ctx, id, age); err != nil {
		g.log.Warn("the receipt does not say who is told of alerts", "tenant", string(id), "error", err)
	}
	now := time.Now()
	from := now.Add(-inventoryOf)
	if f.Metrics, f.MetricsErr = metrics.Names(ctx, g.series.Queryable(scope), from, now); f.MetricsErr != nil {
		g.log.Warn("the receipt does not say what metrics there are", "tenant", string(id), "error", f.MetricsErr)
	}
	if f.Records, f.Leveled, f.LogsErr = g.leveled(ctx, scope, from); f.LogsErr != nil {
		g.log.Warn("the receipt does not say what logs there are", "tenant", string(id), "error", f.LogsErr)
	}
	return dashboards.Receipt{Made: made, Checks: dashboards.Checks(f)}
}

// leveled counts the newest records since then that programs wrote, and those of
// them with a level. What Kubernetes says of a namespace is no program's.
func (g *gateway) leveled(ctx context.Context, scope tenant.Read, since time.Time) (records, leveled int, err error) {
	view, err := g.logs.Snapshot(ctx, scope)
	if err != nil {
		return 0, 0, err
	}
	defer view.Close()
	stream := logging.FieldOf("stream")
	at := logging.FieldOf(logging.FieldTime)
	res, err := view.Search(ctx, logging.Query{
		Filter: logging.And{
			logging.Range{Field: at, Min: &logging.Bound{Value: logging.Time(since), Inclusive: true}},
			logging.Not{Of: logging.Or{Of: []logging.Filter{
				logging.Term{Field: stream, Text: "events"}, logging.Term{Field: stream, Text: "audit"},
			}}},
		},
		Sort:     []logging.SortKey{{Field: at, Desc: true}},
		Limit:    receiptRecords,
		TotalMax: -1,
	})
	if err != nil {
		return 0, 0, err
	}
	for _, h := range res.Hits {
		if h.Record.Level != "" {
			leveled++
		}
	}
	return len(res.Hits), leveled, nil
}
