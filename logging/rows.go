package logging

import "strings"

// run is one call of AddRows.
type run struct {
	id   uint64 // plans remember columns by it
	rows Rows
	n    int

	all     []uint32 // 0, 1, 2 ...
	current *Doc
	at      int // the row of current, -1: none

	buf []uint32 // of take
	top int

	minutes      []MinuteCount
	minutesKnown int8 // -1 no, 0 not asked, 1 yes
}

func (r *run) start(rows Rows) {
	r.id++
	r.rows, r.n = rows, rows.Len()
	r.at, r.top, r.minutesKnown = -1, 0, 0
}

// end lets go of what belongs to the rows.
func (r *run) end() { r.rows, r.current, r.minutes = nil, nil, nil }

func (r *run) count(sel []uint32) int {
	if sel == nil {
		return r.n
	}
	return len(sel)
}

// rowsOf gives the numbers of the rows, also where sel is nil.
func (r *run) rowsOf(sel []uint32) []uint32 {
	if sel != nil {
		return sel
	}
	for i := len(r.all); i < r.n; i++ {
		r.all = append(r.all, uint32(i))
	}
	return r.all[:r.n]
}

// doc gives a row as a document; it is valid until the next call.
func (r *run) doc(i uint32) (*Doc, error) {
	if r.at != int(i) {
		d, err := r.rows.Doc(int(i))
		if err != nil {
			return nil, err
		}
		r.current, r.at = d, int(i)
	}
	return r.current, nil
}

// take gives scratch for n numbers, until top is set back to what it was.
func (r *run) take(n int) []uint32 {
	if r.top+n > len(r.buf) {
		// What was given stays where it is.
		r.buf = make([]uint32, max(2*len(r.buf), r.top+n, 1<<14))
	}
	out := r.buf[r.top : r.top+n : r.top+n]
	r.top += n
	return out
}

// minuteCounts gives the rows of each minute, where they are known.
func (r *run) minuteCounts() ([]MinuteCount, bool, error) {
	if r.minutesKnown == 0 {
		r.minutesKnown = -1
		if c, ok := r.rows.(MinuteCounter); ok {
			counts, known, err := c.MinuteCounts()
			if err != nil {
				return nil, false, err
			}
			if known {
				r.minutes, r.minutesKnown = counts, 1
			}
		}
	}
	return r.minutes, r.minutesKnown > 0, nil
}

// plainName reports whether a field is one that Rows can be asked for.
func plainName(f Field) bool { return f.Name != "" && !strings.Contains(f.Name, "*") }

// splitter parts rows by small numbers. Its counts are zero between two calls.
type splitter struct{ counts []uint32 }

// split parts sel by keys, a number below n for each of sel, and gives every
// part, its rows still ascending, to fn.
func (s *splitter) split(r *run, sel, keys []uint32, n int, fn func(key uint32, part []uint32) error) error {
	if len(sel) == 0 {
		return nil
	}
	if len(s.counts) < n {
		s.counts = make([]uint32, n+n/4)
	}
	mark := r.top
	defer func() { r.top = mark }()
	touched, counts, n := r.take(len(sel)), s.counts, 0
	for _, k := range keys {
		if counts[k] == 0 {
			touched[n] = k
			n++
		}
		counts[k]++
	}
	touched = touched[:n]
	if n == 1 {
		counts[keys[0]] = 0
		return fn(keys[0], sel)
	}
	from := uint32(0)
	for _, k := range touched {
		from, counts[k] = from+counts[k], from
	}
	out := r.take(len(sel))
	for j, k := range keys {
		out[counts[k]] = sel[j]
		counts[k]++
	}
	from = 0
	for _, k := range touched {
		to := counts[k]
		counts[k] = 0
		if err := fn(k, out[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// slots are the groups of one collector by the ids its plan gave their keys. Ids
// are the same in all collectors of the plan, so one of many may have few.
type slots struct {
	dense  []group
	sparse map[uint32]*group // those beyond dense
	n      int
}

// get finds a group; nil where there is none.
func (s *slots) get(id uint32) *group {
	if int(id) < len(s.dense) {
		if g := &s.dense[id]; g.docs > 0 {
			return g
		}
		return nil
	}
	return s.sparse[id]
}

// at finds a group, or makes it. The pointer is good until the next call.
func (s *slots) at(id uint32, p *groupPlan, what, field string) (*group, error) {
	if int(id) < len(s.dense) {
		if g := &s.dense[id]; g.docs > 0 {
			return g, nil
		}
	} else if g := s.sparse[id]; g != nil {
		return g, nil
	}
	if err := p.bounds.hold(groupBytes, what, field); err != nil {
		return nil, err
	}
	s.n++
	var g *group
	switch {
	case int(id) < len(s.dense):
	case int(id) < 4*s.n+8:
		s.grow(max(int(id)+1, min(2*len(s.dense), 4*s.n)))
	default:
		g = &group{}
		if s.sparse == nil {
			s.sparse = map[uint32]*group{}
		}
		s.sparse[id] = g
	}
	if g == nil {
		g = &s.dense[id]
	}
	return g, p.make(g)
}

func (s *slots) grow(n int) {
	was := len(s.dense)
	s.dense = append(s.dense, make([]group, n-was)...)
	if len(s.sparse) == 0 {
		return
	}
	for id := was; id < n; id++ {
		if g := s.sparse[uint32(id)]; g != nil {
			s.dense[id] = *g
			delete(s.sparse, uint32(id))
		}
	}
}

// each gives the groups with documents, in no order.
func (s *slots) each(fn func(id uint32, g *group)) {
	for id := range s.dense {
		if g := &s.dense[id]; g.docs > 0 {
			fn(uint32(id), g)
		}
	}
	for id, g := range s.sparse {
		fn(id, g)
	}
}
