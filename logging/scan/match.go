package scan

import (
	"time"

	"github.com/oriel-project/oriel/internal/text"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// filled gives the rows in which a source has a value.
func (e *eval) filled(src *source, in []uint32) ([]uint32, error) {
	if src.kind != fromStamp {
		return in, nil
	}
	c, err := e.cols.stamped(e, src.stamp)
	if err != nil {
		return nil, err
	}
	return e.byString(c, in, func(s string) bool { return s != "" })
}

// match gives the rows of in whose value of one source matches.
func (e *eval) match(l *leaf, src *source, in []uint32) ([]uint32, error) {
	if len(in) == 0 {
		return nil, nil
	}
	switch src.kind {
	case fromLabel:
		if l.test(logging.String(src.text), src.exact) {
			return in, nil
		}
		return nil, nil
	case fromTime:
		times, err := e.block.Times()
		if err != nil {
			return nil, err
		}
		if l.times.ok && e.info.Sorted {
			if l.times.none {
				return nil, nil
			}
			return between(in, times, l.times.low, l.times.high), nil
		}
		return e.byTime(l, in, times, src.exact)
	case fromReceived:
		times, err := e.block.Received()
		if err != nil {
			return nil, err
		}
		return e.byTime(l, in, times, src.exact)
	case fromSeq:
		seqs, err := e.block.Seqs()
		if err != nil {
			return nil, err
		}
		return e.where(in, func(row uint32) bool { return l.test(logging.Int(int64(seqs[row])), src.exact) })
	case fromID:
		return e.byID(l, in, src.exact)
	case fromStamp:
		c, err := e.cols.stamped(e, src.stamp)
		if err != nil {
			return nil, err
		}
		return e.matchStrings(l, c, in, src.exact, true)
	}
	c, err := e.cols.own(e, src.hole)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case segment.KindInts, segment.KindDecimal:
		return e.matchNumbers(l, c, in, src.exact)
	case segment.KindBool:
		var want [2]bool
		for i := range want {
			want[i] = l.test(logging.Boolean(i == 1), src.exact)
		}
		return e.byBool(c, in, want)
	case segment.KindSpelled:
		return e.bySpelled(l, c, in, src.exact)
	}
	return e.matchStrings(l, c, in, src.exact, false)
}

// where is the loop for what is seldom: a test a row.
func (e *eval) where(in []uint32, test func(row uint32) bool) ([]uint32, error) {
	out := e.rows.take(len(in))
	for _, row := range in {
		if test(row) {
			out = append(out, row)
		}
		if err := e.tick(2); err != nil {
			return nil, err
		}
	}
	return e.rows.keep(out), nil
}

func (e *eval) byTime(l *leaf, in []uint32, at []int64, exact bool) ([]uint32, error) {
	if t := l.times; t.ok {
		if t.none {
			return nil, nil
		}
		out := e.rows.take(len(in))
		for _, row := range in {
			if x := at[row]; t.low <= x && x <= t.high {
				out = append(out, row)
			}
		}
		return e.rows.keep(out), nil
	}
	return e.where(in, func(row uint32) bool { return l.test(logging.Time(time.Unix(0, at[row])), exact) })
}

func (e *eval) byID(l *leaf, in []uint32, exact bool) ([]uint32, error) {
	id, err := e.idOf()
	if err != nil {
		return nil, err
	}
	return e.where(in, func(row uint32) bool { return l.test(logging.String(id(int(row))), exact) })
}

// idOf gives the function from rows to ids.
func (e *eval) idOf() (func(row int) string, error) {
	seqs, err := e.block.Seqs()
	if err != nil {
		return nil, err
	}
	given, err := e.cols.stamped(e, segment.StampID)
	if err != nil {
		return nil, err
	}
	return func(row int) string {
		if id := given.String(row); id != "" {
			return id
		}
		return logging.DerivedID(seqs[row])
	}, nil
}

