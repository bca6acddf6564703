package logging

import (
	"fmt"
	"math"
	"slices"
	"time"
)

type dateHistogramPlan struct {
	DateHistogram
	gridPlan
	rounding     rounding
	missing      int64 // the place of Missing
	missingKnown bool

	hardFrom, hardUntil int64 // the places that are listed

	from, until, place int64 // the times in [from, until) are in place
	valid              bool  // else they are in none

	run   uint64
	mode  termMode // modeDocs, modeAlike (no row has a value), modeNumbers (times)
	times Times
}

func newDateHistogram(h DateHistogram, sub []Agg, b *aggBounds) (*dateHistogramPlan, error) {
	if (h.Fixed > 0) == (h.Calendar != 0) || h.Fixed < 0 || h.Calendar > Year {
		return nil, fmt.Errorf("%w: date histogram of %q: give either a fixed interval above 0 or a calendar interval", ErrQuery, h.Field.Name)
	}
	grid, err := newGridPlan(h.Field, sub, h.MinDocs, b)
	p := &dateHistogramPlan{DateHistogram: h, gridPlan: grid}
	p.rounding = rounding{fixed: h.Fixed, calendar: h.Calendar, zone: h.Zone, offset: h.Offset}
	if p.rounding.zone == nil {
		p.rounding.zone = time.UTC
	}
	p.near.step = int64(h.Fixed)
	p.next = func(at int64) int64 { return p.rounding.next(time.Unix(0, at)).UnixNano() }
	p.key = func(at int64) Value { return Time(time.Unix(0, at)) }
	p.hardFrom, p.hardUntil = math.MinInt64, math.MaxInt64
	if h.HardMin != nil && inNanos(*h.HardMin) {
		p.hardFrom = p.rounding.floor(*h.HardMin).UnixNano()
	}
	if h.HardMax != nil && inNanos(*h.HardMax) {
		p.hardUntil = p.rounding.floor(*h.HardMax).UnixNano()
	}
	if h.Missing != nil {
		if t, ok := h.Missing.time(); ok && inNanos(t) {
			p.missing = p.rounding.floor(t).UnixNano()
			p.missingKnown = p.listed(p.missing)
		}
	}
	return p, err
}

// Next gives the start of the bucket behind the one that starts at t.
func (h DateHistogram) Next(t time.Time) time.Time {
	r := rounding{fixed: h.Fixed, calendar: h.Calendar, zone: h.Zone, offset: h.Offset}
	if r.zone == nil {
		r.zone = time.UTC
	}
	return r.next(t)
}

func (p *dateHistogramPlan) make() (collector, error) {
	return &dateHistogram{grid: grid{plan: &p.gridPlan}, dateHistogramPlan: p}, nil
}

func (*dateHistogramPlan) countable(*run) (bool, error) { return false, nil }

// listed reports whether a place lies within the hard bounds.
func (p *dateHistogramPlan) listed(place int64) bool {
	return place >= p.hardFrom && place < p.hardUntil
}

// seek makes [from, until) hold t.
func (p *dateHistogramPlan) seek(t int64) {
	if t >= p.from && t < p.until {
		return
	}
	p.from, p.until, p.valid = t, t+1, false
	if t >= minNanos && t < maxNanos {
		p.from, p.until, p.place = p.rounding.span(t)
		p.valid = p.listed(p.place)
	}
}

// load asks the rows for the field, once a run.
func (p *dateHistogramPlan) load(r *run) error {
	if p.run == r.id {
		return nil
	}
	p.run, p.mode = r.id, modeDocs
	if !plainName(p.field) {
		return nil
	}
	times, ok, err := r.rows.Times(p.field)
	if err != nil {
		return err
	}
	if ok {
		p.mode, p.times = modeNumbers, times
		return nil
	}
	codes, ok, err := r.rows.Codes(p.field)
	if ok && len(codes.Values) == 0 {
		p.mode = modeAlike
	}
	return err
}

type dateHistogram struct {
	grid
	*dateHistogramPlan
}

func (h *dateHistogram) add(d *Doc) error {
	vals := d.Values(h.Field)
	if len(vals) == 0 && h.Missing != nil {
		vals = []Value{*h.Missing}
	}
	var some [4]int64
	places := some[:0]
	for _, v := range vals {
		if t, ok := v.time(); ok && inNanos(t) {
			if h.seek(t.UnixNano()); h.valid {
				places = append(places, h.place)
			}
		}
	}
	return h.addAt(places, d)
}

func (h *dateHistogram) addRows(r *run, sel []uint32) (bool, error) {
	p := h.dateHistogramPlan
	if sel == nil && p.field.Name == FieldTime {
		if ok, err := h.addMinutes(r); ok || err != nil {
			return ok, err
		}
	}
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
	if sel != nil || len(p.sub.plans) > 0 || !p.times.Sorted {
		if ok, err := h.addSums(r, sel); ok || err != nil {
			return ok, err
		}
		sel = r.rowsOf(sel)
	}
	switch {
	case !p.times.Sorted:
		return true, h.addUnsorted(r, sel)
	case sel == nil:
		return true, h.addAll(r)
	}
	return true, h.addSorted(r, sel)
}

