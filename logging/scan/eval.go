package scan

import (
	"fmt"
	"sort"
	"unsafe"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// eval is one block under one query. Its memory is used again for the next block.
type eval struct {
	s      *search
	part   int // place of the block's part among the search's
	at     int // place of the block in its part
	block  segment.Block
	info   *segment.Info
	layout *layout // nil: the block has no shape
	gaps   []gap

	plans []plan
	rows  arena
	every []uint32 // 0, 1, 2 ...
	doc   *logging.Doc
	rec   logging.Record
	buf   []byte
	json  []byte
	tests []uint8 // verdicts by dictionary code
	ticks int
	ended error // what wanted said once it did: nothing is found any more

	scratch []source
	cols    columns
	columns *rows // for aggregations
}

// arena hands out rows until it is reset.
type arena struct {
	chunks [][]uint32
	at     int // chunk
	used   int
}

// A search of few blocks needs little: chunks begin small.
const (
	arenaFirst = 2 * segment.RowsMax
	arenaChunk = 8 * segment.RowsMax
)

// everyRow is 0, 1, 2 ... for all searches; nobody writes to it.
var everyRow = func() (t [segment.RowsMax]uint32) {
	for i := range t {
		t[i] = uint32(i)
	}
	return t
}()

func (a *arena) reset() { a.at, a.used = 0, 0 }

// take gives an empty slice with room for n.
func (a *arena) take(n int) []uint32 {
	for {
		if a.at == len(a.chunks) {
			a.chunks = append(a.chunks, make([]uint32, max(min(arenaFirst<<a.at, arenaChunk), n)))
		}
		if c := a.chunks[a.at]; a.used+n <= len(c) {
			s := c[a.used : a.used : a.used+n]
			a.used += n
			return s
		}
		a.at++
		a.used = 0
	}
}

// keep gives back what was taken last and not used.
func (a *arena) keep(s []uint32) []uint32 {
	a.used -= cap(s) - len(s)
	return s[:len(s):len(s)]
}

// open begins with another block.
func (e *eval) open(c *candidate) {
	e.part, e.at, e.info, e.gaps = c.part, c.block, c.info, c.gaps
	e.block = c.open(e.s)
	e.layout = e.s.layoutOf(e.info.Shape)
	e.rows.reset()
	e.cols.reset()
	if e.every == nil {
		e.every = everyRow[:]
	}
	for len(e.every) < e.info.Rows {
		e.every = append(e.every, uint32(len(e.every)))
	}
	if e.doc == nil {
		e.doc = logging.NewDoc(nil)
	}
}

func (s *search) layoutOf(sh *shape.Shape) *layout {
	if sh == nil {
		return nil
	}
	l := s.layouts[sh]
	if l == nil {
		l = newLayout(sh, s.levelNames)
		s.layouts[sh] = l
	}
	return l
}

// tick looks at the context once in some thousand rows of slow work.
func (e *eval) tick(rows int) error {
	if e.ticks += rows; e.ticks < 1024 || e.ended != nil {
		return e.ended
	}
	e.ticks = 0
	e.ended = e.s.wanted()
	return e.ended
}

// bytesTick is how many bytes are as much work as a row.
const bytesTick = 64

// over is tick for tests of strings, which have no error: what they are of may be
// megabytes. Once it is true the tests that are left may say anything, and whoever
// gave them away has an error in ended.
func (e *eval) over(s string) bool { return e.tick(1+len(s)/bytesTick) != nil }

// visible gives the rows that show.
func (e *eval) visible() ([]uint32, error) {
	all := e.every[:e.info.Rows]
	if len(e.gaps) == 0 {
		return all, nil
	}
	times, err := e.block.Times()
	if err != nil {
		return nil, err
	}
	seqs, err := e.block.Seqs()
	if err != nil {
		return nil, err
	}
	out := e.rows.take(len(all))
	for _, row := range all {
		hidden := false
		for _, g := range e.gaps {
			if t := times[row]; g.from <= t && t < g.to && seqs[row] <= g.upTo {
				hidden = true
				break
			}
		}
		if !hidden {
			out = append(out, row)
		}
	}
	return e.rows.keep(out), nil
}

// minus gives the rows of a that are not in b, which is part of it.
func (e *eval) minus(a, b []uint32) []uint32 {
	switch {
	case len(b) == 0:
		return a
	case len(a) == len(b):
		return nil
	}
	out := e.rows.take(len(a) - len(b))
	for _, row := range a {
		if len(b) > 0 && b[0] == row {
			b = b[1:]
			continue
		}
		out = append(out, row)
	}
	return out
}

// run gives the rows of in that match; plan came before. Both ascend.
func (e *eval) run(n *node, in []uint32) ([]uint32, error) {
	p := &e.plans[n.id]
	switch {
	case p.verdict == yes:
		return in, nil
	case p.verdict == no || len(in) == 0:
		return nil, nil
	case n.key != "" && (p.docs || p.cost >= costStrings):
		return e.remembered(n, in)
	}
	return e.find(n, in)
}

// find is run for what is not remembered.
func (e *eval) find(n *node, in []uint32) ([]uint32, error) {
	p := &e.plans[n.id]
	if p.docs {
		return e.runDocs(n, in)
	}
	if err := e.tick(256); err != nil {
		return nil, err
	}
	switch n.kind {
	case nodeAnd:
		var err error
		for _, k := range p.order {
			if in, err = e.run(k, in); err != nil || len(in) == 0 {
				return nil, err
			}
		}
		return in, nil
	case nodeOr:
		return e.runOr(n, in)
	case nodeNot:
		out, err := e.run(n.kids[0], in)
		return e.minus(in, out), err
	case nodeIDs:
		return e.runIDs(n, in)
	case nodeExists:
		return e.runSources(p.sources, in, e.filled)
	}
	return e.runSources(p.sources, in, func(src *source, in []uint32) ([]uint32, error) { return e.match(n.leaf, src, in) })
}

func (e *eval) runOr(n *node, in []uint32) ([]uint32, error) {
	if n.min == 1 {
		rest := in
		for _, k := range n.kids {
			out, err := e.run(k, rest)
			if err != nil {
				return nil, err
			}
			rest = e.minus(rest, out)
		}
		return e.minus(in, rest), nil
	}
	counts := make([]uint16, e.info.Rows)
	for _, k := range n.kids {
		out, err := e.run(k, in)
		if err != nil {
			return nil, err
		}
		for _, row := range out {
			counts[row]++
		}
	}
	out := e.rows.take(len(in))
	for _, row := range in {
		if int(counts[row]) >= n.min {
			out = append(out, row)
		}
	}
	return e.rows.keep(out), nil
}

// runSources gives the rows of which a source matches.
func (e *eval) runSources(sources []source, in []uint32, match func(*source, []uint32) ([]uint32, error)) ([]uint32, error) {
	rest := in
	for i := range sources {
		src := &sources[i]
		out, err := match(src, rest)
		if err == nil && src.only != always && len(out) > 0 {
			out, err = e.counts(src, out)
		}
		if err != nil {
			return nil, err
		}
		if len(sources) == 1 {
			return out, nil
		}
		if rest = e.minus(rest, out); len(rest) == 0 {
			break
		}
	}
	return e.minus(in, rest), nil
}

// counts gives the rows in which a source counts.
func (e *eval) counts(src *source, in []uint32) ([]uint32, error) {
	out := e.rows.take(len(in))
	for _, row := range in {
		ok, err := e.countsIn(src, int(row))
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, row)
		}
	}
	return e.rows.keep(out), e.tick(len(in))
}

