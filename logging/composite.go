package logging

import (
	"fmt"
	"slices"
)

// compositePlan groups by keys of several parts, and keeps the first Size groups
// alone: what comes behind them is forgotten as soon as it is pushed out, so it
// takes no memory for the others.
type compositePlan struct {
	Composite
	bounds  *aggBounds
	sub     *groupPlan
	sources []compositeSource
	split   splitter
}

const compositeSourcesMax = 32

func newComposite(c Composite, sub []Agg, b *aggBounds) (*compositePlan, error) {
	p := &compositePlan{Composite: c, bounds: b}
	switch {
	case c.Size < 1:
		return nil, fmt.Errorf("%w: composite of %d buckets: want 1 or more", ErrQuery, c.Size)
	case c.Size > bucketsMax:
		return nil, fmt.Errorf("%w: composite of %d buckets: want at most %d", ErrQuery, c.Size, bucketsMax)
	case len(c.Sources) == 0 || len(c.Sources) > compositeSourcesMax:
		return nil, fmt.Errorf("%w: composite of %d sources: want 1 to %d", ErrQuery, len(c.Sources), compositeSourcesMax)
	case c.After != nil && len(c.After) != len(c.Sources):
		return nil, fmt.Errorf("%w: composite after %d values with %d sources: give one value a source", ErrQuery, len(c.After), len(c.Sources))
	}
	for _, s := range c.Sources {
		of, err := newCompositeSource(s, b)
		if err != nil {
			return nil, err
		}
		p.sources = append(p.sources, of)
	}
	var err error
	p.sub, err = newGroupPlan(sub, b)
	return p, err
}

func (p *compositePlan) make() (collector, error) {
	return &composite{plan: p, ids: map[string]uint32{}}, p.bounds.hold(groupBytes, "composite", "")
}

func (*compositePlan) countable(*run) (bool, error) { return false, nil }

