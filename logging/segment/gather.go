package segment

import (
	"errors"

	"github.com/oriel-project/oriel/internal/colenc"
)

// errTooBig is what gathering strings gives that are more than a block may have.
var errTooBig = errors.New("strings of a block are too long")

// stringsMax bounds the strings of one column of a block.
const stringsMax = colenc.MaxBytes / 4

// run is rows of one input that follow each other.
type run struct {
	in   *input
	from int32
	n    int32
}

// gatherer puts the rows of several columns together. Its memory is used again:
// what it gave is good until it gathers the next column.
type gatherer struct {
	runs  []run
	rows  int
	whole bool // one input as it is

	ints   []int64
	mant   []int64
	frac   []uint8
	codes  []uint16
	off    []uint32
	data   []byte
	values []string
	index  map[string]uint16
	maps   map[*Column][]uint16
	cols   []*Column // one a run
}

// begin says which rows are put together from now on.
func (g *gatherer) begin(picks []pick) {
	g.runs, g.rows = g.runs[:0], len(picks)
	for _, p := range picks {
		if n := len(g.runs); n > 0 {
			if last := &g.runs[n-1]; last.in == p.in && last.from+last.n == p.row {
				last.n++
				continue
			}
		}
		g.runs = append(g.runs, run{p.in, p.row, 1})
	}
	g.whole = len(g.runs) == 1 && int(g.runs[0].n) == g.runs[0].in.info.Rows
}

// int64s gathers times.
func (g *gatherer) int64s(of func(*input) ([]int64, error)) ([]int64, error) {
	if g.whole {
		return of(g.runs[0].in)
	}
	g.ints = g.ints[:0]
	var last *input
	var vals []int64
	for _, r := range g.runs {
		if r.in != last {
			var err error
			if vals, err = of(r.in); err != nil {
				return nil, err
			}
			last = r.in
		}
		g.ints = append(g.ints, vals[r.from:r.from+r.n]...)
	}
	return g.ints, nil
}

// column gathers a column.
func (g *gatherer) column(of func(*input) (*Column, error)) (*Column, error) {
	if g.whole {
		return of(g.runs[0].in)
	}
	g.cols = g.cols[:0]
	var kinds, spelled uint
	var last *input
	var col *Column
	dict := true
	for _, r := range g.runs {
		if r.in != last {
			var err error
			if col, err = of(r.in); err != nil {
				return nil, err
			}
			last = r.in
			kinds |= 1 << col.Kind
			if col.Kind == KindSpelled {
				spelled = 1
			}
			dict = dict && len(col.Values) > 0
		}
		g.cols = append(g.cols, col)
	}
	out := &Column{N: g.rows, Kind: KindPlain}
	const numbers = 1<<KindInts | 1<<KindDecimal
	switch {
	case kinds&^numbers == 0:
		g.numbers(out)
		return out, nil
	case kinds == 1<<KindBool:
		out.Kind = KindBool
		g.codes = g.codes[:0]
		for i, r := range g.runs {
			g.codes = append(g.codes, g.cols[i].Codes[r.from:r.from+r.n]...)
		}
		out.Codes = g.codes
		return out, nil
	case kinds == 1<<KindTimes:
		if g.times(out) {
			return out, nil
		}
	case dict:
		out.Kind = KindDict
		g.dict(out)
	}
	if out.Kind == KindPlain {
		if err := g.plain(out); err != nil {
			return nil, err
		}
	}
	if kinds&numbers != 0 || spelled != 0 {
		out.Kind = KindSpelled
	}
	return out, nil
}

// times gathers times that are written in one layout; false where there are two.
func (g *gatherer) times(out *Column) bool {
	g.mant = g.mant[:0]
	for i, r := range g.runs {
		c := g.cols[i]
		if c.Layout != g.cols[0].Layout {
			return false
		}
		g.mant = append(g.mant, c.Times[r.from:r.from+r.n]...)
	}
	out.Kind, out.Layout, out.Times = KindTimes, g.cols[0].Layout, g.mant
	return true
}

func (g *gatherer) numbers(out *Column) {
	g.mant, g.frac = g.mant[:0], g.frac[:0]
	var any bool
	for i, r := range g.runs {
		c := g.cols[i]
		g.mant = append(g.mant, c.Mant[r.from:r.from+r.n]...)
		if c.Frac != nil {
			any = true
			g.frac = append(g.frac, c.Frac[r.from:r.from+r.n]...)
			continue
		}
		for range r.n {
			g.frac = append(g.frac, 0)
		}
	}
	out.Kind, out.Mant = KindInts, g.mant
	if any {
		out.Kind, out.Frac = KindDecimal, g.frac
	}
}

// dict gathers codes; the values come in the order in which they occur.
func (g *gatherer) dict(out *Column) {
	g.codes, g.values = g.codes[:0], g.values[:0]
	if g.index == nil {
		g.index, g.maps = make(map[string]uint16), make(map[*Column][]uint16)
	}
	clear(g.index)
	clear(g.maps)
	for i, r := range g.runs {
		c := g.cols[i]
		m := g.maps[c]
		if m == nil {
			m = make([]uint16, len(c.Values)) // 0: not seen, else the new code and 1
			g.maps[c] = m
		}
		for row := r.from; row < r.from+r.n; row++ {
			old := c.code(int(row))
			if m[old] == 0 {
				code, ok := g.index[c.Values[old]]
				if !ok {
					code = uint16(len(g.values))
					g.values = append(g.values, c.Values[old])
					g.index[c.Values[old]] = code
				}
				m[old] = code + 1
			}
			g.codes = append(g.codes, m[old]-1)
		}
	}
	out.Values, out.Codes = g.values, g.codes
	if len(g.values) == 1 {
		out.Codes = nil
	}
}

func (g *gatherer) plain(out *Column) error {
	g.off, g.data = append(g.off[:0], 0), g.data[:0]
	for i, r := range g.runs {
		c := g.cols[i]
		if c.Kind == KindIDs {
			var err error
			if g.off, g.data, err = c.IDs.AppendAll(g.off, g.data, c.Ordinals[r.from:r.from+r.n]); err != nil {
				return err
			}
			continue
		}
		for row := r.from; row < r.from+r.n; row++ {
			g.data = c.AppendString(g.data, int(row))
			if len(g.data) > stringsMax && len(g.runs) > 1 {
				return errTooBig
			}
			g.off = append(g.off, uint32(len(g.data)))
		}
	}
	out.Off, out.Data = g.off, g.data
	return nil
}
