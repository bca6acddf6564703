package scrape

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// sample is one value of a series that the agent makes itself.
type sample struct {
	labels labels.Labels
	value  float64
	typ    model.MetricType
}

// emitter writes the agent's own series at one moment after the other, as a
// scrape would: a series that is there no longer is marked stale.
type emitter struct {
	app  storage.AppendableV2
	help map[string]string // by metric name
	prev map[uint64]labels.Labels
}

// write is for one goroutine. What the store does not take is left out, and the
// error says how many and why.
func (e *emitter) write(ctx context.Context, at time.Time, samples []sample) error {
	if len(samples) == 0 && len(e.prev) == 0 {
		return nil
	}
	app := e.app.AppenderV2(ctx)
	t := at.UnixMilli()
	now := make(map[uint64]labels.Labels, len(samples))
	refused, first := 0, error(nil)
	add := func(ls labels.Labels, v float64, o storage.AOptions) bool {
		_, err := app.Append(0, ls, 0, t, v, nil, nil, o)
		if err != nil {
			if refused++; first == nil {
				first = err
			}
		}
		return err == nil
	}
	for _, s := range samples {
		name := s.labels.Get(model.MetricNameLabel)
		if add(s.labels, s.value, storage.AOptions{MetricFamilyName: name, Metadata: metadata.Metadata{Type: s.typ, Help: e.help[name]}}) {
			now[s.labels.Hash()] = s.labels
		}
	}
	stale := math.Float64frombits(value.StaleNaN)
	for h, ls := range e.prev {
		if _, there := now[h]; !there {
			add(ls, stale, storage.AOptions{})
		}
	}
	e.prev = now
	if err := app.Commit(); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("%d samples were not taken: %w", refused, first)
	}
	return nil
}

// every calls f at once and then every interval, until ctx ends. What f does
// wrong is logged where it changes.
func (m *Manager) every(ctx context.Context, what string, interval time.Duration, f func(context.Context, time.Time) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	said := ""
	for at := time.Now(); ; {
		err := f(ctx, at)
		switch {
		case ctx.Err() != nil || errors.Is(err, context.Canceled):
			return
		case err != nil && err.Error() != said:
			m.opts.Logger.Warn("own_series_not_written", "what", what, "err", err)
			said = err.Error()
		case err == nil:
			said = ""
		}
		select {
		case at = <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
