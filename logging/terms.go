package logging

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// termKey tells values apart that are no strings; a number is the same whether
// written 1 or 1.0.
type termKey struct {
	kind Kind
	num  int64
	bits uint64
}

// keyOf gives the key of a value that is no string.
func keyOf(v Value) termKey {
	switch v.Kind {
	case KindFloat:
		if v.Float == math.Trunc(v.Float) && math.Abs(v.Float) < 1<<53 {
			return termKey{kind: KindInt, num: int64(v.Float)}
		}
		return termKey{kind: KindFloat, bits: math.Float64bits(v.Float)}
	case KindInt:
		return termKey{kind: KindInt, num: v.Int}
	case KindBool:
		return termKey{kind: KindBool, num: int64(b2i(v.Bool))}
	case KindTime:
		return termKey{kind: KindTime, num: v.Time.Unix(), bits: uint64(v.Time.Nanosecond())}
	}
	return termKey{kind: v.Kind}
}

// sameKey reports whether two values go into one bucket.
func sameKey(a, b Value) bool {
	if a.Kind == KindString || b.Kind == KindString {
		return a.Kind == b.Kind && a.Str == b.Str
	}
	return keyOf(a) == keyOf(b)
}

type termsPlan struct {
	Terms
	bounds  *aggBounds
	sub     *groupPlan
	admits  func(key string) bool // nil: every key
	by      []termsBy
	ids     termIDs
	columns termColumns
	points  *pointColumns // of a GeohashGrid, whose keys are made of points
	alone   bool          // there is one collector of it, at the top of the query
	kept    string        // the key of its Sums; "": not made yet
}

// termsBy is a TermsOrder understood.
type termsBy struct {
	TermsOrder
	sub  int // index of the metric inside, -1 for _count and _key
	of   string
	none float64 // what a bucket without values is ordered by; NaN: it comes last
}

func (b termsBy) isKey() bool { return b.By == "_key" || b.By == "_term" }

const termsSizeDefault = 10

func newTerms(t Terms, sub []Agg, b *aggBounds) (*termsPlan, error) {
	p := &termsPlan{Terms: t, bounds: b, ids: newTermIDs()}
	var err error
	if p.admits, err = t.keyTest(); err != nil {
		return nil, err
	}
	if p.Size == 0 {
		p.Size = termsSizeDefault
	}
	if p.Size < 0 {
		return nil, fmt.Errorf("%w: terms of %q: size %d: want 1 or more", ErrQuery, t.Field.Name, t.Size)
	}
	if len(t.Order) == 0 {
		p.Order = []TermsOrder{{By: "_count", Desc: true}}
	}
	for _, o := range p.Order {
		by := termsBy{TermsOrder: o, sub: -1}
		if o.By != "_count" && o.By != "_key" && o.By != "_term" {
			for i, a := range sub {
				rest, ok := strings.CutPrefix(o.By, a.Name)
				if m, metric := a.Of.(Metric); ok && metric && (rest == "" || rest[0] == '.') {
					by.sub, by.of = i, strings.TrimPrefix(rest, ".")
					by.none = m.none(by.of)
				}
			}
			if by.sub < 0 {
				return nil, fmt.Errorf("%w: terms of %q ordered by %q: want _count, _key or a metric inside it", ErrQuery, t.Field.Name, o.By)
			}
		}
		p.by = append(p.by, by)
	}
	p.sub, err = newGroupPlan(sub, b)
	return p, err
}

// keyTest gives the test for keys; nil where all are asked for.
func (t Terms) keyTest() (func(key string) bool, error) {
	include, exclude := set(t.Include), set(t.Exclude)
	fits, err := patternTest(t.Field, t.IncludePattern)
	if err != nil {
		return nil, err
	}
	fitsNot, err := patternTest(t.Field, t.ExcludePattern)
	if err != nil || include == nil && exclude == nil && fits == nil && fitsNot == nil {
		return nil, err
	}
	return func(key string) bool {
		return (include == nil || include[key]) && !exclude[key] && (fits == nil || fits(key)) && (fitsNot == nil || !fitsNot(key))
	}, nil
}

// patternTest gives the test of a regular expression; nil for none.
func patternTest(f Field, pattern string) (func(string) bool, error) {
	if pattern == "" {
		return nil, nil
	}
	re, err := NewRegexp(f, pattern)
	return re.fits(), err
}

func set(of []string) map[string]bool {
	if of == nil {
		return nil
	}
	m := make(map[string]bool, len(of))
	for _, s := range of {
		m[s] = true
	}
	return m
}

