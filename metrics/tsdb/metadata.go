package tsdb

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// Bounds on what is kept of metrics' own words, per tenant: 20,000 families of
// at most 4 variants, a help text of at most 1 KiB.
const (
	familiesMax  = 20000
	variantsMax  = 4
	helpBytesMax = 1 << 10
)

// families is what a tenant's metrics say of themselves, in memory: senders
// repeat it, so that after a restart it is back within one scrape interval.
type families struct {
	mu sync.RWMutex // guards of
	of map[string][]metrics.Metadata
}

func (m *families) put(family string, ls labels.Labels, md metadata.Metadata) {
	if family == "" {
		family = familyOf(ls.Get(model.MetricNameLabel), md.Type)
	}
	if family == "" {
		return
	}
	v := metrics.Metadata{Type: string(md.Type), Help: md.Help, Unit: md.Unit}
	if len(v.Help) > helpBytesMax {
		v.Help = strings.ToValidUTF8(v.Help[:helpBytesMax], "")
	}
	m.mu.RLock()
	known := slices.Contains(m.of[family], v)
	m.mu.RUnlock()
	if known {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string][]metrics.Metadata{}
	}
	vs, there := m.of[family]
	if slices.Contains(vs, v) || (!there && len(m.of) >= familiesMax) {
		return
	}
	if len(vs) >= variantsMax { // the newest words are the ones that count
		vs = vs[1:]
	}
	// The strings may point into a whole request or scrape body.
	v.Type, v.Help, v.Unit = strings.Clone(v.Type), strings.Clone(v.Help), strings.Clone(v.Unit)
	m.of[strings.Clone(family)] = append(slices.Clone(vs), v)
}

// all gives everything; the map is not to be changed.
func (m *families) all() map[string][]metrics.Metadata {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.of
}

// familyOf gives the family of a series by its name, for senders that do not
// name it.
func familyOf(name string, t model.MetricType) string {
	switch t {
	case model.MetricTypeHistogram, model.MetricTypeGaugeHistogram, model.MetricTypeSummary:
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if f, ok := strings.CutSuffix(name, suffix); ok {
				return f
			}
		}
	}
	return name
}

// Metadata implements metrics.Store. The caller owns the map.
func (s *Store) Metadata(r tenant.Read) map[string][]metrics.Metadata {
	out := map[string][]metrics.Metadata{}
	add := func(of map[string][]metrics.Metadata) {
		for family, vs := range of {
			for _, v := range vs {
				if !slices.Contains(out[family], v) {
					out[family] = append(out[family], v)
				}
			}
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := r.Tenants()
	if r.All() {
		ids = slices.Sorted(maps.Keys(s.dbs))
		for id := range s.asleep {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if db := s.dbs[id]; db != nil {
			db.meta.mu.RLock()
			add(db.meta.of)
			db.meta.mu.RUnlock()
		} else {
			add(s.asleep[id].meta)
		}
	}
	return out
}
