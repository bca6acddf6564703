// Package usage tells each tenant what it uses of its limits, and what it lacks, as
// series among its own metrics:
//
//	w := usage.New(usage.Options{Appender: store, Write: write, Points: points})
//	err := w.Run(ctx) // oriel_limit_used{tenant="shop",resource="series"} 1734
//
// They carry the tenant's ID, so that the operator, who sees all tenants, can tell
// them apart. A tenant that has no metrics of its own gets none, nor does one whose
// database nobody needs: what is written here does not keep it open.
package usage

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// The names of the series.
const (
	Used  = "oriel_limit_used" // in the unit of the resource
	Limit = "oriel_limit"      // left out where there is none
	Lacks = "oriel_lacks"      // 1 or 0
)

// The resources that a tenant has a limit of.
const (
	Series  = "series"    // active ones
	Samples = "samples"   // a second, that came in
	Logs    = "log_bytes" // a second, that came in
)

// Every is how often it writes.
const Every = 15 * time.Second

// Point is one value that a tenant is told.
type Point struct {
	Name        string // Used, Limit or Lacks
	Label, Text string // resource, or what
	Value       float64
}

var help = map[string]string{
	Used:  "What the tenant uses of a limited resource.",
	Limit: "The most that the tenant may use of a resource.",
	Lacks: "1 where the tenant lacks something that its window is made of.",
}

// Options of a Writer. Appender, Write and Points are needed.
type Options struct {
	Appender metrics.Appender
	Write    func(tenant.ID) tenant.Write
	// Points gives what tenants are told now. It is called once a round.
	Points func() map[tenant.ID][]Point
	Clock  clock.Clock
	Logger *slog.Logger // nil: silent
}

// Writer writes again and again.
type Writer struct {
	o    Options
	told map[tenant.ID][]Point
}

// New makes a Writer that does nothing until Run.
func New(o Options) *Writer {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Writer{o: o, told: map[tenant.ID][]Point{}}
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		w.write(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// write gives each series a sample. A series that is told no more ends. What one
// tenant's database does not take is that tenant's alone.
func (w *Writer) write(ctx context.Context) {
	now, points := w.o.Clock(), w.o.Points()
	for id, ps := range points {
		if ctx.Err() != nil {
			return
		}
		err := w.append(ctx, id, now, ps)
		if errors.Is(err, metrics.ErrNoDatabase) {
			delete(w.told, id) // it fell asleep just now
			continue
		}
		if err != nil {
			w.o.Logger.Warn("what a tenant uses could not be written as metrics", "tenant", string(id), "error", err)
			continue
		}
		w.told[id] = ps
	}
	for id := range w.told {
		if _, ok := points[id]; !ok {
			delete(w.told, id) // its database is gone
		}
	}
}

func (w *Writer) append(ctx context.Context, id tenant.ID, now time.Time, ps []Point) error {
	app := w.o.Appender.Appender(metrics.Account(ctx), w.o.Write(id))
	add := func(p Point) error {
		b := labels.NewScratchBuilder(4)
		b.Add(model.MetricNameLabel, p.Name)
		b.Add(model.JobLabel, "oriel")
		b.Add("tenant", string(id))
		b.Add(p.Label, p.Text)
		b.Sort()
		_, err := app.Append(0, b.Labels(), 0, now.UnixMilli(), p.Value, nil, nil, storage.AOptions{
			MetricFamilyName: p.Name, Metadata: metadata.Metadata{Type: model.MetricTypeGauge, Help: help[p.Name]},
		})
		return err
	}
	type key struct{ name, text string }
	have := map[key]bool{}
	var err error
	for _, p := range ps {
		have[key{p.Name, p.Text}] = true
		if err == nil {
			err = add(p)
		}
	}
	for _, p := range w.told[id] {
		if err == nil && !have[key{p.Name, p.Text}] {
			p.Value = math.Float64frombits(value.StaleNaN)
			err = add(p)
		}
	}
	if err != nil {
		_ = app.Rollback() // err says more
		return err
	}
	return app.Commit()
}
