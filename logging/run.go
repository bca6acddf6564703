package logging

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Run answers a query from any sequence of documents: the meaning of every
// search. Documents may come in any order. It looks at ctx now and then.
func Run(ctx context.Context, q Query, docs iter.Seq[*Doc]) (*Result, error) {
	c, err := NewCollector(q)
	if err != nil {
		return nil, err
	}
	n := 0
	for d := range docs {
		if n++; n%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := c.Add(d); err != nil {
			return nil, err
		}
	}
	return c.Result()
}

// Collector gathers the answer to one query. A store that hands it documents in
// a clever order may stop when Settled says so. Not safe for concurrent use.
type Collector struct {
	q      Query
	match  func(*Doc) bool
	bounds *aggBounds
	top    topK
	total  int64
	aggs   *Aggregator
}

// NewCollector checks the query. The error wraps ErrQuery.
func NewCollector(q Query) (*Collector, error) {
	if q.Filter == nil {
		q.Filter = All{}
	}
	switch {
	case q.Limit < 0 || q.Offset < 0:
		return nil, fmt.Errorf("%w: limit %d and offset %d: want 0 or more", ErrQuery, q.Limit, q.Offset)
	case q.After != nil && len(q.After) != len(q.Sort):
		return nil, fmt.Errorf("%w: search after %d values with %d sort keys: give one value a key", ErrQuery, len(q.After), len(q.Sort))
	}
	c := &Collector{q: q, match: Matcher(q.Filter), bounds: newBounds(q.MemoryMax), top: topK{keys: q.Sort}}
	if q.Limit > 0 {
		c.top.k = q.Limit + q.Offset
	}
	if len(q.Aggs) > 0 {
		var err error
		if c.aggs, err = newAggregator(q.Aggs, c.bounds); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Add looks at one document. The record must not change afterwards; the Doc may
// be Reset. The error
// wraps ErrQuery where the aggregations grow beyond their bounds.
func (c *Collector) Add(d *Doc) error {
	if c.q.Indices != nil && !slices.Contains(c.q.Indices, d.Record.Index) || c.Settled(d.Record.Time) || !c.match(d) {
		return nil
	}
	c.total++
	if c.aggs != nil {
		if err := c.aggs.Add(d); err != nil {
			return err
		}
	}
	if c.top.k == 0 {
		return nil
	}
	keys := SortValues(d, c.q.Sort)
	if !c.Admits(keys, d.Record.Seq) {
		return nil
	}
	return c.keep(ranked{keys: keys, seq: d.Record.Seq, rec: d.Record})
}

func (c *Collector) keep(r ranked) error {
	bytes := hitBytes
	if r.rec != nil {
		bytes += recordBytes(r.rec)
	}
	if gone := c.top.add(r); gone.keys != nil {
		bytes -= hitBytes
		if gone.rec != nil {
			bytes -= recordBytes(gone.rec)
		}
	}
	return c.bounds.hold(bytes, "hits", "")
}

// Settled reports whether no document of time t, nor any beyond it in the order
// of the query, can change the result any more. It is only ever true where the
// first sort key is the time (or no hits are asked for), there are no
// aggregations, and counting has ended.
func (c *Collector) Settled(t time.Time) bool {
	if c.aggs != nil || !c.Counted() {
		return false
	}
	return c.HitsSettled(t)
}

// HitsSettled reports whether no document of time t, nor any beyond it in the
// order of the query, can become a hit any more; it may still count. It is only
// ever true where the first sort key is the time, or no hits are asked for.
func (c *Collector) HitsSettled(t time.Time) bool {
	if c.top.k == 0 {
		return true
	}
	desc, ok := c.byTime()
	if !ok || !c.top.full() {
		return false
	}
	worst := c.top.heap[0].keys[0].Time
	if desc {
		return t.Before(worst)
	}
	return t.After(worst)
}

// byTime reports whether the first sort key is the time, and its direction.
func (c *Collector) byTime() (desc, ok bool) {
	if len(c.q.Sort) == 0 || c.q.Sort[0].Field.Name != FieldTime {
		return false, false
	}
	return c.q.Sort[0].Desc, true
}

// Result gives the answer. Call it once, after the last Add.
func (c *Collector) Result() (*Result, error) {
	hits, err := c.top.hits(c.q.Offset, c.bounds)
	if err != nil {
		return nil, err
	}
	r := &Result{Hits: hits, Total: c.total}
	switch {
	case c.q.TotalMax < 0:
		r.Total = -1
	case c.q.TotalMax > 0 && c.total > int64(c.q.TotalMax):
		r.Total, r.TotalAtLeast = int64(c.q.TotalMax), true
	}
	if c.aggs != nil {
		if r.Aggs, err = c.aggs.Result(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// TimeRange gives the span of time outside which the filter cannot match, as
// far as its parts that all must match tell; both ends are inclusive and zero
// where open.
func TimeRange(f Filter) (from, to time.Time) {
	switch f := f.(type) {
	case And:
		for _, p := range f {
			a, b := TimeRange(p)
			if a.After(from) {
				from = a
			}
			if !b.IsZero() && (to.IsZero() || b.Before(to)) {
				to = b
			}
		}
	case Range:
		if f.Field.Name != FieldTime {
			return
		}
		if f.Min != nil {
			from, _ = boundTime(f.Min.Value, false)
		}
		if f.Max != nil {
			to, _ = boundTime(f.Max.Value, true)
		}
	}
	return from, to
}

// boundTime reads a bound on the time field; a fraction of a millisecond is
// widened, since pruning must never lose.
func boundTime(v Value, up bool) (time.Time, bool) {
	if v.Kind == KindString {
		return time.Time{}, false
	}
	t, ok := v.time()
	if ok && v.Kind == KindFloat {
		if up {
			return t.Add(time.Millisecond), true
		}
		return t.Add(-time.Millisecond), true
	}
	return t, ok
}
