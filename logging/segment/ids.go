package segment

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/oriel-project/oriel/internal/iddict"
	"github.com/oriel-project/oriel/internal/shape"
)

// IDs is the dictionary of a part, as the columns of one format see it: what
// FindID finds. Columns with the same IDs have the same string where they have
// the same ordinal. Safe for concurrent use.
type IDs struct {
	dict   *iddict.Dict
	format iddict.Format

	failed atomic.Pointer[error]
}

// Len is the number of ids; ordinals are below it and order as the strings do.
func (x *IDs) Len() int { return x.dict.Len() }

// Append appends the string of an ordinal; it takes a read. Nothing is appended
// where that fails: Err has the error then.
func (x *IDs) Append(dst []byte, ordinal uint32) []byte {
	id, err := x.dict.At(ordinal)
	if err != nil {
		x.fail(err)
		return dst
	}
	return iddict.AppendText(dst, id, x.format)
}

// AppendAll appends the strings of many ordinals, which come in any order, to
// data, and where each ends to off.
func (x *IDs) AppendAll(off []uint32, data []byte, ordinals []uint32) ([]uint32, []byte, error) {
	ids, err := x.dict.Fetch(ordinals, nil)
	if err != nil {
		return off, data, err
	}
	for _, id := range ids {
		data = iddict.AppendText(data, id, x.format)
		off = append(off, uint32(len(data)))
	}
	return off, data, nil
}

// Lookup gives the ordinal of a string, with one read.
func (x *IDs) Lookup(text string) (ordinal uint32, ok bool, err error) {
	id, format, ok := iddict.Parse(text)
	if !ok || format != x.format {
		return 0, false, nil
	}
	ordinal, _, ok, err = x.dict.Lookup(id)
	return ordinal, ok, err
}

