package scan

import "github.com/oriel-project/oriel/logging"

// Select implements logging.Rows.
func (r *rows) Select(dst []uint32, f logging.Filter, sel []uint32) ([]uint32, bool, error) {
	e := r.e
	n := e.s.filterOf(f)
	if len(e.plans) < e.s.nodes {
		e.plans = append(e.plans, make([]plan, e.s.nodes-len(e.plans))...)
	}
	for len(r.planned) < e.s.nodes {
		r.planned = append(r.planned, false)
	}
	if !r.planned[n.id] {
		if _, err := e.plan(n); err != nil {
			return dst, false, err
		}
		r.planned[n.id] = true
	}
	if sel == nil {
		sel = e.every[:e.info.Rows]
	}
	at, used := e.rows.at, e.rows.used
	out, err := e.run(n, sel)
	if err != nil {
		return dst, false, err
	}
	dst = append(dst, out...)
	e.rows.at, e.rows.used = at, used
	return dst, true, nil
}

// filterOf gives the filter of an aggregation, compiled once.
func (s *search) filterOf(f logging.Filter) *node {
	for _, c := range s.compiled {
		if same(c.filter, f) {
			return c.node
		}
	}
	n := s.compile(f)
	s.compiled = append(s.compiled, compiledFilter{f, n})
	return n
}

// same reports whether two filters are one and the same, without looking at what
// is in their slices.
func same(a, b logging.Filter) bool {
	switch a := a.(type) {
	case logging.And:
		b, ok := b.(logging.And)
		return ok && sameSlice(a, b)
	case logging.Or:
		b, ok := b.(logging.Or)
		return ok && a.Min == b.Min && sameSlice(a.Of, b.Of)
	case logging.Not:
		b, ok := b.(logging.Not)
		return ok && same(a.Of, b.Of)
	case logging.IDs:
		b, ok := b.(logging.IDs)
		return ok && sameSlice(a, b)
	case logging.Phrase:
		b, ok := b.(logging.Phrase)
		return ok && sameSlice(a.Tokens, b.Tokens) && a.Field == b.Field && a.Raw == b.Raw && a.Slop == b.Slop && a.LastPrefix == b.LastPrefix
	}
	switch b.(type) {
	case logging.And, logging.Or, logging.Not, logging.IDs, logging.Phrase:
		return false
	}
	return a == b
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
