package logging

// Strings of a column store that numbers them are not looked up: what a query sums
// up of them lies at their numbers, in pages that are made as they are met. Only at
// the end the few that are returned become ids like all others.

const (
	pageBits = 6
	pageLen  = 1 << pageBits

	columnBytes = 160 // of a Keyed that is kept, and of each of its strings: key, number, row
	keyedBytes  = 16 + 4 + 2
)

// numbered are the documents and tallies of strings by their numbers.
type numbered struct {
	in      *Numbering // nil: no column had numbers yet
	columns []Keyed
	pages   []*sumPage
	lean    bool // means instead of tallies

	vals [][]float64 // scratch: of each metric, nil where no row has a value
}

// sumPage is what is known of pageLen numbers: docs by number, and one of the others
// by number and metric.
type sumPage struct {
	docs    [pageLen]int64
	means   []mean
	tallies []tally
}

// mean is all of a tally that averages and sums are made of.
type mean struct {
	n   int64
	sum float64
}

// addNumbered takes the rows of sel that have a number, where loadTallies is ok, and
// gives the others.
func (t *terms) addNumbered(keyed *Keyed, sel []uint32) (rest []uint32, err error) {
	s, p := &t.numbered, t.plan
	if s.in == nil {
		s.in, s.lean = keyed.In, p.sub.means()
	}
	if keyed.In == nil || keyed.In != s.in {
		return sel, nil
	}
	if n := (s.in.Len() + pageLen - 1) >> pageBits; n > len(s.pages) {
		s.pages = append(s.pages, make([]*sumPage, n-len(s.pages))...)
	}
	subs := len(p.sub.plans)
	s.vals = s.vals[:0]
	for _, of := range p.sub.plans {
		m := of.(*metricPlan)
		if m.empty() {
			s.vals = append(s.vals, nil)
			continue
		}
		s.vals = append(s.vals, m.nums.Vals)
	}
	of, numbers, first := keyed.Of, keyed.Numbers, false
	for _, i := range sel {
		number := numbers[of[i]]
		if number == Unnumbered {
			rest = append(rest, i)
			continue
		}
		page, at := s.pages[number>>pageBits], int(number%pageLen)
		if page == nil {
			if page, err = s.page(number, subs, p); err != nil {
				return nil, err
			}
		}
		if page.docs[at] == 0 {
			first = true
		}
		page.docs[at]++
		for k, vals := range s.vals {
			if vals == nil {
				continue
			}
			x := vals[i]
			switch {
			case x != x:
			case s.lean:
				m := &page.means[at*subs+k]
				m.n++
				m.sum += x
			default:
				page.tallies[at*subs+k].add(x)
			}
		}
	}
	if !first {
		return rest, nil // its strings are known by other columns
	}
	kept := *keyed
	kept.Of = nil
	s.columns = append(s.columns, kept)
	return rest, p.bounds.hold(columnBytes+keyedBytes*len(kept.Keys), "terms of", p.Field.Name)
}

// page makes the page of a number.
func (s *numbered) page(number uint32, subs int, p *termsPlan) (*sumPage, error) {
	page, bytes := &sumPage{}, 8
	if s.lean {
		page.means = make([]mean, pageLen*subs)
		bytes += 16 * subs
	} else {
		page.tallies = make([]tally, pageLen*subs)
		for i := range page.tallies {
			page.tallies[i].reset()
		}
		bytes += 40 * subs
	}
	s.pages[number>>pageBits] = page
	return page, p.bounds.hold(pageLen*bytes, "terms of", p.Field.Name)
}

// means reports whether averages and sums are all that is inside the buckets.
func (p *groupPlan) means() bool {
	for _, of := range p.plans {
		if m, ok := of.(*metricPlan); !ok || m.Kind != Avg && m.Kind != Sum {
			return false
		}
	}
	return true
}

// at gives the page of a number with documents, and its place there; nil for others.
func (s *numbered) at(number uint32) (page *sumPage, at int) {
	if i := int(number >> pageBits); i < len(s.pages) && s.pages[i] != nil {
		if at := int(number % pageLen); s.pages[i].docs[at] > 0 {
			return s.pages[i], at
		}
	}
	return nil, 0
}

// wholeOf is whole for a term that may be a number.
func (t *terms) wholeOf(n *term) (*group, error) {
	if !n.numbered {
		return t.whole(n.id)
	}
	all, s := &t.both, &t.numbered
	if all.cols == nil {
		if err := t.plan.sub.make(all); err != nil {
			return nil, err
		}
	}
	page, at := s.at(n.id)
	all.docs = n.docs
	for k, col := range all.cols {
		stats := &col.(*moments).stats
		*stats = Stats{}
		of := s.tally(page, at*len(all.cols)+k)
		stats.merge(&of, t.sums.dates[k].dates)
	}
	return all, nil
}

// tally gives a tally of a page.
func (s *numbered) tally(page *sumPage, i int) tally {
	if s.lean {
		return tally{n: page.means[i].n, sum: page.means[i].sum}
	}
	return page.tallies[i]
}

// fold gives the documents of numbers to the ids that their strings have, too.
func (t *terms) fold() error {
	s := &t.numbered
	if s.in == nil {
		return nil
	}
	for id := range t.plan.ids.n() {
		if err := t.plan.bounds.step(); err != nil {
			return err
		}
		if k, ok := t.plan.ids.key(uint32(id)); ok {
			if number, ok := s.in.Find(k); ok {
				if err := t.adopt(uint32(id), number); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// adopt moves the documents of a number to an id.
func (t *terms) adopt(id, number uint32) error {
	s := &t.numbered
	page, at := s.at(number)
	if page == nil {
		return nil
	}
	if err := t.sumsOf(id); err != nil {
		return err
	}
	t.sums.docs[id] += page.docs[at]
	page.docs[at] = 0
	subs := len(t.plan.sub.plans)
	for k := range subs {
		of := s.tally(page, at*subs+k)
		t.sums.tallies[int(id)*subs+k].merge(&of)
	}
	return nil
}

// adoptAll makes ids of the numbers among the terms.
func (t *terms) adoptAll(of []term) error {
	s := &t.numbered
	wanted := map[uint32]*term{}
	for i := range of {
		if of[i].numbered {
			wanted[of[i].id] = &of[i]
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	some := make([]uint64, (len(s.pages)<<pageBits)/64) // the wanted ones as bits
	for number := range wanted {
		some[number/64] |= 1 << (number % 64)
	}
	for i := range s.columns {
		column := &s.columns[i]
		if err := t.plan.bounds.spend(len(column.Numbers) / 16); err != nil {
			return err
		}
		at := uint32(noID)
		for code, number := range column.Numbers {
			if number == Unnumbered || some[number/64]&(1<<(number%64)) == 0 {
				continue
			}
			some[number/64] &^= 1 << (number % 64)
			if at == noID {
				at = t.plan.ids.column(*column)
			}
			n := wanted[number]
			id, err := t.plan.ids.ofCode(at, uint32(code), column.Keys[code], t.plan.bounds, t.plan.Field.Name)
			if err == nil {
				err = t.adopt(id, number)
			}
			if err != nil {
				return err
			}
			n.id, n.numbered = id, false
		}
	}
	return nil
}
