package logging

import (
	"strconv"
	"strings"
)

// SumKeeper is what Rows may be, too: they keep what all of them came to for others
// that ask the same. Dashboards do, of blocks that never change.
type SumKeeper interface {
	// Sums gives what KeepSums was told of the key; nil where that is not known.
	Sums(key string) *Sums
	// KeepSums keeps the sums of all rows. They are not changed any more.
	KeepSums(key string, s *Sums)
}

// Sums are what rows come to by the value of a field: how many there are, and a
// tally for each of some metrics.
type Sums struct {
	values  []Value // the last one Missing: rows without a value
	docs    []int64
	tallies []tally // by value and metric
	dates   []bool  // by metric: its column is of dates
	unfit   bool    // there are too many values, or they are in no columns
}

// Bytes is what they take in memory, about.
func (s *Sums) Bytes() int64 {
	n := 200 + 80*len(s.docs) + 40*len(s.tallies)
	for _, v := range s.values {
		n += len(v.Str)
	}
	return int64(n)
}

// keptShare is how many rows there are for each sum that is kept: they take less
// than the columns they were made of.
const (
	keptShare = 16
	keptLeast = 8 // of small blocks
)

// addKept adds all rows of the run by their sums, which are kept; ok is false where
// that does not serve.
func (t *terms) addKept(r *run, sel []uint32) (ok bool, err error) {
	p := t.plan
	keeper, ok := r.rows.(SumKeeper)
	if !ok || sel != nil || p.points != nil || len(p.sub.plans) == 0 || !plainName(p.Field) || !p.sub.tallied() {
		return false, nil
	}
	if p.kept == "" {
		p.kept = strconv.Quote(p.Field.Name) // a name may have any character
		for _, of := range p.sub.plans {
			p.kept += strconv.Quote(of.(*metricPlan).Field.Name)
		}
	}
	s := keeper.Sums(p.kept)
	if s == nil {
		if s, err = p.sums(r); err != nil {
			return false, err
		}
		keeper.KeepSums(p.kept, s)
	}
	if s.unfit {
		return false, nil
	}
	return true, t.addSums(s)
}

// sums sums all rows up.
func (p *termsPlan) sums(r *run) (*Sums, error) {
	codes, ok, err := r.rows.Codes(p.Field)
	none := uint32(len(codes.Values))
	n, subs := int(none)+1, len(p.sub.plans)
	if ok = ok && n*subs <= max(r.n/keptShare, keptLeast); ok && err == nil {
		ok, err = p.sub.loadTallies(r)
	}
	if !ok || err != nil {
		return &Sums{unfit: true}, err
	}
	s := &Sums{values: make([]Value, n), docs: make([]int64, n), tallies: make([]tally, n*subs), dates: make([]bool, subs)}
	for i, v := range codes.Values {
		v.Str = strings.Clone(v.Str)
		s.values[i] = v
	}
	for i := range s.tallies {
		s.tallies[i].reset()
	}
	of := func(i int) int { return int(min(codes.Of[i], none)) }
	if codes.Of == nil || none == 0 {
		of = func(int) int { return 0 }
	}
	for i := range r.n {
		s.docs[of(i)]++
	}
	for k, plan := range p.sub.plans {
		m := plan.(*metricPlan)
		if m.empty() {
			continue
		}
		s.dates[k] = m.nums.Date
		for i, x := range m.nums.Vals[:r.n] {
			s.tallies[of(i)*subs+k].add(x)
		}
	}
	return s, nil
}

// addSums adds rows by their sums.
func (t *terms) addSums(s *Sums) error {
	p, subs := t.plan, len(t.plan.sub.plans)
	for i, docs := range s.docs {
		v := s.values[i]
		if docs == 0 || v.Kind == Missing && p.Missing == nil {
			continue
		}
		if v.Kind == Missing {
			v = *p.Missing
		}
		id, err := p.id(v)
		if err != nil {
			return err
		}
		if id == noID {
			continue
		}
		g, err := t.at(id)
		if err != nil {
			return err
		}
		g.docs += docs
		for k, col := range g.cols {
			col.(*moments).stats.merge(&s.tallies[i*subs+k], s.dates[k])
		}
	}
	return nil
}