func (e *eval) countsIn(src *source, row int) (bool, error) {
	var stamp string
	if src.only != fromText {
		s := src.stamp
		c, err := e.cols.stamped(e, s)
		if err != nil {
			return false, err
		}
		stamp = e.stringAt(c, row)
	}
	switch src.only {
	case levelMissing:
		return stamp == "", nil
	case levelSpelled:
		return e.spelled(src.rank, stamp, row)
	case fromText:
		stamp = src.text
	case levelStamped:
		if stamp == "" {
			return false, nil
		}
	}
	// The stamp may share e.buf: what it is compared with must not.
	c, err := e.cols.own(e, src.hole)
	if err != nil {
		return false, err
	}
	if e.layout.holes[src.hole].Type != shape.String {
		v := c.Value(row)
		return v.Kind != logging.KindString || v.Str != stamp, nil
	}
	return c.String(row) != stamp, nil
}

// spelled reports whether the stamped level was read from the name of that rank.
func (e *eval) spelled(rank int, level string, row int) (bool, error) {
	if level == "" {
		return false, nil
	}
	for at, hole := range e.layout.levels[:rank+1] {
		if hole < 0 {
			continue
		}
		c, err := e.cols.own(e, hole)
		if err != nil {
			return false, err
		}
		if logging.NormalizeLevel(c.Value(row).Text()) == level {
			return at == rank, nil
		}
	}
	return false, nil
}