// Err is what went wrong in Append, if anything did.
func (x *IDs) Err() error {
	if err := x.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (x *IDs) fail(err error) { x.failed.CompareAndSwap(nil, &err) }

// check checks the ordinals of a column.
func (x *IDs) check(ordinals []uint32) error {
	n := uint32(x.dict.Len())
	for _, o := range ordinals {
		if o >= n {
			return corrupt("ordinal %d of %d ids", o, n)
		}
	}
	return nil
}

// idFormats are the formats there are, by their number.
const idFormats = int(iddict.UUID) + 1

// partIDs are the dictionaries of a part, which are opened when first needed.
type partIDs struct {
	mu       sync.Mutex
	dicts    [2]*iddict.Dict // of 8 and of 16 bytes
	byFormat [idFormats]*IDs
}

// slotFormat is a format of each slot.
var slotFormat = [2]iddict.Format{iddict.Hex16, iddict.Hex32}

// slot is the place of the dictionary for ids of a format.
func slot(f iddict.Format) int { return f.Width()/8 - 1 }

// dict opens the dictionary for a format; nil where the part has none.
func (p *Part) dict(f iddict.Format) (*iddict.Dict, error) {
	p.ids.mu.Lock()
	defer p.ids.mu.Unlock()
	return p.openDict(f)
}

// openDict is called with the lock held.
func (p *Part) openDict(f iddict.Format) (*iddict.Dict, error) {
	at := slot(f)
	if p.ids.dicts[at] == nil && p.info.ids[at].length > 0 {
		d, err := iddict.Open(p.file.f, p.info.ids[at].offset, p.info.ids[at].length)
		if err != nil {
			return nil, p.damage(-1, "ids", err)
		}
		p.ids.dicts[at] = d
	}
	return p.ids.dicts[at], nil
}

// idsOf gives the dictionary as columns of a format see it.
func (p *Part) idsOf(f iddict.Format) (*IDs, error) {
	p.ids.mu.Lock()
	defer p.ids.mu.Unlock()
	if p.ids.byFormat[f] == nil {
		d, err := p.openDict(f)
		if err != nil {
			return nil, err
		}
		if d == nil {
			return nil, corrupt("a column of ids in a part without any")
		}
		p.ids.byFormat[f] = &IDs{dict: d, format: f}
	}
	return p.ids.byFormat[f], nil
}

// FindID says which blocks may have an id in a column of KindIDs: no others
// have. known is false for texts that do not have the form of an id: columns of
// KindIDs hold none of them.
func (p *Part) FindID(text string) (blocks []uint32, known bool, err error) {
	id, format, known := iddict.Parse(text)
	if !known {
		return nil, false, nil
	}
	d, err := p.dict(format)
	if d == nil || err != nil {
		return nil, true, err
	}
	_, blocks, _, err = d.Lookup(id)
	if err != nil {
		return nil, true, p.damage(-1, "ids", err)
	}
	return blocks, true, nil
}

// idColumn is a column of a source whose strings go to the new dictionary.
type idColumn struct {
	format   iddict.Format
	remap    []uint32 // of the ordinals that the column has; nil: use ordinals
	ordinals []uint32
}

// idWriter makes the dictionaries of a part.
type idWriter struct {
	builders [2]*iddict.Builder
	ordinals []uint32 // of the block at hand
}

// candidate is a column that may be ids.
type candidate struct {
	in      *input
	hole    int
	from    *Part // nil: the strings are new
	col     *Column
	handles int // the handle of its first row
}

// newIDWriter looks for the columns whose strings are ids, and numbers those.
func newIDWriter(streams []*streamSource) (*idWriter, error) {
	w := &idWriter{}
	var found [2][]candidate
	for _, s := range streams {
		if s.shape == nil {
			continue
		}
		for hole, h := range s.shape.Holes() {
			if h.Type != shape.String {
				continue
			}
			format, cols, err := idColumns(s, hole)
			if err != nil {
				return nil, err
			}
			for _, c := range cols {
				if c.in.ids == nil {
					c.in.ids = make(map[int]*idColumn)
				}
				c.in.ids[hole] = &idColumn{format: format}
				found[slot(format)] = append(found[slot(format)], c)
			}
		}
	}
	for at := range found {
		if len(found[at]) > 0 {
			var err error
			if w.builders[at], err = number(found[at], 8*(at+1)); err != nil {
				return nil, err
			}
		}
	}
	return w, nil
}

// number sorts the ids of the columns into one dictionary.
func number(cols []candidate, width int) (*iddict.Builder, error) {
	fresh := iddict.NewBuilder(width)
	var dicts []*iddict.Dict
	places := make(map[*iddict.Dict]int)
	var text []byte
	for i := range cols {
		c := &cols[i]
		if c.from != nil {
			continue
		}
		c.handles = -1
		for row := range c.col.N {
			text = c.col.AppendString(text[:0], row)
			id, _, _ := iddict.Parse(text)
			if h := fresh.Add(id, 0); c.handles < 0 {
				c.handles = h
			}
		}
		c.col = nil
	}
	handles := fresh.Build()
	for i := range cols {
		c := &cols[i]
		if c.from == nil {
			continue
		}
		d, err := c.from.dict(c.in.ids[c.hole].format)
		if err != nil {
			return nil, err
		}
		if _, ok := places[d]; !ok {
			places[d] = len(dicts)
			dicts = append(dicts, d)
		}
	}
	if len(handles) > 0 {
		b := fresh.AppendTo(nil)
		d, err := iddict.Open(bytes.NewReader(b), 0, int64(len(b)))
		if err != nil {
			return nil, err
		}
		dicts = append(dicts, d)
	}
	out, remaps, err := iddict.Merge(dicts...)
	if err != nil {
		return nil, err
	}
	for i := range cols {
		c := &cols[i]
		to := c.in.ids[c.hole]
		if c.from != nil {
			d, err := c.from.dict(to.format)
			if err != nil {
				return nil, err
			}
			to.remap = remaps[places[d]]
			continue
		}
		remap := remaps[len(remaps)-1]
		to.ordinals = make([]uint32, c.in.info.Rows)
		for row := range to.ordinals {
			to.ordinals[row] = remap[handles[c.handles+row]]
		}
	}
	return out, nil
}

// A column of strings that are all ids goes to the dictionary where there are
// that many different ones, and as many as a quarter of the rows.
const (
	idsMin   = 16
	idsShare = 4
)

// idColumns finds the blocks of a stream whose column goes to the dictionary.
func idColumns(s *streamSource, hole int) (format iddict.Format, cols []candidate, err error) {
	rows := 0
	for _, in := range s.inputs {
		switch b := in.b.(type) {
		case *fileBlock:
			metas, err := b.columns()
			if err != nil {
				return 0, nil, err
			}
			if m := &metas[colOwn+hole]; m.enc == encIDs && (format == 0 || format == m.format) {
				format = m.format
				rows += in.info.Rows
				cols = append(cols, candidate{in: in, hole: hole, from: b.part})
			}
		default:
			if !mayBeIDs(b, hole) {
				continue
			}
			c, err := in.column(hole)
			if err != nil {
				return 0, nil, err
			}
			if f, many := idFormat(c); f != 0 && many && (format == 0 || format == f) {
				format = f
				rows += in.info.Rows
				cols = append(cols, candidate{in: in, hole: hole, col: c})
			}
		}
	}
	if format == 0 || rows*2 < s.rows {
		return 0, nil, nil
	}
	// The others follow where they can.
	for _, in := range s.inputs {
		if taken(cols, in) {
			continue
		}
		b := in.b
		if f, ok := b.(*fileBlock); ok {
			b = f.part.Block(f.number) // what is decoded here is not kept
		}
		if k := b.OwnKind(hole); k != KindDict && k != KindPlain && k != KindText {
			continue
		}
		c, err := b.Own(hole)
		if err != nil {
			return 0, nil, err
		}
		if f, _ := idFormat(c); f == format {
			cols = append(cols, candidate{in: in, hole: hole, col: c})
		}
	}
	return format, cols, nil
}

func taken(cols []candidate, in *input) bool {
	for i := range cols {
		if cols[i].in == in {
			return true
		}
	}
	return false
}

// mayBeIDs looks at the kind alone.
func mayBeIDs(b Block, hole int) bool {
	k := b.OwnKind(hole)
	return k == KindDict || k == KindPlain
}

// idFormat gives the format that all strings of a column have, and whether there
// are many; 0 where it is not one.
func idFormat(c *Column) (f iddict.Format, many bool) {
	distinct := c.N
	if len(c.Values) > 0 {
		distinct = len(c.Values)
		for i, v := range c.Values {
			_, g, ok := iddict.Parse(v)
			if !ok || i > 0 && g != f {
				return 0, false
			}
			f = g
		}
	} else {
		var b []byte
		for row := range c.N {
			b = c.AppendString(b[:0], row)
			_, g, ok := iddict.Parse(b)
			if !ok || row > 0 && g != f {
				return 0, false
			}
			f = g
		}
	}
	return f, distinct >= idsMin && distinct*idsShare >= c.N
}

// format gives the format of a column of picked rows; 0 where it is no ids.
func (w *idWriter) format(runs []run, hole int) (f iddict.Format) {
	for _, r := range runs {
		c := r.in.ids[hole]
		if c == nil {
			return 0
		}
		f = c.format // one for each hole of a stream
	}
	return f
}

// gather puts the ordinals of picked rows together.
func (w *idWriter) gather(runs []run, hole int, block uint32) ([]uint32, error) {
	w.ordinals = w.ordinals[:0]
	for _, r := range runs {
		ords, remap, err := r.in.ordinals(hole)
		if err != nil {
			return nil, err
		}
		for _, o := range ords[r.from : r.from+r.n] {
			if remap != nil {
				o = remap[o]
			}
			w.ordinals = append(w.ordinals, o)
		}
	}
	b := w.builders[slot(runs[0].in.ids[hole].format)]
	for _, o := range w.ordinals {
		b.Note(o, block)
	}
	return w.ordinals, nil
}

// ordinals gives the rows' ordinals, and what those are in the new dictionary
// where they are not that yet.
func (in *input) ordinals(hole int) (ordinals, remap []uint32, err error) {
	c := in.ids[hole]
	if c.remap == nil {
		return c.ordinals, nil, nil
	}
	col, err := in.column(hole)
	if err != nil {
		return nil, nil, err
	}
	return col.Ordinals, c.remap, nil
}

// bytes gives the dictionary in a slot.
func (w *idWriter) bytes(at int) []byte {
	if w.builders[at] == nil {
		return nil
	}
	return w.builders[at].AppendTo(nil)
}