func (e *eval) byBool(c *segment.Column, in []uint32, want [2]bool) ([]uint32, error) {
	switch {
	case want[0] && want[1]:
		return in, nil
	case !want[0] && !want[1]:
		return nil, nil
	}
	out := e.rows.take(len(in))
	for _, row := range in {
		if (c.Codes[row] != 0) == want[1] {
			out = append(out, row)
		}
	}
	return e.rows.keep(out), nil
}

// bySpelled tests numbers that were kept as they were written.
func (e *eval) bySpelled(l *leaf, c *segment.Column, in []uint32, exact bool) ([]uint32, error) {
	if c.Off == nil {
		return e.byCode(c, in, func(s string) bool { return l.test(segment.NumberValue(s), exact) })
	}
	return e.where(in, func(row uint32) bool { return l.test(c.Value(int(row)), exact) })
}

func (e *eval) matchNumbers(l *leaf, c *segment.Column, in []uint32, exact bool) ([]uint32, error) {
	n := &l.num
	switch {
	case n.ok && n.none:
		return nil, nil
	case n.ok && (c.Kind == segment.KindInts || c.Frac == nil):
		if n.noInts {
			return nil, nil
		}
		out := e.rows.take(len(in))
		// One comparison instead of two: what lies below low wraps around.
		low, span := uint64(n.low), uint64(n.high)-uint64(n.low)
		for _, row := range in {
			if uint64(c.Mant[row])-low <= span {
				out = append(out, row)
			}
		}
		return e.rows.keep(out), nil
	case n.ok && !n.notSharp:
		out := e.rows.take(len(in))
		for _, row := range in {
			ok := false
			if c.Frac[row] == 0 {
				m := c.Mant[row]
				ok = !n.noInts && n.low <= m && m <= n.high
			} else {
				ok = n.holds(decimal(c, row))
			}
			if ok {
				out = append(out, row)
			}
		}
		return e.rows.keep(out), nil
	}
	return e.where(in, func(row uint32) bool { return l.test(c.Value(int(row)), exact) })
}

// decimal gives the number of a row that was written with a fraction.
func decimal(c *segment.Column, row uint32) float64 {
	m, frac := c.Mant[row], c.Frac[row]
	if -sharpMax < m && m < sharpMax && int(frac) < len(powers) {
		return float64(m) / powers[frac] // both exact: rounded once, as ParseFloat does
	}
	return c.Value(int(row)).Float
}

// matchStrings tests strings. Stamped ones that are empty are no values.
func (e *eval) matchStrings(l *leaf, c *segment.Column, in []uint32, exact, stamped bool) ([]uint32, error) {
	test := func(s string) bool { return (s != "" || !stamped) && !e.over(s) && l.test(logging.String(s), exact) }
	if c.Kind == segment.KindText {
		return e.matchText(l, c, in, exact, test)
	}
	literal := l.text.token.Text
	if exact {
		literal = l.text.whole.Text
	}
	if literal != "" && text.IsASCII(literal) {
		test = func(s string) bool { // to test a string costs many times what a look for the literal does
			return (s != "" || !stamped) && !e.over(s) && text.MayHold(s, literal) && l.test(logging.String(s), exact)
		}
	}
	switch c.Kind {
	case segment.KindIDs:
		needle := l.tokenID
		if exact {
			needle = l.exactID
		}
		if needle != "" {
			ordinal, ok, err := c.IDs.Lookup(needle)
			if err != nil {
				return nil, e.broken(err)
			}
			if ok {
				out := e.rows.take(len(in))
				for _, row := range in {
					if c.Ordinals[row] == ordinal {
						out = append(out, row)
					}
				}
				return e.rows.keep(out), nil
			}
		}
	case segment.KindTimes:
		if t := &l.times; t.ok && t.strings && areTimes(c) {
			return e.byTime(l, in, c.Times, exact)
		}
	}
	return e.byString(c, in, test)
}

