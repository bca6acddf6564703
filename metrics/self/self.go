// Package self writes what Oriel counts of itself into the metric store, where
// the operator's scope finds it beside everything else:
//
//	w := self.New(self.Options{Gatherer: registry, Appender: series, Write: access.SystemWrite()})
//	err := w.Run(ctx)
//
// The series carry job="oriel" and belong to tenant.System. Metrics whose names do
// not begin with oriel_ are left out, but for what the process costs.
package self

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// Every is how often it writes.
const Every = 15 * time.Second

// Options of a Writer. Gatherer, Appender and Write are needed.
type Options struct {
	Gatherer prometheus.Gatherer
	Appender metrics.Appender
	Write    tenant.Write
	Logger   *slog.Logger // nil: silent
}

// Writer writes again and again.
type Writer struct{ o Options }

// New makes a Writer that does nothing until Run.
func New(o Options) *Writer {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Writer{o}
}

// Run writes until ctx ends. What cannot be written is told once, until it can.
func (w *Writer) Run(ctx context.Context) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	failing := false
	for {
		err := w.write(ctx, time.Now())
		if err != nil && !failing && ctx.Err() == nil {
			w.o.Logger.Warn("Oriel's own metrics cannot be stored, it is tried again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *Writer) write(ctx context.Context, now time.Time) error {
	families, err := w.o.Gatherer.Gather()
	if err != nil && len(families) == 0 {
		return fmt.Errorf("gather own metrics: %w", err)
	}
	app := w.o.Appender.Appender(ctx, w.o.Write)
	var errs []error
	for _, f := range families {
		if !kept(f.GetName()) {
			continue
		}
		o := storage.AppendV2Options{MetricFamilyName: f.GetName(), Metadata: metadata.Metadata{Type: typeOf(f.GetType()), Help: f.GetHelp()}}
		for _, m := range f.GetMetric() {
			samples(f, m, func(name string, v float64, more ...string) {
				b := labels.NewBuilder(labels.EmptyLabels())
				b.Set(model.MetricNameLabel, name)
				b.Set(model.JobLabel, "oriel")
				for _, l := range m.GetLabel() {
					b.Set(l.GetName(), l.GetValue())
				}
				for i := 0; i+1 < len(more); i += 2 {
					b.Set(more[i], more[i+1])
				}
				if _, err := app.Append(0, b.Labels(), 0, now.UnixMilli(), v, nil, nil, o); err != nil {
					errs = append(errs, err)
				}
			})
		}
	}
	if err := app.Commit(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func kept(name string) bool {
	return strings.HasPrefix(name, "oriel_") || name == "process_cpu_seconds_total" || name == "process_resident_memory_bytes"
}

// samples gives the series of one metric as its text format has them. Bounds of
// buckets are written as Prometheus 3 writes those it scrapes: 5.0, not 5.
func samples(f *dto.MetricFamily, m *dto.Metric, give func(name string, v float64, more ...string)) {
	name := f.GetName()
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		give(name, m.GetCounter().GetValue())
	case dto.MetricType_GAUGE:
		give(name, m.GetGauge().GetValue())
	case dto.MetricType_UNTYPED:
		give(name, m.GetUntyped().GetValue())
	case dto.MetricType_SUMMARY:
		s := m.GetSummary()
		for _, q := range s.GetQuantile() {
			give(name, q.GetValue(), "quantile", labels.FormatOpenMetricsFloat(q.GetQuantile()))
		}
		give(name+"_sum", s.GetSampleSum())
		give(name+"_count", float64(s.GetSampleCount()))
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		last := 0.0
		for _, b := range h.GetBucket() {
			last = b.GetUpperBound()
			give(name+"_bucket", float64(b.GetCumulativeCount()), "le", labels.FormatOpenMetricsFloat(last))
		}
		if !math.IsInf(last, 1) {
			give(name+"_bucket", float64(h.GetSampleCount()), "le", "+Inf")
		}
		give(name+"_sum", h.GetSampleSum())
		give(name+"_count", float64(h.GetSampleCount()))
	}
}

func typeOf(t dto.MetricType) model.MetricType {
	switch t {
	case dto.MetricType_COUNTER:
		return model.MetricTypeCounter
	case dto.MetricType_GAUGE:
		return model.MetricTypeGauge
	case dto.MetricType_HISTOGRAM:
		return model.MetricTypeHistogram
	case dto.MetricType_SUMMARY:
		return model.MetricTypeSummary
	}
	return model.MetricTypeUnknown
}
