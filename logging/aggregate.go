package logging

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Bounds of one query's aggregations.
const (
	bucketsMax    = 65_536  // returned, as Elasticsearch's search.max_buckets
	groupsMax     = 1 << 20 // kept on the way: candidates of Terms, distinct values
	percentileMax = 1 << 24 // values kept for percentiles
	topHitsMax    = 10_000  // hits of one TopHits
)

// Aggregator computes aggregations over the documents it is given, in any
// order. It is exact: cardinalities are counted, and a percentile is the value
// at that rank of all values, linearly between neighbours (rank p/100*(n-1)).
// Not safe for concurrent use.
type Aggregator struct {
	bounds *aggBounds
	root   *group
}

// NewAggregator checks the aggregations. The error wraps ErrQuery.
func NewAggregator(aggs []Agg) (*Aggregator, error) {
	b := &aggBounds{}
	root, err := newGroup(aggs, b)
	if err != nil {
		return nil, err
	}
	return &Aggregator{b, root}, nil
}

// Add looks at a document. Its record must not change afterwards; the Doc may be
// Reset. The error wraps
// ErrQuery where the aggregations grow beyond their bounds.
func (a *Aggregator) Add(d *Doc) error { return a.root.add(d) }

// Result gives the answers by name. Call it once.
func (a *Aggregator) Result() (map[string]AggResult, error) { return a.root.result() }

// aggBounds counts what one query's aggregations hold.
type aggBounds struct{ buckets, groups, values int }

func (b *aggBounds) bucket() error {
	if b.buckets++; b.buckets > bucketsMax {
		return fmt.Errorf("%w: more than %d buckets: widen the interval, shorten the time range or ask for fewer terms", ErrQuery, bucketsMax)
	}
	return nil
}

func (b *aggBounds) group() error {
	if b.groups++; b.groups > groupsMax {
		return fmt.Errorf("%w: aggregations over more than %d distinct values: narrow the query or the time range", ErrQuery, groupsMax)
	}
	return nil
}

func (b *aggBounds) value() error {
	if b.values++; b.values > percentileMax {
		return fmt.Errorf("%w: percentiles over more than %d values: narrow the query or the time range", ErrQuery, percentileMax)
	}
	return nil
}

// collector is the state of one aggregation.
type collector interface {
	add(*Doc) error
	result() (AggResult, error)
}

func newCollector(a Agg, b *aggBounds) (collector, error) {
	switch of := a.Of.(type) {
	case DateHistogram:
		return newDateHistogram(of, a.Sub, b)
	case Histogram:
		return newHistogram(of, a.Sub, b)
	case Terms:
		return newTerms(of, a.Sub, b)
	case Filters:
		return newFilters(of, a.Sub, b)
	case FilterAgg:
		g, err := newGroup(a.Sub, b)
		return &single{test: of.Filter.Match, group: g}, err
	case MissingAgg:
		g, err := newGroup(a.Sub, b)
		return &single{test: func(d *Doc) bool { return len(d.Values(of.Field)) == 0 }, group: g}, err
	}
	if len(a.Sub) > 0 {
		return nil, fmt.Errorf("%w: aggregation %q makes no buckets: move what is inside it out", ErrQuery, a.Name)
	}
	switch of := a.Of.(type) {
	case Metric:
		if of.Kind < Avg || of.Kind > Percentiles {
			return nil, fmt.Errorf("%w: aggregation %q: unknown metric %d", ErrQuery, a.Name, of.Kind)
		}
		return &metric{Metric: of, bounds: b, seen: map[termKey]struct{}{}}, nil
	case TopHits:
		if of.Offset < 0 || of.Limit < 0 || of.Offset+of.Limit > topHitsMax {
			return nil, fmt.Errorf("%w: aggregation %q: %d hits from %d: want at most %d", ErrQuery, a.Name, of.Limit, of.Offset, topHitsMax)
		}
		return &topHits{TopHits: of, top: topK{keys: of.Sort, k: of.Offset + of.Limit}}, nil
	}
	return nil, fmt.Errorf("%w: aggregation %q is of an unknown type %T", ErrQuery, a.Name, a.Of)
}

// group is the documents of one bucket with the aggregations inside it.
type group struct {
	aggs []Agg
	docs int64
	cols []collector
}

