package scan

import (
	"math"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// aggregate feeds the aggregations with rows of a block.
func (s *search) aggregate(e *eval, sel []uint32) error {
	if len(sel) == e.info.Rows {
		sel = nil
	}
	return s.aggs.AddRows(s.rowsOf(e), sel)
}

// rowsOf gives the rows of the block that is open.
func (s *search) rowsOf(e *eval) *rows {
	if e.columns == nil {
		e.columns = &rows{e: e}
	}
	e.columns.reset()
	return e.columns
}

// rows are the rows of a block in columns.
type rows struct {
	e   *eval
	doc *logging.Doc

	planned []bool // nodes of aggregations' filters, for this block
	codes   []asked[logging.Codes]
	numbers []asked[logging.Numbers]
	strs    []asked[logging.Strings]

	// Memory that is used again for the next block.
	u32    pool[uint32]
	f64    pool[float64]
	bytes  pool[byte]
	hashes pool[uint64]

	counts  []segment.MinuteCount
	minutes []logging.MinuteCount
}

var (
	_ logging.Rows          = (*rows)(nil)
	_ logging.MinuteCounter = (*rows)(nil)
)

// asked is a column that was made for a field.
type asked[T any] struct {
	field logging.Field
	col   T
	ok    bool
}

// pool lends slices until it is reset.
type pool[T any] struct {
	all  [][]T
	lent int
}

func (p *pool[T]) take(n int) []T {
	if p.lent == len(p.all) {
		p.all = append(p.all, nil)
	}
	s := &p.all[p.lent]
	p.lent++
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}

func (r *rows) reset() {
	r.planned = r.planned[:0]
	r.codes, r.numbers, r.strs = r.codes[:0], r.numbers[:0], r.strs[:0]
	r.u32.lent, r.f64.lent, r.bytes.lent = 0, 0, 0
	r.hashes.lent = 0
}

// once makes the column of a field, or gives the one that was made.
func once[T any](known *[]asked[T], f logging.Field, build func() (T, bool, error)) (T, bool, error) {
	for _, a := range *known {
		if a.field.Name == f.Name {
			return a.col, a.ok, nil
		}
	}
	col, ok, err := build()
	if err == nil {
		*known = append(*known, asked[T]{f, col, ok})
	}
	return col, ok, err
}

// Len implements logging.Rows.
func (r *rows) Len() int { return r.e.info.Rows }

// Doc implements logging.Rows. The record is in memory of its own.
func (r *rows) Doc(i int) (*logging.Doc, error) {
	if r.doc == nil {
		r.doc = logging.NewDoc(nil)
	}
	return r.doc, r.read(r.doc, i)
}

// read makes a document that of a row.
func (r *rows) read(d *logging.Doc, i int) error {
	if err := r.e.tick(64); err != nil {
		return err
	}
	rec, err := r.e.block.Record(i)
	if err != nil {
		return err
	}
	d.Reset(&rec)
	return r.e.tick(len(rec.Source) / bytesTick)
}

// single gives the sources of a field of which at most one counts in any row.
func (r *rows) single(f logging.Field) ([]source, bool) {
	sources, ok := r.e.sources(r.e.scratch[:0], f, false)
	r.e.scratch = sources[:0]
	if !ok {
		return nil, false
	}
	switch {
	case len(sources) <= 1:
		return sources, true
	case len(sources) == 2 && sources[0].kind == fromStamp && sources[1].only == levelMissing:
		return sources, true
	}
	return nil, false
}

// Strings implements logging.Rows.
func (r *rows) Strings(f logging.Field) (logging.Strings, bool, error) {
	return once(&r.strs, f, func() (logging.Strings, bool, error) {
		sources, ok := r.single(f)
		if !ok || len(sources) != 1 || sources[0].only != always {
			return logging.Strings{}, false, nil
		}
		src := sources[0]
		var c *segment.Column
		var err error
		switch src.kind {
		case fromStamp:
			c, err = r.e.cols.stamped(r.e, src.stamp)
		case fromHole:
			if r.e.layout.holes[src.hole].Type == shape.String {
				c, err = r.e.cols.own(r.e, src.hole)
			}
		}
		if err != nil || c == nil {
			return logging.Strings{}, false, err
		}
		return r.strings(c, src.kind == fromStamp)
	})
}

func (r *rows) strings(c *segment.Column, stamped bool) (logging.Strings, bool, error) {
	out := logging.Strings{Off: c.Off, Data: c.Data}
	if c.Kind == segment.KindIDs || c.Kind == segment.KindText {
		off, data, err := r.e.strings(c, r.u32.take(0), r.bytes.take(0))
		if err != nil {
			return logging.Strings{}, false, err
		}
		out.Off, out.Data = off, data
		r.u32.all[r.u32.lent-1], r.bytes.all[r.bytes.lent-1] = off, data
	} else if c.Kind != segment.KindPlain {
		out.Off = r.u32.take(c.N + 1)
		buf := r.bytes.take(0)
		for row := range c.N {
			out.Off[row] = uint32(len(buf))
			buf = c.AppendString(buf, row)
			if len(buf) > math.MaxInt32 {
				return logging.Strings{}, false, nil
			}
			if err := r.e.tick(2); err != nil {
				return logging.Strings{}, false, err
			}
		}
		out.Off[c.N], out.Data = uint32(len(buf)), buf
		r.bytes.all[r.bytes.lent-1] = buf
	}
	if stamped {
		for row := range c.N {
			if out.Off[row] == out.Off[row+1] {
				return logging.Strings{}, false, nil
			}
		}
	}
	return out, true, nil
}

// Numbers implements logging.Rows.
func (r *rows) Numbers(f logging.Field) (logging.Numbers, bool, error) {
	return once(&r.numbers, f, func() (logging.Numbers, bool, error) {
		sources, ok := r.single(f)
		if !ok && r.e.layout == nil {
			return r.docNumbers(f)
		}
		if !ok || len(sources) != 1 || sources[0].only != always {
			return logging.Numbers{}, false, nil
		}
		src := &sources[0]
		switch src.kind {
		case fromTime, fromReceived:
			at, _, err := r.timesOf(src)
			return r.dates(at), err == nil, err
		case fromSeq:
			seqs, err := r.e.block.Seqs()
			if err != nil {
				return logging.Numbers{}, false, err
			}
			out := logging.Numbers{Vals: r.f64.take(len(seqs)), Exact: true}
			for i, seq := range seqs {
				out.Vals[i] = float64(seq)
			}
			return out, true, nil
		case fromHole:
			return r.ownNumbers(src)
		}
		return logging.Numbers{}, false, nil
	})
}

func (r *rows) ownNumbers(src *source) (logging.Numbers, bool, error) {
	c, err := r.e.cols.own(r.e, src.hole)
	if err != nil {
		return logging.Numbers{}, false, err
	}
	switch c.Kind {
	case segment.KindTimes:
		at, ok, err := r.timesOf(src)
		if !ok || err != nil {
			return logging.Numbers{}, false, err
		}
		return r.dates(at), true, nil
	case segment.KindBool:
		out := logging.Numbers{Vals: r.f64.take(c.N)}
		for i := range out.Vals {
			out.Vals[i] = float64(c.Codes[i])
		}
		return out, true, nil
	case segment.KindInts, segment.KindDecimal:
	case segment.KindSpelled:
		return r.spelledNumbers(c)
	default:
		return logging.Numbers{}, false, nil
	}
	out := logging.Numbers{Vals: r.f64.take(c.N), Exact: true}
	if c.Frac != nil {
		out.Exact = decimals(out.Vals, c)
		return out, true, nil
	}
	for i, m := range c.Mant[:c.N] {
		out.Vals[i] = float64(m)
		out.Exact = out.Exact && -sharpMax < m && m < sharpMax
	}
	return out, true, nil
}

// decimals fills in the numbers of a column of which some have a fraction, and
// reports whether they are exact.
func decimals(vals []float64, c *segment.Column) (exact bool) {
	exact = true
	frac := c.Frac[:len(vals)]
	for i, m := range c.Mant[:len(vals)] {
		switch f := int(frac[i]); {
		case -sharpMax < m && m < sharpMax && f < len(powers):
			vals[i] = float64(m) / powers[f] // both exact: rounded once, as ParseFloat does
		case f == 0:
			vals[i], exact = float64(m), false
		default:
			vals[i] = decimal(c, uint32(i))
		}
	}
	return exact
}

// powers of ten that a float64 holds exactly.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

func (r *rows) spelledNumbers(c *segment.Column) (logging.Numbers, bool, error) {
	out := logging.Numbers{Vals: r.f64.take(c.N), Exact: true}
	for i := range out.Vals {
		if err := r.e.tick(4); err != nil {
			return out, false, err
		}
		switch v := c.Value(i); v.Kind {
		case logging.KindInt:
			out.Vals[i] = float64(v.Int)
			out.Exact = out.Exact && -sharpMax < v.Int && v.Int < sharpMax
		case logging.KindFloat:
			out.Vals[i] = v.Float
		default:
			return out, false, nil // too large for a number: a string
		}
	}
	return out, true, nil
}

func (r *rows) dates(at []int64) logging.Numbers {
	out := logging.Numbers{Vals: r.f64.take(len(at)), Date: true}
	for i, ns := range at {
		out.Vals[i] = logging.Millis(ns)
	}
	return out
}

// Times implements logging.Rows.
func (r *rows) Times(f logging.Field) (logging.Times, bool, error) {
	sources, ok := r.single(f)
	if !ok || len(sources) != 1 || sources[0].only != always {
		return logging.Times{}, false, nil
	}
	src := sources[0]
	at, ok, err := r.timesOf(&src)
	return logging.Times{Nanos: at, Sorted: src.kind == fromTime && r.e.info.Sorted, Text: src.kind == fromHole}, ok, err
}

func (r *rows) timesOf(src *source) ([]int64, bool, error) {
	switch src.kind {
	case fromTime:
		at, err := r.e.block.Times()
		return at, err == nil, err
	case fromReceived:
		at, err := r.e.block.Received()
		return at, err == nil, err
	case fromHole:
		c, err := r.e.cols.own(r.e, src.hole)
		if err != nil || !areTimes(c) {
			return nil, false, err
		}
		return c.Times[:c.N], true, nil
	}
	return nil, false, nil
}

// The years of times that histograms count by.
var (
	timesFrom = time.Date(1680, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	timesTo   = time.Date(2260, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
)

// areTimes reports whether a column's strings are dates as ParseTime reads them,
// all of them its Times.
func areTimes(c *segment.Column) bool {
	if c.Kind != segment.KindTimes || c.N == 0 {
		return false
	}
	// The layout is the same in every row: one row tells that it can be read.
	t, ok := logging.ParseTime(c.String(0))
	return ok && t.UnixNano() == c.Times[0] && slices.Min(c.Times[:c.N]) >= timesFrom && slices.Max(c.Times[:c.N]) < timesTo
}

// MinuteCounts implements logging.MinuteCounter.
func (r *rows) MinuteCounts() ([]logging.MinuteCount, bool, error) {
	counts, err := r.e.block.Counts(r.counts[:0])
	if err != nil || len(counts) == 0 {
		return nil, false, err
	}
	r.counts, r.minutes = counts, r.minutes[:0]
	for _, c := range counts {
		r.minutes = append(r.minutes, logging.MinuteCount{Minute: c.Minute, Rows: int(c.Rows)})
	}
	return r.minutes, true, nil
}
