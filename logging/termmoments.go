package logging

import "math"

// tally is what the rows of one code, or of one bucket, come to for one metric.
type tally struct {
	n                  int64
	sum, sqr, min, max float64
}

func (a *tally) reset() { *a = tally{min: math.Inf(1), max: math.Inf(-1)} }

// tallied reports whether there is nothing inside the buckets but sums and the
// like, which can be added up without parting the rows.
func (p *groupPlan) tallied() bool {
	for _, of := range p.plans {
		m, isMetric := of.(*metricPlan)
		if !isMetric || m.Missing != nil {
			return false
		}
		switch m.Kind {
		case Avg, Sum, Min, Max, StatsMetric, ExtendedStats:
		default:
			return false
		}
	}
	return true
}

// loadTallies asks the run for the metrics' columns; ok is false where one of them
// is not of numbers.
func (p *groupPlan) loadTallies(r *run) (ok bool, err error) {
	if !p.tallied() {
		return false, nil
	}
	for _, of := range p.plans {
		m := of.(*metricPlan)
		if err := m.load(r); err != nil || m.mode != metricNumbers && !m.empty() {
			return false, err
		}
	}
	return true, nil
}

// addTallies is addCodes where plan.loadTallies is ok: in one pass by code, and
// the rows are not parted.
func (t *terms) addTallies(r *run, sel []uint32) (ok bool, err error) {
	p, c := t.plan, &t.plan.columns
	if ok, err := p.sub.loadTallies(r); !ok || err != nil {
		return false, err
	}
	codes, none := c.codes.Of, uint32(len(c.codes.Values))
	n := int(none) + 1
	tallies, docs := c.room(n, len(p.sub.plans))
	sel = r.rowsOf(sel)
	for _, i := range sel {
		docs[min(codes[i], none)]++
	}
	for k, of := range p.sub.plans {
		m := of.(*metricPlan)
		if m.empty() {
			continue
		}
		mine, vals := tallies[k*n:(k+1)*n], m.nums.Vals
		for _, i := range sel {
			mine[min(codes[i], none)].add(vals[i])
		}
	}
	for code := range docs {
		rows := docs[code]
		docs[code] = 0
		if rows == 0 || err != nil {
			continue // the counts are zero between calls, whatever happens
		}
		err = t.addTally(uint32(code), int64(rows), tallies[code:], n)
	}
	return true, err
}

// add takes a number; NaN is none.
func (a *tally) add(x float64) {
	if x != x {
		return
	}
	a.n++
	a.sum += x
	a.sqr += x * x
	if x < a.min {
		a.min = x
	}
	if x > a.max {
		a.max = x
	}
}

// room gives tallies by metric and code, reset, and counts by code, which are zero.
func (c *termColumns) room(codes, metrics int) (tallies []tally, docs []uint32) {
	if cap(c.tallies) < codes*metrics {
		c.tallies = make([]tally, codes*metrics+codes)
	}
	if cap(c.counts) < codes {
		c.counts = make([]uint32, codes+codes/4)
	}
	tallies = c.tallies[:codes*metrics]
	for i := range tallies {
		tallies[i].reset()
	}
	return tallies, c.counts[:codes]
}

// empty reports whether no row of the run has a value.
func (p *metricPlan) empty() bool { return p.mode == metricCodes && len(p.codes.Values) == 0 }

// addTally adds the rows of a code to its bucket: of is its tally for the first
// metric, every n further one that for the next.
func (t *terms) addTally(code uint32, rows int64, of []tally, n int) error {
	id, err := t.plan.idOfCode(code)
	if err != nil || id == noID {
		return err
	}
	g, err := t.at(id)
	if err != nil {
		return err
	}
	g.docs += rows
	for k, col := range g.cols {
		m := col.(*moments)
		m.stats.merge(&of[k*n], m.plan.nums.Date)
	}
	return nil
}

// merge adds what numbers come to.
func (s *Stats) merge(a *tally, isDate bool) {
	if a.n == 0 {
		return
	}
	if s.Count == 0 {
		s.Min, s.Max, s.IsDate = a.min, a.max, isDate
	}
	s.IsDate = s.IsDate && isDate
	s.Count += a.n
	s.Sum += a.sum
	s.SumOfSqr += a.sqr
	s.Min, s.Max = min(s.Min, a.min), max(s.Max, a.max)
}