// values gives what a document counts as.
func (p *termsPlan) values(d *Doc) []Value {
	if p.points != nil {
		return p.points.cells(d)
	}
	vals := d.Values(p.Field)
	if len(vals) == 0 && p.Missing != nil {
		vals = []Value{*p.Missing}
	}
	return vals
}

func (p *termsPlan) make() (collector, error) { return &terms{plan: p}, nil }

// id numbers a value; noID where it is not asked for.
func (p *termsPlan) id(v Value) (uint32, error) {
	if p.admits != nil && !p.admits(v.Text()) {
		return noID, nil
	}
	return p.ids.of(v, p.bounds, p.Field.Name)
}

type terms struct {
	plan  *termsPlan
	slots slots
	sums  sums  // of what came by keys; beside the slots
	both  group // scratch: a bucket of the slots and the sums
	empty group // one without documents

	numbered numbered // of what came by numbers; beside both
}

func (t *terms) at(id uint32) (*group, error) {
	return t.slots.at(id, t.plan.sub, "terms of", t.plan.Field.Name)
}

func (t *terms) add(d *Doc) error {
	vals := t.plan.values(d)
	ids := make([]uint32, 0, min(len(vals), 16))
	for _, v := range vals {
		id, err := t.plan.id(v)
		if err != nil {
			return err
		}
		if id != noID && (len(vals) > 16 || !slices.Contains(ids, id)) {
			ids = append(ids, id)
		}
	}
	if len(vals) > 16 {
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	for _, id := range ids { // a document counts once a bucket
		if err := t.plan.bounds.step(); err != nil {
			return err
		}
		g, err := t.at(id)
		if err != nil {
			return err
		}
		if err := t.plan.sub.add(g, d); err != nil {
			return err
		}
	}
	return nil
}

// term is a bucket on its way into the result.
type term struct {
	id       uint32
	numbered bool // id is a number
	docs     int64
	key      Value
	order    []float64 // the numbers of the orders by metric
}

// result keeps the first Size buckets, and some more until the next clean-up.
// Their keys are looked up for the last choice among equals alone: there may be
// millions of them.
func (t *terms) result() (AggResult, error) {
	p, size := t.plan, t.plan.Size
	var kept []term
	var docs, least int64 // those with fewer documents come after all that are kept
	failed := t.fold()
	byOrder := func(a, b term) int { return p.compare(&a, &b) }
	byKey := slices.ContainsFunc(p.by, termsBy.isKey)
	most := p.by[0].By == "_count" && p.by[0].Desc
	pick := func(fn func(term)) (fewer int64) {
		return t.each(&least, func(n term) {
			if n.docs < p.MinDocs || failed != nil {
				return
			}
			if failed = p.bounds.step(); failed != nil {
				return
			}
			if failed = t.number(&n); failed == nil && byKey {
				n.key, failed = p.ids.value(n.id)
			}
			if failed == nil {
				fn(n)
			}
		})
	}
	fewer := pick(func(n term) {
		docs += n.docs
		if len(kept) >= size && p.compare(&n, &kept[size-1]) >= 0 {
			return
		}
		if kept = append(kept, n); len(kept) == size || len(kept) >= 2*size {
			failed = sortSteps(kept, byOrder, p.bounds.spend)
			kept = kept[:size]
			if most {
				least = kept[size-1].docs
			}
		}
	})
	docs += fewer
	if failed == nil {
		failed = sortSteps(kept, byOrder, p.bounds.spend)
	}
	if failed == nil && len(kept) >= size {
		last := kept[size-1]
		kept = kept[:0]
		pick(func(n term) {
			if p.compare(&n, &last) <= 0 {
				kept = append(kept, n)
			}
		})
	}
	if failed == nil {
		failed = t.adoptAll(kept)
	}
	if failed == nil {
		failed = t.keys(kept)
	}
	if failed != nil {
		return AggResult{}, failed
	}
	failed = sortSteps(kept, func(a, b term) int {
		if c := p.compare(&a, &b); c != 0 {
			return c
		}
		return Compare(a.key, b.key)
	}, p.bounds.spend)
	if failed != nil {
		return AggResult{}, failed
	}
	kept = kept[:min(size, len(kept))]
	r := AggResult{Buckets: []Bucket{}}
	for i := range kept {
		g, err := t.whole(kept[i].id)
		if err != nil {
			return AggResult{}, err
		}
		b, err := p.sub.bucket(g, kept[i].key)
		if err != nil {
			return AggResult{}, err
		}
		docs -= g.docs
		r.Buckets = append(r.Buckets, b)
	}
	r.OtherDocs = docs
	return r, nil
}

// each gives the buckets with documents, in no order and without keys. Where it
// asks for no documents, those that other buckets have are there too. It may leave
// out buckets of fewer documents than least says each time, and sums those up.
func (t *terms) each(least *int64, fn func(term)) (fewer int64) {
	for id, docs := range t.sums.docs {
		if t.slots.n > 0 {
			if g := t.slots.get(uint32(id)); g != nil {
				docs += g.docs
			}
		}
		switch {
		case docs == 0:
		case docs < *least:
			if docs >= t.plan.MinDocs {
				fewer += docs
			}
		default:
			fn(term{id: uint32(id), docs: docs})
		}
	}
	for i, page := range t.numbered.pages {
		if page == nil {
			continue
		}
		for at, docs := range &page.docs {
			switch {
			case docs == 0:
			case docs < *least:
				if docs >= t.plan.MinDocs {
					fewer += docs
				}
			default:
				fn(term{id: uint32(i<<pageBits + at), numbered: true, docs: docs})
			}
		}
	}
	var seen []bool
	if t.plan.MinDocs == 0 {
		seen = make([]bool, t.plan.ids.n())
	}
	t.slots.each(func(id uint32, g *group) {
		if int(id) >= len(t.sums.docs) {
			fn(term{id: id, docs: g.docs})
		}
		if seen != nil {
			seen[id] = true
		}
	})
	for id, ok := range seen {
		if !ok && (id >= len(t.sums.docs) || t.sums.docs[id] == 0) {
			fn(term{id: uint32(id)})
		}
	}
	return fewer
}

// whole gives a bucket with all of its documents; it is good until the next call.
func (t *terms) whole(id uint32) (*group, error) {
	g := t.slots.get(id)
	if g == nil && (int(id) >= len(t.sums.docs) || t.sums.docs[id] == 0) {
		if t.empty.cols == nil {
			if err := t.plan.sub.make(&t.empty); err != nil {
				return nil, err
			}
		}
		return &t.empty, nil
	}
	if int(id) >= len(t.sums.docs) {
		return g, nil
	}
	all := &t.both
	if all.cols == nil {
		if err := t.plan.sub.make(all); err != nil {
			return nil, err
		}
	}
	all.docs = t.sums.docs[id]
	for k, col := range all.cols {
		stats := &col.(*moments).stats
		if *stats = (Stats{}); g != nil {
			*stats = g.cols[k].(*moments).stats
		}
		stats.merge(&t.sums.tallies[int(id)*len(all.cols)+k], t.sums.dates[k].dates)
	}
	if g != nil {
		all.docs += g.docs
	}
	return all, nil
}

// keys looks up the keys.
func (t *terms) keys(of []term) (err error) {
	ids := &t.plan.ids
	bounds := t.plan.bounds
	if err := sortSteps(of, func(a, b term) int { return ids.byPlace(a.id, b.id) }, bounds.spend); err != nil {
		return err
	}
	for i := range of {
		if err := bounds.step(); err != nil {
			return err
		}
		if of[i].key, err = ids.value(of[i].id); err != nil {
			return err
		}
	}
	return nil
}

// number computes what a bucket is ordered by.
func (t *terms) number(n *term) error {
	var g *group
	for i, by := range t.plan.by {
		if by.sub < 0 {
			continue
		}
		if g == nil {
			var err error
			if g, err = t.wholeOf(n); err != nil {
				return err
			}
		}
		r, err := g.cols[by.sub].result()
		if err != nil {
			return err
		}
		if n.order == nil {
			n.order = make([]float64, len(t.plan.by))
		}
		if n.order[i] = r.number(by.of); math.IsNaN(n.order[i]) {
			n.order[i] = by.none
		}
	}
	return nil
}

// compare orders two buckets as the orders say, without their keys where those are
// not asked for; those without a number come last.
func (p *termsPlan) compare(a, b *term) int {
	for i, by := range p.by {
		c := 0
		switch {
		case by.sub >= 0:
			x, y := a.order[i], b.order[i]
			if math.IsNaN(x) || math.IsNaN(y) {
				if c := cmp.Compare(b2i(math.IsNaN(x)), b2i(math.IsNaN(y))); c != 0 {
					return c
				}
				continue
			}
			c = cmp.Compare(x, y)
		case by.By == "_count":
			c = cmp.Compare(a.docs, b.docs)
		default:
			c = Compare(a.key, b.key)
		}
		if c != 0 {
			if by.Desc {
				return -c
			}
			return c
		}
	}
	return 0
}
