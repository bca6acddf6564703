package logging

import (
	"fmt"
	"slices"
	"time"
)

// compositeSource is one source of a Composite: it makes values of a field, or
// the buckets they lie in, into keys.
type compositeSource struct {
	field   Field
	missing bool
	terms   bool
	number  *histogramPlan
	date    *dateHistogramPlan

	run  uint64
	mode sourceMode
	// The key of rows alike; of every code, whose last one is no value.
	codes  Codes
	byCode [][]byte // nil: no key
	strs   Strings
	nums   Numbers
	times  Times

	keys []Value
}

// sourceMode is the column that a run serves a source with.
type sourceMode uint8

const (
	sourceDocs sourceMode = iota
	sourceCodes
	sourceStrings
	sourceNumbers
	sourceTimes
)

func newCompositeSource(s CompositeSource, b *aggBounds) (compositeSource, error) {
	c := compositeSource{missing: s.Missing}
	var err error
	switch of := s.Of.(type) {
	case Terms:
		c.field, c.terms = of.Field, true
	case Histogram:
		c.field = of.Field
		c.number, err = newHistogram(Histogram{Field: of.Field, Interval: of.Interval, Offset: of.Offset}, nil, b)
	case DateHistogram:
		c.field = of.Field
		c.date, err = newDateHistogram(DateHistogram{Field: of.Field, Fixed: of.Fixed, Calendar: of.Calendar, Zone: of.Zone, Offset: of.Offset}, nil, b)
	default:
		err = fmt.Errorf("%w: source of a composite is a %T: want terms, a histogram or a date histogram", ErrQuery, s.Of)
	}
	return c, err
}

// key gives the key of a value; ok is false where it has none.
func (c *compositeSource) key(v Value) (Value, bool) {
	switch {
	case c.number != nil:
		if x, _, ok := v.number(); ok {
			return c.numberKey(x)
		}
		return Value{}, false
	case c.date != nil:
		if t, ok := v.time(); ok && inNanos(t) {
			return c.timeKey(t.UnixNano()), true
		}
		return Value{}, false
	}
	if v.Kind == KindTime { // clients hand keys back in milliseconds
		v = c.timeKey(v.Time.UnixNano())
	}
	return v, v.Kind != Missing
}

func (c *compositeSource) numberKey(x float64) (Value, bool) {
	at, ok := c.number.place(x)
	return c.number.gridPlan.key(at), ok
}

func (c *compositeSource) timeKey(nanos int64) Value {
	if c.date == nil {
		return Time(time.Unix(0, nanos).Truncate(time.Millisecond))
	}
	c.date.seek(nanos)
	return Time(time.Unix(0, c.date.place))
}

// keysOf gives the keys of a document, an equal string once; they are good until
// the next call.
func (c *compositeSource) keysOf(d *Doc) []Value {
	c.keys = c.keys[:0]
	for _, v := range d.Values(c.field) {
		k, ok := c.key(v)
		if !ok || k.Kind == KindString && slices.ContainsFunc(c.keys, func(o Value) bool { return sameKey(k, o) }) {
			continue
		}
		c.keys = append(c.keys, k)
	}
	if len(c.keys) == 0 && c.missing {
		c.keys = append(c.keys, Value{})
	}
	return c.keys
}

// load asks the rows for the field, once a run; ok is false where that takes
// documents.
func (c *compositeSource) load(r *run) (ok bool, err error) {
	if c.run == r.id {
		return c.mode != sourceDocs, nil
	}
	c.run, c.mode = r.id, sourceDocs
	if !plainName(c.field) {
		return false, nil
	}
	if c.date != nil || c.field.Name == FieldTime || c.field.Name == FieldReceived {
		if c.times, ok, err = r.rows.Times(c.field); err != nil {
			return false, err
		}
		if ok && (c.date != nil || !c.times.Text) {
			c.mode = sourceTimes
			return true, nil
		}
	}
	if c.number != nil {
		if c.nums, ok, err = r.rows.Numbers(c.field); ok || err != nil {
			c.mode = sourceNumbers
			return ok, err
		}
	}
	if c.codes, ok, err = r.rows.Codes(c.field); ok || err != nil {
		c.loadCodes()
		return ok, err
	}
	if !c.terms {
		return false, nil
	}
	if c.strs, ok, err = r.rows.Strings(c.field); ok || err != nil {
		c.mode = sourceStrings
		return ok, err
	}
	if c.nums, ok, err = r.rows.Numbers(c.field); ok && c.nums.Exact {
		c.mode = sourceNumbers
		return true, err
	}
	return false, err
}

func (c *compositeSource) loadCodes() {
	c.mode = sourceCodes
	c.byCode = c.byCode[:0]
	for i := range len(c.codes.Values) + 1 {
		var k Value
		ok := false
		if i < len(c.codes.Values) {
			k, ok = c.key(c.codes.Values[i])
		}
		switch {
		case ok:
			c.byCode = append(c.byCode, appendKey(nil, k))
		case c.missing:
			c.byCode = append(c.byCode, appendKey(nil, Value{}))
		default:
			c.byCode = append(c.byCode, nil)
		}
	}
}

// appendRow appends the key of a row; ok is false where it has none.
func (c *compositeSource) appendRow(dst []byte, row uint32) (_ []byte, ok bool) {
	switch c.mode {
	case sourceCodes:
		none := uint32(len(c.codes.Values))
		code := uint32(0) // of rows that are all alike
		if c.codes.Of != nil {
			code = c.codes.Of[row]
		}
		k := c.byCode[min(code, none)]
		return append(dst, k...), k != nil
	case sourceStrings:
		from, to := c.strs.Off[row], c.strs.Off[row+1]
		return appendStringKey(dst, c.strs.Data[from:to]), true
	case sourceTimes:
		return appendKey(dst, c.timeKey(c.times.Nanos[row])), true
	}
	x := c.nums.Vals[row]
	k, ok := Float(x), x == x
	if ok && c.number != nil {
		k, ok = c.numberKey(x)
	}
	if !ok {
		if !c.missing {
			return dst, false
		}
		k = Value{}
	}
	return appendKey(dst, k), true
}
