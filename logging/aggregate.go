package logging

import (
	"fmt"
	"math"
	"strconv"
)

// Aggregator computes aggregations over the documents it is given, one by one
// or by runs of rows, in any order. It is exact, but for two metrics over very
// many values, of which it keeps sketches: Cardinality beyond 65,536 distinct
// values of one bucket (standard error 0.41 %) and Percentiles beyond 65,536
// values of one bucket (within 0.5 % of the value). Neither depends on the order.
// A percentile is the value at that rank of all values, linearly between
// neighbours (rank p/100*(n-1)). Empty buckets of Terms (MinDocs 0) are those of
// terms that one of the documents has, in whichever bucket. Not safe for
// concurrent use.
type Aggregator struct {
	bounds *aggBounds
	plan   *groupPlan
	root   group
	run    run
}

// NewAggregator checks the aggregations. The error wraps ErrQuery.
func NewAggregator(aggs []Agg) (*Aggregator, error) { return NewAggregatorWithin(aggs, 0) }

// NewAggregatorWithin is NewAggregator with a bound on the memory for groups,
// keys, sketches and hits, in bytes as estimated; 0 means MemoryMaxDefault.
func NewAggregatorWithin(aggs []Agg, bytesMax int64) (*Aggregator, error) {
	return newAggregator(aggs, newBounds(bytesMax))
}

func newAggregator(aggs []Agg, b *aggBounds) (*Aggregator, error) {
	a := &Aggregator{bounds: b}
	var err error
	if a.plan, err = newGroupPlan(aggs, b); err != nil {
		return nil, err
	}
	for _, p := range a.plan.plans {
		if t, ok := p.(*termsPlan); ok {
			t.alone = true
		}
	}
	return a, a.plan.make(&a.root)
}

// Until has Result ask now and then whether the answer is still wanted, and fail
// with the error where it is not.
func (a *Aggregator) Until(ended func() error) { a.bounds.ended = ended }

// Add looks at a document. Its record must not change afterwards; the Doc may be
// Reset. The error wraps
// ErrQuery where the aggregations grow beyond their bounds.
func (a *Aggregator) Add(d *Doc) error { return a.plan.add(&a.root, d) }

// AddRows looks at the rows of sel, which ascends; nil means all. The result is
// what Add gives for their documents one by one, but for the last digits of
// floating sums (1e-9 of them). The error is one of rows, or wraps ErrQuery
// where the aggregations grow beyond their bounds.
func (a *Aggregator) AddRows(rows Rows, sel []uint32) error {
	if sel != nil && len(sel) == 0 || rows.Len() == 0 {
		return nil
	}
	a.run.start(rows)
	a.bounds.passing = true
	err := a.plan.addRows(&a.root, &a.run, sel)
	a.bounds.passing = false
	a.run.end()
	return err
}

// Result gives the answers by name. Call it once.
func (a *Aggregator) Result() (map[string]AggResult, error) { return a.plan.result(&a.root) }

// plan is what all collectors of one aggregation of the query have in common:
// there is one collector a bucket that the aggregation is in.
type plan interface {
	make() (collector, error)
	// countable reports whether its collectors can add rows of this run by their
	// number alone, since all of them are alike.
	countable(*run) (bool, error)
}

// collector is the state of one aggregation in one bucket.
type collector interface {
	add(*Doc) error
	// addRows looks at rows, nil being all. With ok false it did nothing, and
	// wants documents.
	addRows(r *run, sel []uint32) (ok bool, err error)
	// addCount adds n rows where its plan is countable.
	addCount(r *run, n int) error
	result() (AggResult, error)
}