// addAll counts sorted rows by the edges of their buckets.
func (h *dateHistogram) addAll(r *run) error {
	times := h.times.Nanos[:r.n]
	for len(times) > 0 {
		h.seek(times[0])
		n := 1
		if until := h.until; times[len(times)-1] < until {
			n = len(times)
		} else {
			for hi := 1; ; hi *= 2 {
				if hi = min(hi, len(times)-1); times[hi] >= until {
					k, _ := slices.BinarySearch(times[n:hi+1], until)
					n += k
					break
				}
				n = hi + 1
			}
		}
		if h.valid {
			in, err := h.at(h.place)
			if err != nil {
				return err
			}
			in.docs += int64(n)
		}
		times = times[n:]
	}
	return nil
}

// addSorted adds some of the rows, which are sorted by the field.
func (h *dateHistogram) addSorted(r *run, sel []uint32) error {
	times := h.times.Nanos
	for len(sel) > 0 {
		h.seek(times[sel[0]])
		n, until := 1, h.until
		if times[sel[len(sel)-1]] < until {
			n = len(sel)
		}
		for n < len(sel) && times[sel[n]] < until {
			n++
		}
		if h.valid {
			if err := h.addPart(r, h.place, sel[:n]); err != nil {
				return err
			}
		}
		sel = sel[n:]
	}
	return nil
}

// addUnsorted looks at every time, remembering the bucket of the one before.
func (h *dateHistogram) addUnsorted(r *run, sel []uint32) error {
	mark := r.top
	defer func() { r.top = mark }()
	rows, ids, n := r.take(len(sel)), r.take(len(sel)), 0
	id, from, until := uint32(noID), int64(1), int64(0)
	for _, i := range sel {
		t := h.times.Nanos[i]
		if t < from || t >= until {
			h.seek(t)
			from, until, id = h.from, h.until, noID
			if h.valid {
				var err error
				if id, err = h.id(h.place); err != nil {
					return err
				}
			}
		}
		if id != noID {
			rows[n], ids[n] = i, id
			n++
		}
	}
	return h.addKeyed(r, rows[:n], ids[:n])
}

// addMinutes adds all rows by how many of them there are in every minute; ok is
// false where that does not tell.
func (h *dateHistogram) addMinutes(r *run) (ok bool, err error) {
	if ok, err := h.plan.sub.countable(r); !ok || err != nil {
		return false, err
	}
	counts, ok, err := r.minuteCounts()
	if !ok || err != nil {
		return false, err
	}
	if n := len(counts); n == 0 || !h.rounding.wholeMinutes(counts[0].Minute, counts[n-1].Minute) {
		return false, nil
	}
	if h.rounding.plain() {
		return true, h.addPlain(r, counts)
	}
	for i := 0; i < len(counts); {
		h.seek(counts[i].Minute * int64(time.Minute))
		n := 0
		for ; i < len(counts) && counts[i].Minute*int64(time.Minute) < h.until; i++ {
			n += counts[i].Rows
		}
		if !h.valid {
			continue
		}
		in, err := h.at(h.place)
		if err != nil {
			return false, err
		}
		if err := h.plan.sub.addCount(in, r, n); err != nil {
			return false, err
		}
	}
	return true, nil
}

// addPlain is addMinutes for buckets of one length: there may be as many of them as
// minutes, in each of a thousand runs.
func (h *dateHistogram) addPlain(r *run, counts []MinuteCount) error {
	step, offset := int64(h.rounding.fixed/time.Minute), int64(h.rounding.offset/time.Minute)
	until := int64(math.MinInt64)
	for i := 0; i < len(counts); {
		m := counts[i].Minute
		if m < until || m >= until+step { // not the bucket after the last one
			rest := (m - offset) % step
			if rest < 0 {
				rest += step
			}
			until = m - rest
		}
		from := until
		until += step
		n := counts[i].Rows
		for i++; i < len(counts) && counts[i].Minute < until; i++ {
			n += counts[i].Rows
		}
		place := from * int64(time.Minute)
		if !h.listed(place) {
			continue
		}
		in, err := h.at(place)
		if err != nil {
			return err
		}
		if err := h.plan.sub.addCount(in, r, n); err != nil {
			return err
		}
	}
	return nil
}

func (h *dateHistogram) addCount(*run, int) error { return nil }

func (h *dateHistogram) result() (AggResult, error) {
	place := func(t *time.Time) *int64 {
		if t == nil || !inNanos(*t) {
			return nil
		}
		p := h.rounding.floor(*t).UnixNano()
		return &p
	}
	r, err := h.list(place(h.ExtendedMin), place(h.ExtendedMax))
	if h.Desc {
		slices.Reverse(r.Buckets)
	}
	return r, err
}

// minNanos and maxNanos are the ends of what inNanos admits: 1680 and 2260.
const (
	minNanos = -9_151_488_000 * int64(time.Second)
	maxNanos = 9_151_488_000 * int64(time.Second)
)

// inNanos reports whether a time, and a year around it, can be counted in
// nanoseconds since the epoch.
func inNanos(t time.Time) bool { return t.Year() > 1679 && t.Year() < 2260 }
