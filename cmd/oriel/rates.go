package main

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/oriel-project/oriel/console"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
)

const (
	ratesEvery  = 2 * time.Second
	ratesWindow = 5 // looks, over which a rate is taken
)

// rates knows what each tenant sends in per second.
type rates struct {
	next   logging.Appender
	series *tsdb.Store

	mu      sync.Mutex // guards what follows
	records map[tenant.ID]uint64
	bytes   map[tenant.ID]uint64 // of the sources of those
	looks   []look               // oldest first
}

type look struct {
	at               time.Time
	samples, records map[tenant.ID]uint64
	bytes            map[tenant.ID]uint64
}

func newRates(next logging.Appender, series *tsdb.Store) *rates {
	return &rates{next: next, series: series, records: map[tenant.ID]uint64{}, bytes: map[tenant.ID]uint64{}}
}

// Append implements logging.Appender: it counts what was stored.
func (r *rates) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	results, err := r.next.Append(ctx, w, b)
	if err == nil {
		r.mu.Lock()
		for from := 0; from < len(results); {
			id, stored, size := b.Records[from].Tenant, uint64(0), uint64(0)
			for ; from < len(results) && b.Records[from].Tenant == id; from++ {
				if results[from].Status == logging.Stored {
					stored++
					size += uint64(len(b.Records[from].Source))
				}
			}
			if stored > 0 {
				r.records[id] += stored
				r.bytes[id] += size
			}
		}
		r.mu.Unlock()
	}
	return results, err
}

// stored reports whether a record of the tenant was stored since the start.
func (r *rates) stored(id tenant.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[id] > 0
}

// Run looks again and again until ctx ends.
func (r *rates) Run(ctx context.Context) error {
	tick := time.NewTicker(ratesEvery)
	defer tick.Stop()
	for {
		r.look(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *rates) look(now time.Time) {
	l := look{at: now, samples: map[tenant.ID]uint64{}}
	for id, s := range r.series.Stats() {
		l.samples[id] = s.Samples
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l.records, l.bytes = maps.Clone(r.records), maps.Clone(r.bytes)
	r.looks = append(r.looks, l)
	if len(r.looks) > ratesWindow {
		r.looks = r.looks[1:]
	}
}

// now gives the rates over the last looks.
func (r *rates) now() map[tenant.ID]console.Rate {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[tenant.ID]console.Rate{}
	if len(r.looks) < 2 {
		return out
	}
	first, last := r.looks[0], r.looks[len(r.looks)-1]
	seconds := last.at.Sub(first.at).Seconds()
	for id, n := range last.samples {
		v := out[id]
		v.Samples = perSecond(first.samples[id], n, seconds)
		out[id] = v
	}
	for id, n := range last.records {
		v := out[id]
		v.Records = perSecond(first.records[id], n, seconds)
		v.LogBytes = perSecond(first.bytes[id], last.bytes[id], seconds)
		out[id] = v
	}
	return out
}

func perSecond(from, to uint64, seconds float64) float64 {
	if to < from || seconds <= 0 {
		return 0 // the database was removed and made anew in between
	}
	return float64(to-from) / seconds
}
