package segment

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/oriel-project/oriel/internal/colenc"
)

// minuteRows is the number of rows a minute from which on a block says how many
// each minute has.
const minuteRows = 8

var _ sink = (*partWriter)(nil)

// rows implements sink.
func (p *partWriter) rows(picks []pick) error {
	err := p.block(picks)
	if errors.Is(err, errTooBig) {
		half := len(picks) / 2
		if err = p.rows(picks[:half]); err == nil {
			err = p.rows(picks[half:])
		}
	}
	return err
}

func (p *partWriter) block(picks []pick) error {
	g, e := &p.gather, &p.encode
	g.begin(picks)
	e.begin()
	if err := p.stampedInts(g, e); err != nil {
		return err
	}
	own := 1
	if p.strm.shape != nil {
		own = len(p.strm.shape.Holes())
	}
	for h := range own {
		if f := p.ids.format(g.runs, h); f != 0 {
			ordinals, err := p.ids.gather(g.runs, h, uint32(p.info.Blocks))
			if err != nil {
				return err
			}
			e.ids(ordinals, f)
			continue
		}
		if same := aliasOf(g.runs, h, own); same >= 0 {
			e.alias(colOwn + same)
			continue
		}
		c, err := g.column(func(in *input) (*Column, error) { return in.column(h) })
		if err != nil {
			return err
		}
		e.column(c)
	}
	given := 0
	for s := range stampCount {
		if h := aliasOf(g.runs, own+int(s), own); h >= 0 {
			e.alias(colOwn + h)
			continue
		}
		c, err := g.column(func(in *input) (*Column, error) { return in.stamped(s) })
		if err != nil {
			return err
		}
		if s == StampID {
			given = p.giveIDs(c)
		}
		e.column(c)
	}
	in := Info{
		Rows: len(picks), TimeMin: p.times[0], TimeMax: p.times[len(p.times)-1],
		SeqMin: uint64(slices.Min(p.seqs)), SeqMax: uint64(slices.Max(p.seqs)), Given: given, SourceBytes: sourceBytes(g.runs),
	}
	var counts []byte
	if minutes := (in.TimeMax-in.TimeMin)/minuteNanos + 1; int64(in.Rows) >= minuteRows*minutes {
		counts = colenc.AppendCounts(nil, p.times)
	}
	p.add(&in, e.cols, counts, e.meta, e.data)
	return nil
}

// minuteNanos is the length of a minute.
const minuteNanos = int64(60 * 1e9)

// stampedInts stores times, positions and times of receipt; p.times and p.seqs
// have the first two then.
func (p *partWriter) stampedInts(g *gatherer, e *blockEncoder) error {
	vals, err := g.int64s(func(in *input) ([]int64, error) { return in.times, nil })
	if err != nil {
		return err
	}
	p.times = append(p.times[:0], vals...)
	e.times = p.times
	e.int64s(p.times)
	p.seqs = p.seqs[:0]
	for _, r := range g.runs {
		for _, seq := range r.in.seqs[r.from : r.from+r.n] {
			p.seqs = append(p.seqs, int64(seq))
		}
	}
	e.int64s(p.seqs)
	vals, err = g.int64s(func(in *input) ([]int64, error) { return in.b.Received() })
	if err != nil {
		return err
	}
	e.int64s(vals)
	return nil
}

// giveIDs notes the rows of the block whose ids were given.
func (p *partWriter) giveIDs(c *Column) (given int) {
	if c.Kind == KindDict && c.Codes == nil && c.Values[0] == "" {
		return 0
	}
	var id []byte
	for row := range c.N {
		if id = c.AppendString(id[:0], row); len(id) > 0 {
			given++
			p.given.Add(givenHash(p.strm.labels.Index, id), uint32(p.info.Blocks), uint16(row))
		}
	}
	return given
}

// aliasOf gives the own column that another one is the same as, in every row.
func aliasOf(runs []run, at, own int) int {
	found := -1
	var last *input
	for _, r := range runs {
		if r.in == last {
			continue
		}
		last = r.in
		h := r.in.aliasOf(at, own)
		if h < 0 || found >= 0 && h != found {
			return -1
		}
		found = h
	}
	return found
}

// sourceBytes shares out the size of the inputs' documents among the blocks
// they go to, so that the sum is that of the inputs.
func sourceBytes(runs []run) int64 {
	var n int64
	for _, r := range runs {
		in := r.in
		before := in.info.SourceBytes * int64(in.shared) / int64(in.info.Rows)
		in.shared += int(r.n)
		n += in.info.SourceBytes*int64(in.shared)/int64(in.info.Rows) - before
	}
	return n
}

