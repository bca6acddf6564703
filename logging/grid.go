package logging

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// gridPlan is what both histograms share: groups under integer places, listed
// from the first to the last with the empty ones between.
type gridPlan struct {
	sub     *groupPlan
	bounds  *aggBounds
	field   Field
	minDocs int64
	next    func(int64) int64 // the place after a place
	key     func(int64) Value

	// ids number the places, over all the buckets the histogram is in.
	ids    map[int64]uint32
	near   nearIDs // of the same places, those that lie close together
	places []int64 // by id
	split  splitter

	last struct { // the place asked for last
		place int64
		id    uint32
		ok    bool
	}
}

func newGridPlan(f Field, sub []Agg, minDocs int64, b *aggBounds) (gridPlan, error) {
	g := gridPlan{bounds: b, field: f, minDocs: minDocs, ids: map[int64]uint32{}}
	var err error
	g.sub, err = newGroupPlan(sub, b)
	return g, err
}

func (p *gridPlan) id(place int64) (uint32, error) {
	if p.last.ok && p.last.place == place {
		return p.last.id, nil
	}
	// Places come in order, mostly, and so did they when they got their ids.
	if next := int(p.last.id) + 1; p.last.ok && next < len(p.places) && p.places[next] == place {
		p.last.place, p.last.id = place, uint32(next)
		return uint32(next), nil
	}
	id, ok := p.near.after(place)
	if !ok {
		id, ok = p.near.get(place)
	}
	if !ok {
		if id, ok = p.ids[place]; ok {
			p.near.put(place, id)
		}
	}
	if !ok {
		id = uint32(len(p.places))
		p.ids[place] = id
		p.near.put(place, id)
		p.places = append(p.places, place)
		if err := p.bounds.hold(keyBytes/2, "histogram of", p.field.Name); err != nil {
			return noID, err
		}
	}
	p.last.place, p.last.id, p.last.ok = place, id, true
	return id, nil
}

// nearIDs finds the ids of places that are steps apart and not too far from one
// another without a map.
type nearIDs struct {
	step int64 // 0: of places that are not even
	base int64
	ids  []uint32 // by step from base, plus 1; 0 is none

	last, lastAt int64 // the index found last, and its place
	found        bool  // there is one
}

const nearMax = 1 << 17 // steps

// index gives a place's index, which may be out of range.
func (n *nearIDs) index(place int64) (i int64, ok bool) {
	if n.step == 0 {
		return 0, false
	}
	d := place - n.base
	i = d / n.step
	return i, i*n.step == d && (d >= 0) == (place >= n.base) // times may be too far apart to count
}

func (n *nearIDs) get(place int64) (id uint32, ok bool) {
	i, ok := n.index(place)
	if !ok || i < 0 || i >= int64(len(n.ids)) || n.ids[i] == 0 {
		return 0, false
	}
	n.last, n.lastAt, n.found = i, place, true
	return n.ids[i] - 1, true
}

// after is get for the place one step behind the one that was found last, without
// a division.
func (n *nearIDs) after(place int64) (id uint32, ok bool) {
	i := n.last + 1
	if !n.found || place-n.lastAt != n.step || i >= int64(len(n.ids)) || n.ids[i] == 0 {
		return 0, false
	}
	n.last, n.lastAt, n.found = i, place, true
	return n.ids[i] - 1, true
}

func (n *nearIDs) put(place int64, id uint32) {
	if n.ids == nil {
		n.base = place
	}
	i, ok := n.index(place)
	if !ok || i >= nearMax || int64(len(n.ids))-i > nearMax {
		return
	}
	if i < 0 { // room for as many again
		more := min(max(-i, int64(len(n.ids))), nearMax-int64(len(n.ids)))
		n.ids = append(make([]uint32, more, more+int64(len(n.ids))), n.ids...)
		n.base -= more * n.step
		i += more
		n.last += more
	}
	if i >= int64(len(n.ids)) {
		n.ids = append(n.ids, make([]uint32, i+1-int64(len(n.ids)))...)
	}
	n.ids[i] = id + 1
}

