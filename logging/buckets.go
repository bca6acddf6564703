package logging

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// termKey tells values apart; a number is the same whether written 1 or 1.0.
type termKey struct {
	kind Kind
	str  string
	num  int64
	bits uint64
}

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
	return termKey{kind: v.Kind, str: v.Str}
}

type terms struct {
	Terms
	sub     []Agg
	bounds  *aggBounds
	include map[string]bool
	exclude map[string]bool
	by      []termsBy
	groups  map[termKey]*termGroup
}

type termGroup struct {
	*group
	key   Value
	order []float64 // the numbers of the orders by metric
}

// termsBy is a TermsOrder understood.
type termsBy struct {
	TermsOrder
	sub int // index of the metric inside, -1 for _count and _key
	of  string
}

const termsSizeDefault = 10

func newTerms(t Terms, sub []Agg, b *aggBounds) (*terms, error) {
	out := &terms{Terms: t, sub: sub, bounds: b, groups: map[termKey]*termGroup{}, include: set(t.Include), exclude: set(t.Exclude)}
	if out.Size == 0 {
		out.Size = termsSizeDefault
	}
	if out.Size < 0 {
		return nil, fmt.Errorf("%w: terms of %q: size %d: want 1 or more", ErrQuery, t.Field.Name, t.Size)
	}
	if len(t.Order) == 0 {
		out.Order = []TermsOrder{{By: "_count", Desc: true}}
	}
	for _, o := range out.Order {
		by := termsBy{TermsOrder: o, sub: -1}
		if o.By != "_count" && o.By != "_key" && o.By != "_term" {
			for i, a := range sub {
				rest, ok := strings.CutPrefix(o.By, a.Name)
				if _, metric := a.Of.(Metric); ok && metric && (rest == "" || rest[0] == '.') {
					by.sub, by.of = i, strings.TrimPrefix(rest, ".")
				}
			}
			if by.sub < 0 {
				return nil, fmt.Errorf("%w: terms of %q ordered by %q: want _count, _key or a metric inside it", ErrQuery, t.Field.Name, o.By)
			}
		}
		out.by = append(out.by, by)
	}
	_, err := newGroup(sub, b) // wrong aggregations inside are refused even where no document comes
	return out, err
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

func (t *terms) add(d *Doc) error {
	vals := d.Values(t.Field)
	if len(vals) == 0 && t.Missing != nil {
		vals = []Value{*t.Missing}
	}
	for i, v := range vals {
		k := keyOf(v)
		if slices.ContainsFunc(vals[:i], func(o Value) bool { return keyOf(o) == k }) {
			continue // a document counts once a bucket
		}
		if t.include != nil || t.exclude != nil {
			if text := v.Text(); t.include != nil && !t.include[text] || t.exclude[text] {
				continue
			}
		}
		g := t.groups[k]
		if g == nil {
			if err := t.bounds.group(); err != nil {
				return err
			}
			inner, err := newGroup(t.sub, t.bounds)
			if err != nil {
				return err
			}
			if k.kind == KindInt {
				v = Int(k.num)
			}
			g = &termGroup{group: inner, key: v}
			t.groups[k] = g
		}
		if err := g.add(d); err != nil {
			return err
		}
	}
	return nil
}

func (t *terms) result() (AggResult, error) {
	all := make([]*termGroup, 0, len(t.groups))
	for _, g := range t.groups {
		if g.docs < t.MinDocs {
			continue
		}
		for _, by := range t.by {
			x := 0.0
			if by.sub >= 0 {
				r, err := g.cols[by.sub].result()
				if err != nil {
					return AggResult{}, err
				}
				x = r.number(by.of)
			}
			g.order = append(g.order, x)
		}
		all = append(all, g)
	}
	slices.SortFunc(all, t.compare)
	r := AggResult{Buckets: []Bucket{}}
	for i, g := range all {
		if i >= t.Size {
			r.OtherDocs += g.docs
			continue
		}
		b, err := g.bucket(g.key, t.bounds)
		if err != nil {
			return AggResult{}, err
		}
		r.Buckets = append(r.Buckets, b)
	}
	return r, nil
}

// compare orders two groups; equal ones by key, and those without a number last.
func (t *terms) compare(a, b *termGroup) int {
	for i, by := range t.by {
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
	return Compare(a.key, b.key)
}

type filters struct {
	of     []NamedFilter
	groups []*group
	bounds *aggBounds
}

func newFilters(f Filters, sub []Agg, b *aggBounds) (*filters, error) {
	out := &filters{of: f.Of, bounds: b}
	for range f.Of {
		g, err := newGroup(sub, b)
		if err != nil {
			return nil, err
		}
		out.groups = append(out.groups, g)
	}
	return out, nil
}

func (f *filters) add(d *Doc) error {
	for i, n := range f.of {
		if n.Filter.Match(d) {
			if err := f.groups[i].add(d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *filters) result() (AggResult, error) {
	r := AggResult{Buckets: []Bucket{}}
	for i, g := range f.groups {
		b, err := g.bucket(String(f.of[i].Name), f.bounds)
		if err != nil {
			return AggResult{}, err
		}
		b.Name = f.of[i].Name
		r.Buckets = append(r.Buckets, b)
	}
	return r, nil
}

// grid is what both histograms share: groups under integer places, listed from
// the first to the last with the empty ones between.
type grid struct {
	sub     []Agg
	bounds  *aggBounds
	groups  map[int64]*group
	minDocs int64
	next    func(int64) int64 // the place after a place
	key     func(int64) Value
}

func (g *grid) add(places []int64, d *Doc) error {
	for i, p := range places {
		if slices.Contains(places[:i], p) {
			continue
		}
		in := g.groups[p]
		if in == nil {
			if err := g.bounds.group(); err != nil {
				return err
			}
			var err error
			if in, err = newGroup(g.sub, g.bounds); err != nil {
				return err
			}
			g.groups[p] = in
		}
		if err := in.add(d); err != nil {
			return err
		}
	}
	return nil
}

// result lists the groups; extended are places to list from and to where empty
// groups are wanted.
func (g *grid) result(from, to *int64) (AggResult, error) {
	places := make([]int64, 0, len(g.groups)+2)
	for p := range g.groups {
		places = append(places, p)
	}
	if g.minDocs == 0 {
		if from != nil && (len(places) > 0 || to != nil) {
			places = append(places, *from)
		}
		if to != nil && (len(places) > 0) {
			places = append(places, *to)
		}
	}
	slices.Sort(places)
	places = slices.Compact(places)
	r := AggResult{Buckets: []Bucket{}}
	for i, p := range places {
		until := p
		if g.minDocs == 0 && i+1 < len(places) {
			until = places[i+1]
		}
		for ; ; p = g.next(p) {
			in := g.groups[p]
			if in == nil {
				var err error
				if in, err = newGroup(g.sub, g.bounds); err != nil {
					return AggResult{}, err
				}
			}
			if in.docs >= g.minDocs {
				b, err := in.bucket(g.key(p), g.bounds)
				if err != nil {
					return AggResult{}, err
				}
				r.Buckets = append(r.Buckets, b)
			}
			if n := g.next(p); n <= p || n >= until {
				break
			}
		}
	}
	return r, nil
}

type histogram struct {
	Histogram
	grid
}

func newHistogram(h Histogram, sub []Agg, b *aggBounds) (*histogram, error) {
	if !(h.Interval > 0) || math.IsInf(h.Interval, 0) || math.IsNaN(h.Offset) || math.IsInf(h.Offset, 0) {
		return nil, fmt.Errorf("%w: histogram of %q: interval %v and offset %v: want numbers, the interval above 0", ErrQuery, h.Field.Name, h.Interval, h.Offset)
	}
	out := &histogram{Histogram: h, grid: grid{sub: sub, bounds: b, groups: map[int64]*group{}, minDocs: h.MinDocs}}
	out.next = func(p int64) int64 { return p + 1 }
	out.key = func(p int64) Value { return Float(float64(p)*h.Interval + h.Offset) }
	_, err := newGroup(sub, b)
	return out, err
}

func (h *histogram) place(x float64) (int64, bool) {
	p := math.Floor((x - h.Offset) / h.Interval)
	return int64(p), math.Abs(p) < 1<<53
}

func (h *histogram) add(d *Doc) error {
	vals := d.Values(h.Field)
	if len(vals) == 0 && h.Missing != nil {
		vals = []Value{*h.Missing}
	}
	var places []int64
	for _, v := range vals {
		if x, _, ok := v.number(); ok {
			if p, ok := h.place(x); ok {
				places = append(places, p)
			}
		}
	}
	return h.grid.add(places, d)
}

func (h *histogram) result() (AggResult, error) {
	place := func(x *float64) *int64 {
		if x != nil {
			if p, ok := h.place(*x); ok {
				return &p
			}
		}
		return nil
	}
	return h.grid.result(place(h.ExtendedMin), place(h.ExtendedMax))
}

type dateHistogram struct {
	DateHistogram
	grid
	rounding rounding
}

func newDateHistogram(h DateHistogram, sub []Agg, b *aggBounds) (*dateHistogram, error) {
	if (h.Fixed > 0) == (h.Calendar != 0) || h.Fixed < 0 || h.Calendar > Year {
		return nil, fmt.Errorf("%w: date histogram of %q: give either a fixed interval above 0 or a calendar interval", ErrQuery, h.Field.Name)
	}
	out := &dateHistogram{DateHistogram: h, grid: grid{sub: sub, bounds: b, groups: map[int64]*group{}, minDocs: h.MinDocs}}
	out.rounding = rounding{fixed: h.Fixed, calendar: h.Calendar, zone: h.Zone, offset: h.Offset}
	if out.rounding.zone == nil {
		out.rounding.zone = time.UTC
	}
	out.next = func(p int64) int64 { return out.rounding.next(time.Unix(0, p)).UnixNano() }
	out.key = func(p int64) Value { return Time(time.Unix(0, p)) }
	_, err := newGroup(sub, b)
	return out, err
}

func (h *dateHistogram) add(d *Doc) error {
	vals := d.Values(h.Field)
	if len(vals) == 0 && h.Missing != nil {
		vals = []Value{*h.Missing}
	}
	var places []int64
	for _, v := range vals {
		if t, ok := v.time(); ok && inNanos(t) {
			places = append(places, h.rounding.floor(t).UnixNano())
		}
	}
	return h.grid.add(places, d)
}

func (h *dateHistogram) result() (AggResult, error) {
	place := func(t *time.Time) *int64 {
		if t == nil || !inNanos(*t) {
			return nil
		}
		p := h.rounding.floor(*t).UnixNano()
		return &p
	}
	r, err := h.grid.result(place(h.ExtendedMin), place(h.ExtendedMax))
	if h.Desc {
		slices.Reverse(r.Buckets)
	}
	return r, err
}

// inNanos reports whether a time, and a year around it, can be counted in
// nanoseconds since the epoch.
func inNanos(t time.Time) bool { return t.Year() > 1679 && t.Year() < 2260 }