// add writes a block.
func (p *partWriter) add(in *Info, columns int, counts, meta, data []byte) {
	p.index.block(in, p.at-p.info.Offset, int64(len(data)), columns, counts, meta)
	p.write(data)
	t := &p.info
	t.Blocks++
	t.Rows += in.Rows
	t.Given += in.Given
	t.SourceBytes += in.SourceBytes
	t.TimeMin, t.TimeMax = min(t.TimeMin, in.TimeMin), max(t.TimeMax, in.TimeMax)
	t.SeqMin, t.SeqMax = min(t.SeqMin, in.SeqMin), max(t.SeqMax, in.SeqMax)
	l := &p.strm.labels
	of := indexKey{l.Index, l.Cluster, l.Namespace}
	at, ok := p.indices[of]
	if !ok {
		at = len(t.Indices)
		p.indices[of] = at
		t.Indices = append(t.Indices, IndexStat{Name: l.Index, Cluster: l.Cluster, Namespace: l.Namespace})
	}
	t.Indices[at].Docs += int64(in.Rows)
	t.Indices[at].SourceBytes += in.SourceBytes
}

// indexKey is what the counts of a part are by.
type indexKey struct{ name, cluster, namespace string }

// wholes implements sink.
func (p *partWriter) wholes(in *input) bool {
	b, ok := in.b.(*fileBlock)
	if !ok {
		return false
	}
	cols, err := b.columns()
	for i := range cols {
		if cols[i].enc == encIDs && in.ids[i-colOwn] == nil {
			return false
		}
	}
	return err == nil
}

// whole implements sink: the chunks stay as they are, but for the ordinals of
// ids, which are numbered anew in every part.
func (p *partWriter) whole(in *input) error {
	b := in.b.(*fileBlock)
	cols, err := b.columns()
	if err != nil {
		return err
	}
	all, err := b.readAll()
	if err != nil {
		return err
	}
	e := &p.encode
	e.begin()
	for i := range cols {
		m := &cols[i]
		chunk := all[m.offset : m.offset+m.length]
		if checksum(chunk) != m.crc && !m.enc.inIndex() {
			return b.part.damage(b.number, b.name(i), corrupt("the checksum of %d bytes", m.length))
		}
		if m.enc == encIDs {
			ordinals, err := p.ids.gather([]run{{in, 0, int32(in.info.Rows)}}, i-colOwn, uint32(p.info.Blocks))
			if err != nil {
				return err
			}
			e.ids(ordinals, m.format)
			continue
		}
		e.copy(m, chunk, b.part.index.strings)
	}
	out := *in.info
	if out.Given > 0 {
		c, err := b.Stamped(StampID)
		if err != nil {
			return err
		}
		p.giveIDs(c)
	}
	p.add(&out, len(cols), b.entry.counts, e.meta, e.data)
	return nil
}

// copy takes over a column of a file.
func (e *blockEncoder) copy(m *columnMeta, chunk []byte, strings []string) {
	if m.enc.inIndex() {
		e.meta = append(e.meta, byte(m.enc))
		switch m.enc &^ encSpelled {
		case encConst:
			e.meta = binary.AppendUvarint(e.meta, e.strings(strings[m.ref]))
		case encAlias:
			e.meta = binary.AppendUvarint(e.meta, uint64(m.ref))
		case encRowTime:
			e.meta = binary.LittleEndian.AppendUint16(e.meta, uint16(m.layout))
		}
		e.cols++
		return
	}
	from := e.chunk(m.enc)
	e.data = append(e.data, chunk...)
	e.end(from)
	switch m.enc &^ encSpelled {
	case encDict, encMapped:
		e.meta = binary.AppendUvarint(e.meta, uint64(m.values))
		e.meta = binary.AppendUvarint(e.meta, uint64(m.list))
		if m.enc&^encSpelled == encMapped {
			e.meta = binary.AppendUvarint(e.meta, uint64(m.ref))
		}
	case encTimes:
		e.meta = binary.LittleEndian.AppendUint16(e.meta, uint16(m.layout))
	case encInts, encFew:
		e.meta = binary.AppendVarint(e.meta, m.low)
		e.meta = binary.AppendVarint(e.meta, m.high)
		if m.enc == encFew {
			e.meta = binary.AppendUvarint(e.meta, uint64(m.values))
			e.meta = binary.AppendUvarint(e.meta, uint64(m.list))
		}
	case encDecimal:
		e.meta = binary.LittleEndian.AppendUint64(e.meta, uint64(m.low))
		e.meta = binary.LittleEndian.AppendUint64(e.meta, uint64(m.high))
	}
}
