package main

import (
	"context"
	"fmt"
	"time"
)

// dashboard is how a request with many panels compares with its slowest panel.
type dashboard struct {
	Panels  int           `json:"panels"`
	Slowest time.Duration `json:"slowest"` // panel, by itself
	Sum     time.Duration `json:"sum"`     // of the panels by themselves
	Wall    time.Duration `json:"wall"`    // of the request with all
	CPU     time.Duration `json:"cpu"`
}

// panels are the searches of a dashboard over a day: for the ten largest
// namespaces, records per minute by level, and status with latency.
func panels(c *corpus) []string {
	var out []string
	for _, ns := range c.Namespaces[:10] {
		for _, aggs := range []string{
			`"l":{"terms":{"field":"level.keyword","size":5},"aggs":{"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m","min_doc_count":1}}}}`,
			`"t":{"terms":{"field":"status","size":10},"aggs":{"a":{"avg":{"field":"latency_ms"}}}}`,
		} {
			out = append(out, fmt.Sprintf(`{"size":0,"query":{"bool":{"filter":[%s,{"term":{"kubernetes.namespace_name.keyword":"%s"}}]}},"aggs":{%s}}`,
				esRange(c.start(), c.End), ns, aggs))
		}
	}
	return out
}

// dash measures the dashboard.
func (b *bench) dash(ctx context.Context, o dashboarder) (dashboard, error) {
	ps := panels(b.corpus)
	d := dashboard{Panels: len(ps)}
	if o.process() == nil || o.process().exited() {
		if err := o.start(ctx); err != nil {
			return d, err
		}
	}
	for _, p := range ps {
		var walls []time.Duration
		for range 4 {
			begin := time.Now()
			if _, err := o.search(ctx, p); err != nil {
				return d, err
			}
			walls = append(walls, time.Since(begin))
		}
		d.Slowest = max(d.Slowest, median(walls[1:]))
		d.Sum += median(walls[1:])
	}
	var walls, cpus []time.Duration
	for range b.runs {
		cpu, begin := o.process().cpu(), time.Now()
		reply, err := o.msearch(ctx, ps)
		if err != nil {
			return d, err
		}
		walls, cpus = append(walls, time.Since(begin)), append(cpus, o.process().cpu()-cpu)
		if err := statuses(reply, len(ps)); err != nil {
			return d, err
		}
	}
	d.Wall, d.CPU = median(walls), median(cpus)
	b.say("%s: _msearch of %d panels %.1f ms, %.1f CPU-ms; slowest panel %.1f ms, all one by one %.1f ms", o.name(), d.Panels, ms(d.Wall), ms(d.CPU), ms(d.Slowest), ms(d.Sum))
	return d, nil
}