// grid is the collector of a histogram.
type grid struct {
	slots
	plan *gridPlan
}

// at finds the group of a place, or makes it.
func (g *grid) at(place int64) (*group, error) {
	id, err := g.plan.id(place)
	if err != nil {
		return nil, err
	}
	return g.atID(id)
}

func (g *grid) atID(id uint32) (*group, error) {
	return g.slots.at(id, g.plan.sub, "histogram of", g.plan.field.Name)
}

func (g *grid) addAt(places []int64, d *Doc) error {
	for i, p := range places {
		if slices.Contains(places[:i], p) {
			continue
		}
		in, err := g.at(p)
		if err != nil {
			return err
		}
		if err := g.plan.sub.add(in, d); err != nil {
			return err
		}
	}
	return nil
}

// addPart adds rows of one place.
func (g *grid) addPart(r *run, place int64, part []uint32) error {
	in, err := g.at(place)
	if err != nil {
		return err
	}
	return g.plan.sub.addRows(in, r, part)
}

// addKeyed adds rows by the ids of their places.
func (g *grid) addKeyed(r *run, sel, ids []uint32) error {
	p := g.plan
	if len(p.sub.plans) > 0 {
		return p.split.split(r, sel, ids, len(p.places), func(id uint32, part []uint32) error {
			in, err := g.atID(id)
			if err != nil {
				return err
			}
			return p.sub.addRows(in, r, part)
		})
	}
	for i := 0; i < len(ids); {
		j := i + 1
		for j < len(ids) && ids[j] == ids[i] {
			j++
		}
		in, err := g.atID(ids[i])
		if err != nil {
			return err
		}
		in.docs += int64(j - i)
		i = j
	}
	return nil
}

// list gives the groups; from and to are places to list from and to where empty
// groups are wanted.
func (g *grid) list(from, to *int64) (AggResult, error) {
	p := g.plan
	type listed struct {
		at int64
		in *group // nil: it is empty
	}
	places := make([]listed, 0, g.n+2)
	g.each(func(id uint32, in *group) { places = append(places, listed{p.places[id], in}) })
	if p.minDocs == 0 {
		if from != nil && (len(places) > 0 || to != nil) {
			places = append(places, listed{*from, nil})
		}
		if to != nil && (len(places) > 0) {
			places = append(places, listed{*to, nil})
		}
	}
	if byPlace := func(a, b listed) int { return cmp.Compare(a.at, b.at) }; !slices.IsSortedFunc(places, byPlace) {
		slices.SortStableFunc(places, byPlace) // those that are not empty came first
	}
	places = slices.CompactFunc(places, func(a, b listed) bool { return a.at == b.at })
	r := AggResult{Buckets: make([]Bucket, 0, len(places))}
	for i, l := range places {
		at, until := l.at, l.at
		if p.minDocs == 0 && i+1 < len(places) {
			until = places[i+1].at
		}
		for ; ; at = p.next(at) {
			in := l.in
			if in == nil || at != l.at {
				in = &group{}
			}
			if in.docs >= p.minDocs {
				b, err := p.sub.bucket(in, p.key(at))
				if err != nil {
					return AggResult{}, err
				}
				r.Buckets = append(r.Buckets, b)
			}
			if at >= until {
				break
			}
			if n := p.next(at); n <= at || n >= until {
				break
			}
		}
	}
	return r, nil
}

type histogramPlan struct {
	Histogram
	gridPlan
	missing      int64 // the place of Missing
	missingKnown bool

	run  uint64
	mode termMode // modeDocs, modeAlike (no row has a value), modeNumbers
	nums Numbers
}

