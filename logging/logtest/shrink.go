package logtest

import (
	"slices"

	"github.com/oriel-project/oriel/logging"
)

// Shrink looks for a smaller case that still fails: fewer records and a simpler
// query. fails must be a pure function of its arguments.
func Shrink(recs []logging.Record, q logging.Query, fails func([]logging.Record, logging.Query) bool) ([]logging.Record, logging.Query) {
	for range 20 {
		before := len(recs)
		for size := len(recs) / 2; size > 0; size /= 2 {
			for at := 0; at+size <= len(recs); {
				less := slices.Delete(slices.Clone(recs), at, at+size)
				if fails(less, q) {
					recs = less
				} else {
					at += size
				}
			}
		}
		smaller := false
		for _, s := range simpler(q) {
			if fails(recs, s) {
				q, smaller = s, true
				break
			}
		}
		if !smaller && len(recs) == before {
			break
		}
	}
	return recs, q
}

// simpler gives queries with one thing less.
func simpler(q logging.Query) []logging.Query {
	var out []logging.Query
	with := func(change func(*logging.Query)) {
		c := q
		change(&c)
		out = append(out, c)
	}
	if q.Aggs != nil {
		with(func(c *logging.Query) { c.Aggs = nil })
		for _, aggs := range simplerAggs(q.Aggs) {
			with(func(c *logging.Query) { c.Aggs = aggs })
		}
	}
	if q.Filter != nil {
		with(func(c *logging.Query) { c.Filter = nil })
		for _, f := range simplerFilters(q.Filter) {
			with(func(c *logging.Query) { c.Filter = f })
		}
	}
	if q.Limit > 0 {
		with(func(c *logging.Query) { c.Limit = 0 })
	}
	if q.Offset > 0 {
		with(func(c *logging.Query) { c.Offset = 0 })
	}
	if q.TotalMax != 0 {
		with(func(c *logging.Query) { c.TotalMax = 0 })
	}
	if q.After != nil {
		with(func(c *logging.Query) { c.After = nil })
	}
	if q.Indices != nil {
		with(func(c *logging.Query) { c.Indices = nil })
	}
	for i := range q.Sort {
		with(func(c *logging.Query) { c.Sort, c.After = slices.Delete(slices.Clone(q.Sort), i, i+1), nil })
	}
	return out
}

func simplerFilters(f logging.Filter) []logging.Filter {
	var out []logging.Filter
	switch f := f.(type) {
	case logging.And:
		out = append(out, f...)
		for i := range f {
			out = append(out, slices.Delete(slices.Clone(f), i, i+1))
			for _, s := range simplerFilters(f[i]) {
				c := slices.Clone(f)
				c[i] = s
				out = append(out, c)
			}
		}
	case logging.Or:
		out = append(out, f.Of...)
		for i := range f.Of {
			out = append(out, logging.Or{Of: slices.Delete(slices.Clone(f.Of), i, i+1), Min: f.Min})
			for _, s := range simplerFilters(f.Of[i]) {
				c := slices.Clone(f.Of)
				c[i] = s
				out = append(out, logging.Or{Of: c, Min: f.Min})
			}
		}
	case logging.Not:
		out = append(out, f.Of)
		for _, s := range simplerFilters(f.Of) {
			out = append(out, logging.Not{Of: s})
		}
	}
	return out
}

func simplerAggs(aggs []logging.Agg) [][]logging.Agg {
	var out [][]logging.Agg
	for i, a := range aggs {
		if len(aggs) > 1 {
			out = append(out, slices.Delete(slices.Clone(aggs), i, i+1))
		}
		if len(a.Sub) > 0 {
			out = append(out, a.Sub)
			for _, sub := range append(simplerAggs(a.Sub), nil) {
				c := slices.Clone(aggs)
				c[i].Sub = sub
				out = append(out, c)
			}
		}
	}
	return out
}
