package logging

// Buckets of time are small where they are many: a row is rarely beside another one
// of its bucket. Where there are but sums in them, or nothing at all, rows are not
// handed on bucket by bucket.

// ofTime finds the id of the place that a time lies in, where that place is known
// and near; places are steps apart, each the first time of its bucket.
func (n *nearIDs) ofTime(t int64) (id uint32, ok bool) {
	if t < n.base || t < minNanos || t >= maxNanos || len(n.ids) == 0 {
		return noID, false
	}
	i := (uint64(t) - uint64(n.base)) / uint64(n.step)
	if i >= uint64(len(n.ids)) || n.ids[i] == 0 {
		return noID, false
	}
	return n.ids[i] - 1, true
}

// manyRows is how many rows a bucket must have, about, so that looking for its last
// one is cheaper than placing each.
const manyRows = 32

// addSums adds rows whose buckets have nothing but sums inside, or nothing; ok is
// false where that does not serve.
func (h *dateHistogram) addSums(r *run, sel []uint32) (ok bool, err error) {
	p := h.dateHistogramPlan
	if !p.rounding.plain() {
		return false, nil
	}
	if ok, err = p.sub.loadTallies(r); !ok || err != nil {
		return false, err
	}
	sel = r.rowsOf(sel)
	times := p.times.Nanos
	if p.times.Sorted && (times[sel[len(sel)-1]]-times[sel[0]])/p.near.step < int64(len(sel)/manyRows) {
		return false, nil
	}
	mark := r.top
	defer func() { r.top = mark }()
	rows, ids, n := r.take(len(sel)), r.take(len(sel)), 0
	for _, i := range sel {
		t := times[i]
		id, ok := p.near.ofTime(t)
		if ok && int(id) < len(h.dense) && h.dense[id].docs > 0 {
			h.dense[id].docs++
		} else {
			if h.seek(t); !h.valid {
				continue
			}
			if id, err = p.id(p.place); err != nil {
				return false, err
			}
			g, err := h.atID(id)
			if err != nil {
				return false, err
			}
			g.docs++
		}
		rows[n], ids[n] = i, id
		n++
	}
	for k, of := range p.sub.plans {
		if m := of.(*metricPlan); !m.empty() {
			h.addColumn(k, m, rows[:n], ids[:n])
		}
	}
	return true, nil
}

// addColumn adds the values of rows to the metric k of the groups with the ids,
// which are there.
func (h *dateHistogram) addColumn(k int, m *metricPlan, rows, ids []uint32) {
	vals := m.nums.Vals
	for j, i := range rows {
		x := vals[i]
		if x != x {
			continue
		}
		s := &h.slots.get(ids[j]).cols[k].(*moments).stats
		if s.Count == 0 {
			s.Min, s.Max, s.IsDate = x, x, m.nums.Date
		}
		s.IsDate = s.IsDate && m.nums.Date
		s.Count++
		s.Sum += x
		s.SumOfSqr += x * x
		if x < s.Min {
			s.Min = x
		}
		if x > s.Max {
			s.Max = x
		}
	}
}
