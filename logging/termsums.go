package logging

import "slices"

// Where a Terms stands alone at the top of the query, has nothing but tallies
// inside, and its strings come by their keys, there may be a bucket for every other
// row: they are numbers in a few large arrays, of which the ones that are returned
// become groups at the end.

// sums are the documents and tallies of buckets, by id.
type sums struct {
	docs    []int64
	tallies []tally // by id and metric
	dates   []datesSeen
}

// datesSeen says what columns a metric had: of dates, and of other numbers. Where
// it had both, sums are not used any more.
type datesSeen struct{ dates, others bool }

// room makes place for ids below n.
func (s *sums) room(n, metrics int) {
	if n <= len(s.docs) {
		return
	}
	size := max(n, 2*len(s.docs), 1024)
	docs := make([]int64, size)
	copy(docs, s.docs)
	s.docs = docs
	tallies := make([]tally, size*metrics)
	copy(tallies, s.tallies)
	for i := len(s.tallies); i < len(tallies); i++ {
		tallies[i].reset()
	}
	s.tallies = tallies
}

// uniform notes whether the columns of this run are dates; false where others were not.
func (s *sums) uniform(plans []plan) bool {
	if s.dates == nil {
		s.dates = make([]datesSeen, len(plans))
	}
	for k, of := range plans {
		m := of.(*metricPlan)
		seen := s.dates[k]
		switch {
		case m.empty():
		case m.nums.Date:
			seen.dates = true
		default:
			seen.others = true
		}
		if seen.dates && seen.others {
			return false
		}
		s.dates[k] = seen
	}
	return true
}

// keyable reports whether the plan can take strings by their keys.
func (p *termsPlan) keyable() bool {
	return p.alone && p.admits == nil && p.points == nil && plainName(p.Field) && p.sub.tallied() &&
		!slices.ContainsFunc(p.by, termsBy.isKey) // which takes every string
}

// addKeyed takes a run by the keys of its strings; ok is false where that does not
// serve.
func (t *terms) addKeyed(r *run, sel []uint32) (ok bool, err error) {
	p := t.plan
	rows, ok := r.rows.(KeyedStrings)
	if !ok || !p.keyable() {
		return false, nil
	}
	keyed, ok, err := rows.Keyed(p.Field)
	if !ok || err != nil {
		return false, err
	}
	if ok, err = p.sub.loadTallies(r); !ok || err != nil || !t.sums.uniform(p.sub.plans) {
		return false, err
	}
	if sel, err = t.addNumbered(&keyed, r.rowsOf(sel)); err != nil || len(sel) == 0 {
		return true, err
	}
	n, subs := len(keyed.Keys), len(p.sub.plans)
	tallies, docs := p.columns.room(n, subs)
	for _, i := range sel {
		docs[keyed.Of[i]]++
	}
	for k, of := range p.sub.plans {
		m := of.(*metricPlan)
		if m.empty() {
			continue
		}
		mine, vals := tallies[k*n:(k+1)*n], m.nums.Vals
		for _, i := range sel {
			mine[keyed.Of[i]].add(vals[i])
		}
	}
	column, known := p.ids.column(keyed), p.ids.n()
	for code, rows := range docs {
		docs[code] = 0
		if rows == 0 || err != nil {
			continue // the counts are zero between calls, whatever happens
		}
		var id uint32
		if id, err = p.ids.ofCode(column, uint32(code), keyed.Keys[code], p.bounds, p.Field.Name); err != nil {
			continue
		}
		if err = t.sumsOf(id); err != nil {
			continue
		}
		t.sums.docs[id] += int64(rows)
		for k := range subs {
			if a := &tallies[k*n+code]; a.n > 0 {
				t.sums.tallies[int(id)*subs+k].merge(a)
			}
		}
	}
	if p.ids.n() == known {
		p.ids.forget(column)
	} else if err == nil {
		err = p.bounds.hold(columnBytes+2*n, "terms of", p.Field.Name)
	}
	return true, err
}

// sumsOf makes room for the sums of an id.
func (t *terms) sumsOf(id uint32) error {
	p, before := t.plan, len(t.sums.docs)
	if int(id) < before {
		return nil
	}
	subs := len(p.sub.plans)
	t.sums.room(int(id)+1, subs)
	return p.bounds.hold((len(t.sums.docs)-before)*(8+40*subs), "terms of", p.Field.Name)
}

func (a *tally) merge(b *tally) {
	a.n += b.n
	a.sum += b.sum
	a.sqr += b.sqr
	a.min, a.max = min(a.min, b.min), max(a.max, b.max)
}