// stringAt gives a row's string, good until the next call.
func (e *eval) stringAt(c *segment.Column, row int) string {
	switch c.Kind {
	case segment.KindDict:
		if c.Codes == nil {
			return c.Values[0]
		}
		return c.Values[c.Codes[row]]
	case segment.KindPlain:
		return view(c.Data[c.Off[row]:c.Off[row+1]])
	}
	e.buf = c.AppendString(e.buf[:0], row)
	return view(e.buf)
}

// view is a string of the bytes as they are.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// runIDs looks for records by id.
func (e *eval) runIDs(n *node, in []uint32) ([]uint32, error) {
	seqs, err := e.block.Seqs()
	if err != nil {
		return nil, err
	}
	var given *segment.Column
	if e.info.Given > 0 {
		if given, err = e.cols.stamped(e, segment.StampID); err != nil {
			return nil, err
		}
	}
	out := e.rows.take(len(in))
	for _, row := range in {
		id := ""
		if given != nil {
			id = e.stringAt(given, int(row))
		}
		for i := range n.ids {
			if w := &n.ids[i]; id == "" && w.derived && w.seq == seqs[row] || id != "" && id == w.text {
				out = append(out, row)
				break
			}
		}
	}
	return e.rows.keep(out), e.tick(len(in))
}

// between gives the rows of in with sorted times of the interval.
func between(in []uint32, times []int64, low, high int64) []uint32 {
	from := sort.Search(len(in), func(i int) bool { return times[in[i]] >= low })
	in = in[from:]
	to := sort.Search(len(in), func(i int) bool { return times[in[i]] > high })
	return in[:to]
}

// columns remembers columns of the block that are asked for row by row.
type columns struct {
	owns   []*segment.Column
	stamps [8]*segment.Column
}

func (c *columns) reset() {
	clear(c.owns)
	c.stamps = [8]*segment.Column{}
}

// err tells what was found corrupt while columns were read.
func (c *columns) err() error {
	for _, col := range append(c.stamps[:], c.owns...) {
		switch {
		case col == nil:
		case col.Text != nil && col.Text.Err() != nil:
			return col.Text.Err()
		case col.IDs != nil && col.IDs.Err() != nil:
			return col.IDs.Err()
		}
	}
	return nil
}

func (c *columns) own(e *eval, hole int) (*segment.Column, error) {
	for len(c.owns) <= hole {
		c.owns = append(c.owns, nil)
	}
	if c.owns[hole] == nil {
		col, err := e.block.Own(hole)
		if err != nil {
			return nil, err
		}
		c.owns[hole] = col
	}
	return c.owns[hole], nil
}

func (c *columns) stamped(e *eval, s segment.Stamp) (*segment.Column, error) {
	if c.stamps[s] == nil {
		col, err := e.block.Stamped(s)
		if err != nil {
			return nil, err
		}
		c.stamps[s] = col
	}
	return c.stamps[s], nil
}

// broken names the block of what was found corrupt while a column was read; nil
// stays nil.
func (e *eval) broken(err error) error {
	if err == nil {
		return nil
	}
	return &segment.Damage{Part: -1, Block: e.at, Err: fmt.Errorf("%w: %w", segment.ErrCorrupt, err)}
}