func newHistogram(h Histogram, sub []Agg, b *aggBounds) (*histogramPlan, error) {
	if !(h.Interval > 0) || math.IsInf(h.Interval, 0) || math.IsNaN(h.Offset) || math.IsInf(h.Offset, 0) {
		return nil, fmt.Errorf("%w: histogram of %q: interval %v and offset %v: want numbers, the interval above 0", ErrQuery, h.Field.Name, h.Interval, h.Offset)
	}
	grid, err := newGridPlan(h.Field, sub, h.MinDocs, b)
	p := &histogramPlan{Histogram: h, gridPlan: grid}
	p.near.step = 1
	p.next = func(p int64) int64 { return p + 1 }
	p.key = func(p int64) Value { return Float(float64(p)*h.Interval + h.Offset) }
	if h.Missing != nil {
		if x, _, ok := h.Missing.number(); ok {
			p.missing, p.missingKnown = p.place(x)
		}
	}
	return p, err
}

func (p *histogramPlan) make() (collector, error) {
	return &histogram{grid: grid{plan: &p.gridPlan}, histogramPlan: p}, nil
}

func (*histogramPlan) countable(*run) (bool, error) { return false, nil }

func (p *histogramPlan) place(x float64) (int64, bool) {
	at := math.Floor((x - p.Offset) / p.Interval)
	if p.HardMin != nil || p.HardMax != nil {
		if key := at*p.Interval + p.Offset; p.HardMin != nil && key < *p.HardMin || p.HardMax != nil && key > *p.HardMax {
			return 0, false
		}
	}
	return int64(at), math.Abs(at) < 1<<53
}

// load asks the rows for the field, once a run.
func (p *histogramPlan) load(r *run) error {
	if p.run == r.id {
		return nil
	}
	p.run, p.mode = r.id, modeDocs
	if !plainName(p.field) {
		return nil
	}
	nums, ok, err := r.rows.Numbers(p.field)
	if err != nil {
		return err
	}
	if ok {
		p.mode, p.nums = modeNumbers, nums
		return nil
	}
	codes, ok, err := r.rows.Codes(p.field)
	if ok && len(codes.Values) == 0 {
		p.mode = modeAlike
	}
	return err
}

type histogram struct {
	grid
	*histogramPlan
}

func (h *histogram) add(d *Doc) error {
	vals := d.Values(h.Field)
	if len(vals) == 0 && h.Missing != nil {
		vals = []Value{*h.Missing}
	}
	var some [4]int64
	places := some[:0]
	for _, v := range vals {
		if x, _, ok := v.number(); ok {
			if p, ok := h.place(x); ok {
				places = append(places, p)
			}
		}
	}
	return h.addAt(places, d)
}

func (h *histogram) addRows(r *run, sel []uint32) (bool, error) {
	p := h.histogramPlan
	if err := p.load(r); err != nil {
		return false, err
	}
	switch p.mode {
	case modeDocs:
		return false, nil
	case modeAlike:
		if !p.missingKnown {
			return true, nil
		}
		return true, h.addPart(r, p.missing, sel)
	}
	mark := r.top
	defer func() { r.top = mark }()
	sel = r.rowsOf(sel)
	rows, ids, n := r.take(len(sel)), r.take(len(sel)), 0
	for _, i := range sel {
		at, ok := p.missing, p.missingKnown
		if x := p.nums.Vals[i]; x == x {
			at, ok = p.place(x)
		}
		if !ok {
			continue
		}
		id, err := p.id(at)
		if err != nil {
			return false, err
		}
		rows[n], ids[n] = i, id
		n++
	}
	return true, h.addKeyed(r, rows[:n], ids[:n])
}

func (h *histogram) addCount(*run, int) error { return nil }

func (h *histogram) result() (AggResult, error) {
	place := func(x *float64) *int64 {
		if x != nil {
			if p, ok := h.place(*x); ok {
				return &p
			}
		}
		return nil
	}
	return h.list(place(h.ExtendedMin), place(h.ExtendedMax))
}
