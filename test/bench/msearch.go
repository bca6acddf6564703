package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
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
			`"l":{"terms":{"field":"level","size":5},"aggs":{"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m","min_doc_count":1}}}}`,
			`"t":{"terms":{"field":"status","size":10},"aggs":{"a":{"avg":{"field":"latency_ms"}}}}`,
		} {
			out = append(out, fmt.Sprintf(`{"size":0,"query":{"bool":{"filter":[%s,{"term":{"kubernetes.namespace_name.keyword":"%s"}}]}},"aggs":{%s}}`,
				esRange(c.start(), c.End), ns, aggs))
		}
	}
	return out
}

// dash measures the dashboard on Oriel.
func (b *bench) dash(ctx context.Context, o *oriel) (dashboard, error) {
	ps := panels(b.corpus)
	d := dashboard{Panels: len(ps)}
	if o.p == nil || o.p.exited() {
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
	body := []byte("{}\n" + strings.Join(ps, "\n{}\n") + "\n")
	var walls, cpus []time.Duration
	for range b.runs {
		cpu, begin := o.p.cpu(), time.Now()
		reply, err := o.request(ctx, http.MethodPost, "/es/_msearch", "application/x-ndjson", body)
		if err != nil {
			return d, err
		}
		walls, cpus = append(walls, time.Since(begin)), append(cpus, o.p.cpu()-cpu)
		var r struct{ Responses []struct{ Status int } }
		if err := json.Unmarshal(reply, &r); err != nil || len(r.Responses) != len(ps) {
			return d, fmt.Errorf("_msearch: %d responses of %d, %w", len(r.Responses), len(ps), err)
		}
		for _, x := range r.Responses {
			if x.Status != http.StatusOK {
				return d, fmt.Errorf("_msearch: a panel has status %d: %.300s", x.Status, reply)
			}
		}
	}
	d.Wall, d.CPU = median(walls), median(cpus)
	b.say("oriel: _msearch of %d panels %.1f ms, %.1f CPU-ms; slowest panel %.1f ms, all one by one %.1f ms", d.Panels, ms(d.Wall), ms(d.CPU), ms(d.Slowest), ms(d.Sum))
	return d, nil
}