// compare orders two keys.
func (p *compositePlan) compare(a, b []Value) int {
	for i := range p.Sources {
		if c := p.Sources[i].compare(&a[i], &b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// compare orders two values of a source.
func (s *CompositeSource) compare(a, b *Value) int {
	if a.Kind == Missing || b.Kind == Missing {
		c := b2i(b.Kind == Missing) - b2i(a.Kind == Missing) // the missing one first
		if s.MissingOrder == MissingLast || s.MissingOrder == MissingDefault && s.Desc {
			return -c
		}
		return c
	}
	c := Compare(*a, *b)
	if s.Desc {
		return -c
	}
	return c
}

// compositeGroup is one bucket that is kept.
type compositeGroup struct {
	group
	code string // of the key, see appendKey
	key  []Value
	held int64
}

// composite is the collector.
type composite struct {
	plan   *compositePlan
	ids    map[string]uint32 // by code, of those that are kept
	groups []compositeGroup  // by id; those that were pushed out have no code
	heap   []uint32          // the ids of those that are kept, the last one first
	free   []uint32          // ids to be given again
	gone   []uint32          // to be free after the run

	skipped []byte // the code that was not kept last
	key     []Value
	code    []byte
}

// id finds the group of a code, or makes it; noID where it is not among the first.
func (c *composite) id(code []byte) (uint32, error) {
	if id, ok := c.ids[string(code)]; ok {
		return id, nil
	}
	if len(code) > 0 && string(code) == string(c.skipped) {
		return noID, nil
	}
	p := c.plan
	c.key = parseKeys(c.key[:0], code)
	if p.After != nil && p.compare(c.key, p.After) <= 0 || len(c.heap) == p.Size && p.compare(c.key, c.groups[c.heap[0]].key) > 0 {
		c.skipped = append(c.skipped[:0], code...)
		return noID, nil
	}
	if len(c.heap) == p.Size {
		c.pushOut()
	}
	id := uint32(len(c.groups))
	if n := len(c.free); n > 0 {
		id, c.free = c.free[n-1], c.free[:n-1]
	} else {
		c.groups = append(c.groups, compositeGroup{})
	}
	before := p.bounds.bytes
	g := &c.groups[id]
	*g = compositeGroup{code: string(code), key: cloneKeys(c.key)}
	if err := p.sub.make(&g.group); err != nil {
		return noID, err
	}
	c.ids[g.code] = id
	c.heap = append(c.heap, id)
	c.up(len(c.heap) - 1)
	err := p.bounds.hold(groupBytes+keyBytes*len(g.key)+2*len(code), "composite", "")
	g.held = p.bounds.bytes - before
	return id, err
}

// pushOut lets go of the last group that is kept.
func (c *composite) pushOut() {
	id := c.heap[0]
	n := len(c.heap) - 1
	c.heap[0] = c.heap[n]
	c.heap = c.heap[:n]
	c.down(0)
	g := &c.groups[id]
	delete(c.ids, g.code)
	c.plan.bounds.bytes -= g.held
	*g = compositeGroup{}
	c.gone = append(c.gone, id)
}

// before reports whether one id's key comes before another's.
func (c *composite) before(a, b uint32) bool {
	return c.plan.compare(c.groups[a].key, c.groups[b].key) < 0
}

func (c *composite) up(i int) {
	for i > 0 {
		over := (i - 1) / 2
		if !c.before(c.heap[over], c.heap[i]) {
			return
		}
		c.heap[over], c.heap[i] = c.heap[i], c.heap[over]
		i = over
	}
}

func (c *composite) down(i int) {
	for {
		last := i
		for _, k := range [...]int{2*i + 1, 2*i + 2} {
			if k < len(c.heap) && c.before(c.heap[last], c.heap[k]) {
				last = k
			}
		}
		if last == i {
			return
		}
		c.heap[i], c.heap[last] = c.heap[last], c.heap[i]
		i = last
	}
}

// add looks at a document: at every combination of its values.
func (c *composite) add(d *Doc) error {
	if err := c.combine(d, 0, c.code[:0]); err != nil {
		return err
	}
	c.endRun()
	return nil
}

func (c *composite) combine(d *Doc, at int, code []byte) error {
	if at == len(c.plan.sources) {
		if err := c.plan.bounds.step(); err != nil { // a document may have any number of combinations
			return err
		}
		c.code = code
		id, err := c.id(code)
		if err != nil || id == noID {
			return err
		}
		return c.plan.sub.add(&c.groups[id].group, d)
	}
	for _, k := range c.plan.sources[at].keysOf(d) {
		if err := c.combine(d, at+1, appendKey(code, k)); err != nil {
			return err
		}
	}
	return nil
}

func (c *composite) addRows(r *run, sel []uint32) (bool, error) {
	p := c.plan
	for i := range p.sources {
		if ok, err := p.sources[i].load(r); !ok || err != nil {
			return false, err
		}
	}
	mark := r.top
	defer func() { r.top = mark }()
	sel = r.rowsOf(sel)
	rows, ids, n := r.take(len(sel)), r.take(len(sel)), 0
next:
	for _, row := range sel {
		c.code = c.code[:0]
		for i := range p.sources {
			var ok bool
			if c.code, ok = p.sources[i].appendRow(c.code, row); !ok {
				continue next
			}
		}
		id, err := c.id(c.code)
		if err != nil {
			return false, err
		}
		if id != noID {
			rows[n], ids[n] = row, id
			n++
		}
	}
	// What was pushed out meanwhile was not among the first.
	kept := 0
	for i, id := range ids[:n] {
		if c.groups[id].key != nil {
			rows[kept], ids[kept] = rows[i], id
			kept++
		}
	}
	rows, ids = rows[:kept], ids[:kept]
	defer c.endRun()
	if len(p.sub.plans) == 0 {
		for _, id := range ids {
			c.groups[id].docs++
		}
		return true, nil
	}
	return true, p.split.split(r, rows, ids, len(c.groups), func(id uint32, part []uint32) error {
		return p.sub.addRows(&c.groups[id].group, r, part)
	})
}

func (c *composite) endRun() {
	c.free = append(c.free, c.gone...)
	c.gone = c.gone[:0]
}

func (*composite) addCount(*run, int) error { return nil }

func (c *composite) result() (AggResult, error) {
	ids := slices.Clone(c.heap)
	err := sortSteps(ids, func(a, b uint32) int { return c.plan.compare(c.groups[a].key, c.groups[b].key) }, c.plan.bounds.spend)
	if err != nil {
		return AggResult{}, err
	}
	r := AggResult{Buckets: make([]Bucket, 0, len(ids))}
	for _, id := range ids {
		g := &c.groups[id]
		b, err := c.plan.sub.bucket(&g.group, Value{})
		if err != nil {
			return AggResult{}, err
		}
		b.Keys = g.key
		r.Buckets = append(r.Buckets, b)
	}
	return r, nil
}