// matchText looks into templates and variables, where the column has them apart.
func (e *eval) matchText(l *leaf, c *segment.Column, in []uint32, exact bool, test func(string) bool) ([]uint32, error) {
	out := e.rows.take(len(in))
	if err := e.tick(len(in) / 8); err != nil {
		return nil, err
	}
	switch t := &l.text; {
	case exact && t.equal:
		if test(t.value) {
			out = c.Text.SelectEqual(t.value, in, out)
		}
	case exact:
		out = c.Text.SelectValue(test, t.literal, in, out)
	case len(t.phrase) > 0:
		out = c.Text.SelectPhrase(t.phrase, t.lastPrefix, in, out)
	case t.accept != nil:
		accept := func(token string) bool { return !e.over(token) && t.accept(token) }
		out = c.Text.SelectToken(accept, t.token.Text, digitHints[t.token.Digits], in, out)
	default:
		out = c.Text.SelectValue(test, "", in, out)
	}
	return e.rows.keep(out), e.ended
}

var digitHints = [...]text.DigitHint{logging.DigitsUnknown: text.DigitsMaybe, logging.DigitsSome: text.DigitsAlways, logging.DigitsNone: text.DigitsNever}

// byString tests the strings of a column, each different one once where the
// column has them apart.
func (e *eval) byString(c *segment.Column, in []uint32, test func(string) bool) ([]uint32, error) {
	switch c.Kind {
	case segment.KindDict:
		return e.byCode(c, in, test)
	case segment.KindText:
		if err := e.tick(len(in)); err != nil {
			return nil, err
		}
		return e.rows.keep(c.Text.SelectValue(test, "", in, e.rows.take(len(in)))), e.ended
	case segment.KindIDs:
		return e.byIDs(c, in, test)
	}
	return e.where(in, func(row uint32) bool { return test(e.stringAt(c, int(row))) })
}

// byIDs tests the strings of a dictionary of ids, which are read in order.
func (e *eval) byIDs(c *segment.Column, in []uint32, test func(string) bool) ([]uint32, error) {
	ordinals := make([]uint32, len(in))
	for i, row := range in {
		ordinals[i] = c.Ordinals[row]
	}
	off, data, err := c.IDs.AppendAll(nil, e.buf[:0], ordinals)
	if err != nil {
		return nil, e.broken(err)
	}
	e.buf = data
	out := e.rows.take(len(in))
	from := uint32(0)
	for i, to := range off {
		if test(view(data[from:to])) {
			out = append(out, in[i])
		}
		from = to
	}
	return e.rows.keep(out), e.tick(len(in))
}

// strings appends the strings of templates or ids, so that row i is data[off[i]:off[i+1]].
func (e *eval) strings(c *segment.Column, off []uint32, data []byte) ([]uint32, []byte, error) {
	if err := e.tick(c.N / 2); err != nil {
		return off, data, err
	}
	if c.Kind == segment.KindIDs {
		off, data, err := c.IDs.AppendAll(append(off, 0), data, c.Ordinals[:c.N])
		return off, data, e.broken(err)
	}
	off, data = c.Text.AppendAll(off, data)
	return off, data, nil
}

// byCode tests the strings of a dictionary that occur.
func (e *eval) byCode(c *segment.Column, in []uint32, test func(string) bool) ([]uint32, error) {
	if c.Codes == nil {
		if test(c.Values[0]) {
			return in, e.ended
		}
		return nil, e.ended
	}
	if cap(e.tests) < len(c.Values) {
		e.tests = make([]uint8, len(c.Values))
	}
	tests := e.tests[:len(c.Values)]
	clear(tests)
	out := e.rows.take(len(in))
	for _, row := range in {
		code := c.Codes[row]
		t := tests[code]
		if t == 0 {
			t = 1
			if test(c.Values[code]) {
				t = 2
			}
			tests[code] = t
			if err := e.tick(2); err != nil {
				return nil, err
			}
		}
		if t == 2 {
			out = append(out, row)
		}
	}
	return e.rows.keep(out), nil
}
