package tsdb

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/metrics"
)

// counters are the Store's own metrics. The engine's are not registered: there
// would be a hundred per tenant.
type counters struct {
	samples, exemplars prometheus.Counter
	refused            *prometheus.CounterVec // by reason
	reg                prometheus.Registerer
	all                []prometheus.Collector
}

func newCounters(reg prometheus.Registerer, s *Store) *counters {
	c := &counters{
		reg: reg,
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oriel_metrics_samples_total", Help: "Samples committed to tenants' databases.",
		}),
		exemplars: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oriel_metrics_exemplars_total", Help: "Exemplars handed to tenants' databases.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_metrics_samples_refused_total", Help: "Samples refused by tenants' databases.",
		}, []string{"reason"}),
	}
	c.all = []prometheus.Collector{
		c.samples, c.exemplars, c.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_metrics_databases", Help: "Tenants' databases that are open.",
		}, func() float64 {
			s.mu.RLock()
			defer s.mu.RUnlock()
			return float64(len(s.dbs))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_metrics_databases_idle", Help: "Tenants' databases that are closed because nobody needs them.",
		}, func() float64 {
			s.mu.RLock()
			defer s.mu.RUnlock()
			return float64(len(s.asleep))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_metrics_databases_broken", Help: "Tenants' databases that could not be opened.",
		}, func() float64 {
			s.mu.RLock()
			defer s.mu.RUnlock()
			return float64(len(s.broken))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_metrics_active_series", Help: "Active series over all tenants' databases.",
		}, func() float64 {
			n := 0
			for _, st := range s.Stats() {
				n += st.Series
			}
			return float64(n)
		}),
	}
	if reg != nil {
		reg.MustRegister(c.all...)
	}
	return c
}

func (c *counters) unregister() {
	if c.reg == nil {
		return
	}
	for _, m := range c.all {
		c.reg.Unregister(m)
	}
}

// reasonOf names an error of Append for a counter's label.
func reasonOf(err error) string {
	if limit, ok := errors.AsType[*metrics.LimitError](err); ok {
		return limit.Reason
	}
	switch {
	case errors.Is(err, datadir.ErrFull):
		return "disk_full"
	case errors.Is(err, errTorn):
		return "torn"
	case errors.Is(err, errNoScope):
		return "no_scope"
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return "duplicate"
	case errors.Is(err, storage.ErrTooOldSample):
		return "too_old"
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return "out_of_order"
	case errors.Is(err, storage.ErrOutOfBounds):
		return "out_of_bounds"
	}
	return "other"
}
