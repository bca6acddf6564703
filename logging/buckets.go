package logging

// choice is how filters and missing choose rows; the filters of a query are
// few, and choose for every bucket they are in.
type choice interface {
	matches(*Doc) bool
	// rows appends the rows of sel (nil: all) that are chosen to dst; ok is
	// false where that takes documents.
	rows(r *run, dst, sel []uint32) (chosen []uint32, ok bool, err error)
}

// choose gives the chosen ones of sel: sel itself where all are.
func choose(c choice, r *run, sel []uint32) ([]uint32, error) {
	n := r.count(sel)
	dst := r.take(n)
	chosen, ok, err := c.rows(r, dst[:0], sel)
	if err != nil {
		return nil, err
	}
	if !ok {
		chosen = dst[:0]
		for _, i := range r.rowsOf(sel) {
			d, err := r.doc(i)
			if err != nil {
				return nil, err
			}
			if c.matches(d) {
				chosen = append(chosen, i)
			}
		}
	}
	switch len(chosen) {
	case n:
		return sel, nil
	case 0:
		return dst[:0], nil // never nil, which would be all
	}
	return chosen, nil
}

// filterChoice chooses by a filter.
type filterChoice struct {
	filter Filter
	match  func(*Doc) bool
}

func newChoice(f Filter) *filterChoice { return &filterChoice{f, Matcher(f)} }

func (c *filterChoice) matches(d *Doc) bool { return c.match(d) }

func (c *filterChoice) rows(r *run, dst, sel []uint32) ([]uint32, bool, error) {
	return r.rows.Select(dst, c.filter, sel)
}

// absence chooses what has no value of a field.
type absence struct {
	field Field

	run   uint64
	mode  termMode // modeDocs, modeAlike, modeCodes, modeNumbers
	none  bool     // modeAlike: no row has a value
	codes Codes
	nums  Numbers
}

func (c *absence) matches(d *Doc) bool { return len(d.Values(c.field)) == 0 }

func (c *absence) rows(r *run, dst, sel []uint32) ([]uint32, bool, error) {
	if c.run != r.id {
		if err := c.load(r); err != nil {
			return nil, false, err
		}
	}
	switch c.mode {
	case modeDocs:
		return nil, false, nil
	case modeAlike:
		if c.none {
			dst = append(dst, r.rowsOf(sel)...)
		}
	case modeCodes:
		for _, i := range r.rowsOf(sel) {
			if int(c.codes.Of[i]) >= len(c.codes.Values) {
				dst = append(dst, i)
			}
		}
	case modeNumbers:
		for _, i := range r.rowsOf(sel) {
			if x := c.nums.Vals[i]; x != x {
				dst = append(dst, i)
			}
		}
	}
	return dst, true, nil
}

func (c *absence) load(r *run) error {
	c.run, c.mode, c.none = r.id, modeDocs, false
	if !plainName(c.field) {
		return nil
	}
	codes, ok, err := r.rows.Codes(c.field)
	switch {
	case err != nil:
		return err
	case ok && (codes.Of == nil || len(codes.Values) == 0):
		c.mode, c.none = modeAlike, len(codes.Values) == 0
		return nil
	case ok:
		c.mode, c.codes = modeCodes, codes
		return nil
	}
	nums, ok, err := r.rows.Numbers(c.field)
	switch {
	case err != nil:
		return err
	case ok:
		c.mode, c.nums = modeNumbers, nums
		return nil
	}
	if _, ok, err = r.rows.Strings(c.field); err == nil && !ok {
		_, ok, err = r.rows.Times(c.field)
	}
	if ok {
		c.mode = modeAlike
	}
	return err
}

// singlePlan is FilterAgg and MissingAgg.
type singlePlan struct {
	choice choice
	sub    *groupPlan
}

func newSingle(c choice, sub []Agg, b *aggBounds) (*singlePlan, error) {
	g, err := newGroupPlan(sub, b)
	return &singlePlan{c, g}, err
}

func (p *singlePlan) make() (collector, error) {
	s := &single{plan: p}
	return s, p.sub.make(&s.group)
}

func (*singlePlan) countable(*run) (bool, error) { return false, nil }

type single struct {
	group group
	plan  *singlePlan
}

func (s *single) add(d *Doc) error {
	if !s.plan.choice.matches(d) {
		return nil
	}
	return s.plan.sub.add(&s.group, d)
}

func (s *single) addRows(r *run, sel []uint32) (bool, error) {
	return true, addChosen(s.plan.choice, s.plan.sub, &s.group, r, sel)
}

// addChosen adds the chosen ones of sel to a group.
func addChosen(c choice, p *groupPlan, g *group, r *run, sel []uint32) error {
	mark := r.top
	defer func() { r.top = mark }()
	chosen, err := choose(c, r, sel)
	if err != nil || r.count(chosen) == 0 {
		return err
	}
	return p.addRows(g, r, chosen)
}

func (*single) addCount(*run, int) error { return nil }

func (s *single) result() (AggResult, error) {
	sub, err := s.plan.sub.result(&s.group)
	return AggResult{DocCount: s.group.docs, Sub: sub}, err
}

type filtersPlan struct {
	of      []NamedFilter
	choices []choice
	sub     *groupPlan
}

func newFilters(f Filters, sub []Agg, b *aggBounds) (*filtersPlan, error) {
	p := &filtersPlan{of: f.Of}
	for _, n := range f.Of {
		p.choices = append(p.choices, newChoice(n.Filter))
	}
	var err error
	p.sub, err = newGroupPlan(sub, b)
	return p, err
}

func (p *filtersPlan) make() (collector, error) {
	f := &filters{plan: p, groups: make([]group, len(p.of))}
	for i := range f.groups {
		if err := p.sub.make(&f.groups[i]); err != nil {
			return nil, err
		}
	}
	return f, p.sub.bounds.hold(groupBytes*len(p.of), "filters", "")
}

func (*filtersPlan) countable(*run) (bool, error) { return false, nil }

type filters struct {
	plan   *filtersPlan
	groups []group
}

func (f *filters) add(d *Doc) error {
	for i, c := range f.plan.choices {
		if c.matches(d) {
			if err := f.plan.sub.add(&f.groups[i], d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *filters) addRows(r *run, sel []uint32) (bool, error) {
	for i, c := range f.plan.choices {
		if err := addChosen(c, f.plan.sub, &f.groups[i], r, sel); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (*filters) addCount(*run, int) error { return nil }

func (f *filters) result() (AggResult, error) {
	r := AggResult{Buckets: []Bucket{}}
	for i := range f.groups {
		name := f.plan.of[i].Name
		b, err := f.plan.sub.bucket(&f.groups[i], String(name))
		if err != nil {
			return AggResult{}, err
		}
		b.Name = name
		r.Buckets = append(r.Buckets, b)
	}
	return r, nil
}
