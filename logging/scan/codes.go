package scan

import (
	"slices"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// Codes implements logging.Rows.
func (r *rows) Codes(f logging.Field) (logging.Codes, bool, error) {
	return once(&r.codes, f, func() (logging.Codes, bool, error) {
		sources, ok := r.single(f)
		switch {
		case !ok:
			return r.docCodes(f)
		case len(sources) == 0:
			return logging.Codes{}, true, nil
		case len(sources) == 2 && sources[0].only == always:
			// The other one counts only where the stamp is empty.
			c, err := r.e.cols.stamped(r.e, sources[0].stamp)
			if err != nil {
				return logging.Codes{}, false, err
			}
			if c.Kind == segment.KindDict && !slices.Contains(c.Values, "") {
				return r.dictCodes(c, true), true, nil
			}
			return r.mixedCodes(sources)
		case len(sources) == 2 || sources[0].only != always:
			return r.mixedCodes(sources)
		}
		return r.sourceCodes(&sources[0])
	})
}

func (r *rows) sourceCodes(src *source) (logging.Codes, bool, error) {
	switch src.kind {
	case fromLabel:
		return logging.Codes{Values: []logging.Value{logging.String(src.text)}}, true, nil
	case fromStamp:
		c, err := r.e.cols.stamped(r.e, src.stamp)
		if err != nil || c.Kind != segment.KindDict {
			return logging.Codes{}, false, err
		}
		return r.dictCodes(c, true), true, nil
	case fromHole:
	default:
		return logging.Codes{}, false, nil
	}
	c, err := r.e.cols.own(r.e, src.hole)
	if err != nil {
		return logging.Codes{}, false, err
	}
	switch c.Kind {
	case segment.KindDict:
		return r.dictCodes(c, false), true, nil
	case segment.KindBool:
		of := r.u32.take(c.N)
		for i := range of {
			of[i] = uint32(c.Codes[i])
		}
		return logging.Codes{Of: of, Values: []logging.Value{logging.Boolean(false), logging.Boolean(true)}}, true, nil
	case segment.KindInts:
		return r.intCodes(c)
	case segment.KindSpelled:
		return r.mixedCodes([]source{*src})
	case segment.KindText:
		of, values := c.Text.Distinct()
		out := logging.Codes{Of: of, Values: make([]logging.Value, len(values))}
		for i, s := range values {
			out.Values[i] = logging.String(s)
		}
		return out, true, nil
	}
	return logging.Codes{}, false, nil
}

// dictCodes makes codes of a dictionary; stamped says that an empty string is none.
func (r *rows) dictCodes(c *segment.Column, stamped bool) logging.Codes {
	out := logging.Codes{Values: make([]logging.Value, 0, len(c.Values))}
	empty := -1
	for i, s := range c.Values {
		if stamped && s == "" {
			empty = i
			continue
		}
		out.Values = append(out.Values, logging.String(s))
	}
	if c.Codes == nil {
		return out
	}
	out.Of = r.u32.take(c.N)
	if empty < 0 {
		for i, code := range c.Codes[:c.N] {
			out.Of[i] = uint32(code)
		}
		return out
	}
	for i, code := range c.Codes[:c.N] {
		switch k := int(code); {
		case k == empty:
			out.Of[i] = uint32(len(out.Values))
		case k > empty:
			out.Of[i] = uint32(k - 1)
		default:
			out.Of[i] = uint32(k)
		}
	}
	return out
}

// What integers may be coded by: as many different ones, in such a span.
const (
	intCodesMax = 1024
	intSpanMax  = 1 << 16
)

// intCodes makes codes of integers of which there are few.
func (r *rows) intCodes(c *segment.Column) (logging.Codes, bool, error) {
	mant := c.Mant[:c.N]
	low, high := slices.Min(mant), slices.Max(mant)
	if uint64(high)-uint64(low) >= intSpanMax {
		return logging.Codes{}, false, nil
	}
	out := logging.Codes{Of: r.u32.take(c.N)}
	place := r.u32.take(int(high-low) + 1)
	clear(place)
	for i, m := range mant {
		p := &place[m-low]
		if *p == 0 {
			if len(out.Values) == intCodesMax {
				return logging.Codes{}, false, nil
			}
			out.Values = append(out.Values, logging.Int(m))
			*p = uint32(len(out.Values))
		}
		out.Of[i] = *p - 1
	}
	return out, true, nil
}

// mixedCodes makes codes row by row, as long as values repeat.
func (r *rows) mixedCodes(sources []source) (logging.Codes, bool, error) {
	own := slices.Clone(sources)
	c := newCoder(r.u32.take(r.e.info.Rows))
	var vals []logging.Value
	for row := range c.out.Of {
		if err := r.e.tick(4); err != nil {
			return c.out, false, err
		}
		var err error
		if vals, err = r.e.values(vals[:0], own, row); err != nil {
			return c.out, false, err
		}
		v := logging.Value{}
		if len(vals) > 0 {
			v = vals[0]
		}
		if !c.add(row, v) {
			return logging.Codes{}, false, nil
		}
	}
	return c.out, true, nil
}
