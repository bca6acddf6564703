package scan

import (
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

var _ logging.KeyedStrings = (*rows)(nil)

// keyedKeeper is a block that keeps the keys of a column's strings for others.
type keyedKeeper interface {
	Keyed(hole int) *segment.Keyed
	KeepKeyed(hole int, k *segment.Keyed)
	Numbering() *logging.Numbering
	Numbers(of *segment.Keyed, in *logging.Numbering) []uint32
}

// Keyed implements logging.KeyedStrings: of texts, of which a block may have a
// different one in every row.
func (r *rows) Keyed(f logging.Field) (logging.Keyed, bool, error) {
	sources, ok := r.single(f)
	if !ok || len(sources) != 1 || sources[0].only != always || sources[0].kind != fromHole {
		return logging.Keyed{}, false, nil
	}
	e, hole := r.e, sources[0].hole
	keeper, keeps := e.block.(keyedKeeper)
	if !keeps || e.block.OwnKind(hole) != segment.KindText {
		return logging.Keyed{}, false, nil
	}
	k := keeper.Keyed(hole)
	if k == nil {
		c, err := e.cols.own(e, hole)
		if err != nil {
			return logging.Keyed{}, false, err
		}
		if k, err = e.keysOf(c); err != nil {
			return logging.Keyed{}, false, err
		}
		keeper.KeepKeyed(hole, k)
	}
	s, at, first := e.s, columnAt{e.part, e.at, hole}, k.First // not all of k: it is held for long
	out := logging.Keyed{Of: k.Of, Keys: k.Keys, Value: func(code uint32) (string, error) {
		return s.stringAt(at, int(first[code]))
	}}
	// Another tenant's strings have their own numbers, which say nothing here.
	if s.numbering == nil {
		s.numbering, s.numbered = keeper.Numbering(), e.info.Tenant
	}
	if s.numbering != nil && e.info.Tenant == s.numbered {
		out.In, out.Numbers = s.numbering, keeper.Numbers(k, s.numbering)
	}
	return out, true, nil
}

// keysOf makes the keys of a column of text.
func (e *eval) keysOf(c *segment.Column) (*segment.Keyed, error) {
	if err := e.tick(c.N); err != nil {
		return nil, err
	}
	codes, first := c.Text.DistinctRows()
	k := &segment.Keyed{Of: make([]uint16, len(codes)), First: make([]uint16, len(first)), Keys: make([]logging.StringKey, len(first))}
	for row, code := range codes {
		k.Of[row] = uint16(code)
	}
	for code, row := range first {
		e.buf = c.Text.Append(e.buf[:0], int(row))
		k.First[code], k.Keys[code] = uint16(row), logging.KeyOfBytes(e.buf)
	}
	return k, e.broken(c.Text.Err())
}

// columnAt names a column of a document.
type columnAt struct{ part, block, hole int }

// stringAt gives a string of a column after its block was looked at. The column is
// kept until another one is asked for.
func (s *search) stringAt(at columnAt, row int) (string, error) {
	if s.reopened == nil || s.reopenedAt != at {
		if err := s.ctx.Err(); err != nil {
			return "", err
		}
		c, err := s.parts[at.part].Block(at.block).Own(at.hole)
		if err != nil {
			return "", err
		}
		s.reopened, s.reopenedAt = c, at
	}
	text := s.reopened.String(row)
	if t := s.reopened.Text; t != nil && t.Err() != nil {
		return "", &segment.Damage{Part: -1, Block: at.block, Err: t.Err()}
	}
	return text, nil
}