func newPlan(a Agg, b *aggBounds) (plan, error) {
	switch of := a.Of.(type) {
	case DateHistogram:
		return newDateHistogram(of, a.Sub, b)
	case Histogram:
		return newHistogram(of, a.Sub, b)
	case Terms:
		return newTerms(of, a.Sub, b)
	case Composite:
		return newComposite(of, a.Sub, b)
	case GeohashGrid:
		return newGeohashGrid(of, a.Sub, b)
	case Filters:
		return newFilters(of, a.Sub, b)
	case FilterAgg:
		return newSingle(newChoice(of.Filter), a.Sub, b)
	case MissingAgg:
		return newSingle(&absence{field: of.Field}, a.Sub, b)
	}
	if len(a.Sub) > 0 {
		return nil, fmt.Errorf("%w: aggregation %q makes no buckets: move what is inside it out", ErrQuery, a.Name)
	}
	switch of := a.Of.(type) {
	case Metric:
		if of.Kind < Avg || of.Kind > PercentileRanks {
			return nil, fmt.Errorf("%w: aggregation %q: unknown metric %d", ErrQuery, a.Name, of.Kind)
		}
		return newMetric(of, b), nil
	case TopHits:
		if of.Offset < 0 || of.Limit < 0 || of.Offset+of.Limit > topHitsMax {
			return nil, fmt.Errorf("%w: aggregation %q: %d hits from %d: want at most %d", ErrQuery, a.Name, of.Limit, of.Offset, topHitsMax)
		}
		return &topHitsPlan{TopHits: of, bounds: b}, nil
	}
	return nil, fmt.Errorf("%w: aggregation %q is of an unknown type %T", ErrQuery, a.Name, a.Of)
}

// group is the documents of one bucket, with a collector for each of the
// aggregations inside it. Its plan is that of all the buckets beside it.
type group struct {
	docs int64
	cols []collector
}

type groupPlan struct {
	aggs   []Agg
	plans  []plan
	bounds *aggBounds
	slab   []collector // to be given to groups
}

func newGroupPlan(aggs []Agg, b *aggBounds) (*groupPlan, error) {
	p := &groupPlan{aggs: aggs, bounds: b}
	for _, a := range aggs {
		of, err := newPlan(a, b)
		if err != nil {
			return nil, err
		}
		p.plans = append(p.plans, of)
	}
	return p, nil
}

// make gives a new group its collectors.
func (p *groupPlan) make(g *group) error {
	n := len(p.plans)
	if n == 0 {
		return nil
	}
	if len(p.slab) < n {
		p.slab = make([]collector, 32*n)
	}
	g.cols, p.slab = p.slab[:n:n], p.slab[n:]
	for i, of := range p.plans {
		var err error
		if g.cols[i], err = of.make(); err != nil {
			return err
		}
	}
	return nil
}

func (p *groupPlan) add(g *group, d *Doc) error {
	g.docs++
	for _, c := range g.cols {
		if err := c.add(d); err != nil {
			return err
		}
	}
	return nil
}

// addRows adds rows, nil being all. What cannot use columns is given documents,
// each made once.
func (p *groupPlan) addRows(g *group, r *run, sel []uint32) error {
	g.docs += int64(r.count(sel))
	var some [4]collector
	slow := some[:0]
	for _, c := range g.cols {
		ok, err := c.addRows(r, sel)
		if err != nil {
			return err
		}
		if !ok {
			slow = append(slow, c)
		}
	}
	if len(slow) == 0 {
		return nil
	}
	for _, i := range r.rowsOf(sel) {
		d, err := r.doc(i)
		if err != nil {
			return err
		}
		for _, c := range slow {
			if err := c.add(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCount adds n rows, unseen, where the plan is countable.
func (p *groupPlan) addCount(g *group, r *run, n int) error {
	g.docs += int64(n)
	for _, c := range g.cols {
		if err := c.addCount(r, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *groupPlan) countable(r *run) (bool, error) {
	for _, of := range p.plans {
		if ok, err := of.countable(r); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (p *groupPlan) result(g *group) (map[string]AggResult, error) {
	if len(p.plans) == 0 {
		return nil, nil
	}
	if g.cols == nil { // an empty bucket
		if err := p.make(g); err != nil {
			return nil, err
		}
	}
	out := make(map[string]AggResult, len(g.cols))
	for i, c := range g.cols {
		r, err := c.result()
		if err != nil {
			return nil, err
		}
		out[p.aggs[i].Name] = r
	}
	return out, nil
}

func (p *groupPlan) bucket(g *group, key Value) (Bucket, error) {
	if err := p.bounds.bucket(); err != nil {
		return Bucket{}, err
	}
	sub, err := p.result(g)
	return Bucket{Key: key, DocCount: g.docs, Sub: sub}, err
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
				switch {
				case r.Ranks && x.Value == p:
					return x.Percent
				case !r.Ranks && x.Percent == p:
					return x.Value
				}
			}
		}
	}
	return math.NaN()
}
