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
	r := e.columns
	if r == nil {
		r = &rows{e: e}
		e.columns = r
	}
	r.reset()
	if len(sel) == e.info.Rows {
		sel = nil
	}
	return s.aggs.AddRows(r, sel)
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
	if err := r.e.tick(64); err != nil {
		return nil, err
	}
	rec, err := r.e.block.Record(i)
	if err != nil {
		return nil, err
	}
	if r.doc == nil {
		r.doc = logging.NewDoc(nil)
	}
	r.doc.Reset(&rec)
	return r.doc, nil
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

// Codes implements logging.Rows.
func (r *rows) Codes(f logging.Field) (logging.Codes, bool, error) {
	return once(&r.codes, f, func() (logging.Codes, bool, error) {
		sources, ok := r.single(f)
		switch {
		case !ok:
			return logging.Codes{}, false, nil
		case len(sources) == 0:
			return logging.Codes{}, true, nil
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
	out := logging.Codes{Of: r.u32.take(r.e.info.Rows)}
	type key struct {
		kind logging.Kind
		str  string
		bits uint64
	}
	at := map[key]uint32{}
	missing := uint32(math.MaxUint32)
	var vals []logging.Value
	for row := range out.Of {
		if err := r.e.tick(4); err != nil {
			return out, false, err
		}
		var err error
		if vals, err = r.e.values(vals[:0], own, row); err != nil {
			return out, false, err
		}
		if len(vals) == 0 {
			out.Of[row] = missing
			continue
		}
		v := vals[0]
		k := key{kind: v.Kind, str: v.Str}
		if v.Kind != logging.KindString {
			k.kind, k.bits = logging.KindInt, logging.HashValue(v) // equal where Terms groups them
		}
		code, ok := at[k]
		if !ok {
			if len(out.Values) == intCodesMax {
				return logging.Codes{}, false, nil
			}
			code = uint32(len(out.Values))
			at[k] = code
			out.Values = append(out.Values, v)
		}
		out.Of[row] = code
	}
	return out, true, nil
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
	for i, m := range c.Mant[:c.N] {
		if c.Frac != nil && c.Frac[i] != 0 {
			out.Vals[i] = decimal(c, uint32(i))
			continue
		}
		out.Vals[i] = float64(m)
		out.Exact = out.Exact && -sharpMax < m && m < sharpMax
	}
	return out, true, nil
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

// Hashes implements logging.Rows: of ids, whose hashes are made once a part.
func (r *rows) Hashes(f logging.Field) ([]uint64, bool, error) {
	sources, ok := r.single(f)
	if !ok || len(sources) != 1 || sources[0].only != always || sources[0].kind != fromHole || r.e.block.OwnKind(sources[0].hole) != segment.KindIDs {
		return nil, false, nil
	}
	c, err := r.e.cols.own(r.e, sources[0].hole)
	if err != nil {
		return nil, false, err
	}
	known, err := r.hashesOf(c)
	if err != nil {
		return nil, false, err
	}
	out := r.hashes.take(c.N)
	for i, ordinal := range c.Ordinals[:c.N] {
		out[i] = known[ordinal]
	}
	return out, true, r.e.tick(c.N)
}

// idHashes are the hashes of a dictionary by ordinal, 0 where not made yet.
type idHashes struct {
	of     *segment.IDs
	hashes []uint64
	made   int
}

// hashesOf makes the hashes of a column's ids that are not there yet. Ids are
// read fastest in order: once a good part of a dictionary was needed, all of the
// rest is made.
func (r *rows) hashesOf(c *segment.Column) ([]uint64, error) {
	h := &r.e.s.idHashes
	if h.of != c.IDs {
		*h = idHashes{of: c.IDs, hashes: make([]uint64, c.IDs.Len())}
	}
	fresh := r.u32.take(0)
	for _, ordinal := range c.Ordinals[:c.N] {
		if h.hashes[ordinal] == 0 {
			h.hashes[ordinal] = 1
			fresh = append(fresh, ordinal)
		}
	}
	if h.made += len(fresh); h.made > len(h.hashes)/16 && h.made < len(h.hashes) {
		for i, v := range h.hashes {
			if v == 0 {
				fresh = append(fresh, uint32(i))
			}
		}
		h.made = len(h.hashes)
	}
	slices.Sort(fresh)
	r.u32.all[r.u32.lent-1] = fresh
	ends := r.u32.take(0)
	for len(fresh) > 0 {
		some := fresh[:min(len(fresh), segment.RowsMax)]
		fresh = fresh[len(some):]
		var err error
		if ends, r.e.buf, err = c.IDs.AppendAll(ends[:0], r.e.buf[:0], some); err != nil {
			return nil, r.e.broken(err)
		}
		from := uint32(0)
		for i, to := range ends {
			h.hashes[some[i]] = logging.HashBytes(r.e.buf[from:to])
			from = to
		}
		if err := r.e.tick(len(some)); err != nil {
			return nil, err
		}
	}
	r.u32.all[r.u32.lent-1] = ends
	return h.hashes, nil
}

// MinuteCounts implements logging.MinuteCounter.
func (r *rows) MinuteCounts() ([]logging.MinuteCount, bool, error) {
	if !r.e.info.MinuteCounts {
		return nil, false, nil
	}
	counts, err := r.e.block.Counts()
	if err != nil {
		return nil, false, err
	}
	out := make([]logging.MinuteCount, len(counts))
	for i, c := range counts {
		out[i] = logging.MinuteCount{Minute: c.Minute, Rows: int(c.Rows)}
	}
	return out, true, nil
}

// Select implements logging.Rows.
func (r *rows) Select(dst []uint32, f logging.Filter, sel []uint32) ([]uint32, bool, error) {
	e := r.e
	n := e.s.filterOf(f)
	if len(e.plans) < e.s.nodes {
		e.plans = append(e.plans, make([]plan, e.s.nodes-len(e.plans))...)
	}
	for len(r.planned) < e.s.nodes {
		r.planned = append(r.planned, false)
	}
	if !r.planned[n.id] {
		if _, err := e.plan(n); err != nil {
			return dst, false, err
		}
		r.planned[n.id] = true
	}
	if sel == nil {
		sel = e.every[:e.info.Rows]
	}
	at, used := e.rows.at, e.rows.used
	out, err := e.run(n, sel)
	if err != nil {
		return dst, false, err
	}
	dst = append(dst, out...)
	e.rows.at, e.rows.used = at, used
	return dst, true, nil
}

// filterOf gives the filter of an aggregation, compiled once.
func (s *search) filterOf(f logging.Filter) *node {
	for _, c := range s.compiled {
		if same(c.filter, f) {
			return c.node
		}
	}
	n := s.compile(f)
	s.compiled = append(s.compiled, compiledFilter{f, n})
	return n
}

// same reports whether two filters are one and the same, without looking at what
// is in their slices.
func same(a, b logging.Filter) bool {
	switch a := a.(type) {
	case logging.And:
		b, ok := b.(logging.And)
		return ok && sameSlice(a, b)
	case logging.Or:
		b, ok := b.(logging.Or)
		return ok && a.Min == b.Min && sameSlice(a.Of, b.Of)
	case logging.Not:
		b, ok := b.(logging.Not)
		return ok && same(a.Of, b.Of)
	case logging.IDs:
		b, ok := b.(logging.IDs)
		return ok && sameSlice(a, b)
	case logging.Phrase:
		b, ok := b.(logging.Phrase)
		return ok && sameSlice(a.Tokens, b.Tokens) && a.Field == b.Field && a.Raw == b.Raw && a.Slop == b.Slop && a.LastPrefix == b.LastPrefix
	}
	switch b.(type) {
	case logging.And, logging.Or, logging.Not, logging.IDs, logging.Phrase:
		return false
	}
	return a == b
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