func newGroup(aggs []Agg, b *aggBounds) (*group, error) {
	g := &group{aggs: aggs, cols: make([]collector, len(aggs))}
	for i, a := range aggs {
		var err error
		if g.cols[i], err = newCollector(a, b); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *group) add(d *Doc) error {
	g.docs++
	for _, c := range g.cols {
		if err := c.add(d); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) result() (map[string]AggResult, error) {
	if len(g.cols) == 0 {
		return nil, nil
	}
	out := make(map[string]AggResult, len(g.cols))
	for i, c := range g.cols {
		r, err := c.result()
		if err != nil {
			return nil, err
		}
		out[g.aggs[i].Name] = r
	}
	return out, nil
}

func (g *group) bucket(key Value, b *aggBounds) (Bucket, error) {
	if err := b.bucket(); err != nil {
		return Bucket{}, err
	}
	sub, err := g.result()
	return Bucket{Key: key, DocCount: g.docs, Sub: sub}, err
}

// single is FilterAgg and MissingAgg.
type single struct {
	test  func(*Doc) bool
	group *group
}

func (s *single) add(d *Doc) error {
	if !s.test(d) {
		return nil
	}
	return s.group.add(d)
}

func (s *single) result() (AggResult, error) {
	sub, err := s.group.result()
	return AggResult{DocCount: s.group.docs, Sub: sub}, err
}

type topHits struct {
	TopHits
	top topK
}

func (t *topHits) add(d *Doc) error {
	if t.top.k > 0 {
		t.top.add(ranked{d.Record, sortValues(d, t.Sort)})
	}
	return nil
}

func (t *topHits) result() (AggResult, error) { return AggResult{Hits: t.top.hits(t.Offset)}, nil }

// metric computes numbers of a field's values.
type metric struct {
	Metric
	bounds *aggBounds
	stats  Stats
	vals   []float64            // Percentiles
	seen   map[termKey]struct{} // Cardinality
}

func (m *metric) add(d *Doc) error {
	vals := d.Values(m.Field)
	if len(vals) == 0 && m.Missing != nil {
		vals = []Value{*m.Missing}
	}
	for _, v := range vals {
		if err := m.addValue(v); err != nil {
			return err
		}
	}
	return nil
}

func (m *metric) addValue(v Value) error {
	switch m.Kind {
	case ValueCount:
		m.stats.Count++
		return nil
	case Cardinality:
		k := keyOf(v)
		if _, ok := m.seen[k]; ok {
			return nil
		}
		m.seen[k] = struct{}{}
		return m.bounds.group()
	}
	x, isDate, ok := v.number()
	if !ok {
		return nil
	}
	s := &m.stats
	if s.Count == 0 {
		s.Min, s.Max, s.IsDate = x, x, isDate
	}
	s.IsDate = s.IsDate && isDate
	s.Count++
	s.Sum += x
	s.SumOfSqr += x * x
	s.Min, s.Max = min(s.Min, x), max(s.Max, x)
	if m.Kind == Percentiles {
		m.vals = append(m.vals, x)
		return m.bounds.value()
	}
	return nil
}

func (m *metric) result() (AggResult, error) {
	s := m.stats
	one := func(x float64) (AggResult, error) {
		return AggResult{Value: &x, ValueIsDate: s.IsDate && m.Kind != Sum}, nil
	}
	switch m.Kind {
	case ValueCount:
		return one(float64(s.Count))
	case Cardinality:
		return one(float64(len(m.seen)))
	case Sum:
		return one(s.Sum)
	case StatsMetric, ExtendedStats:
		return AggResult{Stats: &s}, nil
	case Percentiles:
		return AggResult{Percentiles: percentiles(m.vals, m.Percents), ValueIsDate: s.IsDate}, nil
	}
	if s.Count == 0 {
		return AggResult{}, nil
	}
	switch m.Kind {
	case Min:
		return one(s.Min)
	case Max:
		return one(s.Max)
	}
	return one(s.Avg())
}

func percentiles(vals, percents []float64) []Percentile {
	slices.Sort(vals)
	out := make([]Percentile, len(percents))
	for i, p := range percents {
		out[i] = Percentile{Percent: p, Value: math.NaN()}
		if len(vals) == 0 || math.IsNaN(p) {
			continue
		}
		rank := min(max(p, 0), 100) / 100 * float64(len(vals)-1)
		low := int(rank)
		out[i].Value = vals[low]
		if low+1 < len(vals) {
			out[i].Value += (vals[low+1] - vals[low]) * (rank - float64(low))
		}
	}
	return out
}

// Avg is the mean; NaN without values.
func (s Stats) Avg() float64 { return s.Sum / float64(s.Count) }

// Variance is the population's variance; NaN without values.
func (s Stats) Variance() float64 {
	n := float64(s.Count)
	return max((s.SumOfSqr-s.Sum*s.Sum/n)/n, 0)
}

// number gives the number a TermsOrder names: the value itself for "", else one
// of several. It is NaN where there is none.
func (r AggResult) number(of string) float64 {
	switch {
	case r.Value != nil:
		return *r.Value
	case r.Stats != nil:
		s := *r.Stats
		switch of {
		case "count":
			return float64(s.Count)
		case "sum":
			return s.Sum
		}
		if s.Count == 0 {
			return math.NaN()
		}
		dev := math.Sqrt(s.Variance())
		switch of {
		case "min":
			return s.Min
		case "max":
			return s.Max
		case "avg":
			return s.Avg()
		case "sum_of_squares":
			return s.SumOfSqr
		case "variance", "variance_population":
			return s.Variance()
		case "std_deviation", "std_deviation_population":
			return dev
		case "std_upper", "std_deviation_bounds.upper":
			return s.Avg() + 2*dev
		case "std_lower", "std_deviation_bounds.lower":
			return s.Avg() - 2*dev
		}
	case r.Percentiles != nil:
		if p, err := strconv.ParseFloat(of, 64); err == nil {
			for _, x := range r.Percentiles {
				if x.Percent == p {
					return x.Value
				}
			}
		}
	}
	return math.NaN()
}
