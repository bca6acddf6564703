package scan

import (
	"slices"

	"github.com/oriel-project/oriel/logging/segment"
)

// Memo is a Part that remembers what queries worked out of it.
type Memo interface {
	// Memo gives what work gave for the key, at this call or an earlier one.
	Memo(key string, work func() []uint32) []uint32
}

// withID gives the blocks of a part that may match, where the query asks for an
// id: those that the part's dictionary names, and those that have the field in
// columns that are not in the dictionary. So a needle costs as much as its blocks
// do, and not as all of them. ok is false where every block may match.
func (s *search) withID(p Part, part int) (blocks []uint32, ok bool, err error) {
	l := s.needle()
	memo, isMemo := p.(Memo)
	if l == nil || !isMemo {
		return nil, false, nil
	}
	found, err := s.findID(l, part, l.tokenID)
	if err != nil || !found.known {
		return nil, false, err
	}
	exact := "text "
	if l.field.Exact {
		exact = "exact "
	}
	other := memo.Memo("not in the dictionary: "+exact+l.field.Name, func() []uint32 { return s.besideIDs(p, part, l) })
	blocks = append(slices.Clone(found.blocks), other...)
	slices.Sort(blocks)
	return slices.Compact(blocks), true, nil
}

// needle gives the leaf of an id that every hit has to match; nil where there is none.
func (s *search) needle() *leaf {
	is := func(n *node) bool {
		if n.kind != nodeLeaf || isWide(n.leaf.field.Name) {
			return false
		}
		l := n.leaf
		return l.tokenID != "" && l.tokenID == l.exactID
	}
	if is(s.root) {
		return s.root.leaf
	}
	if s.root.kind == nodeAnd {
		for _, k := range s.root.kids {
			if is(k) {
				return k.leaf
			}
		}
	}
	return nil
}

// besideIDs gives the blocks that may hold a value of a field anywhere but in a
// column of the dictionary.
func (s *search) besideIDs(p Part, part int, l *leaf) []uint32 {
	e := &s.eval
	var out []uint32
	for b := range p.Len() {
		in := p.BlockInfo(b)
		if in.Rows == 0 {
			continue
		}
		e.open(&candidate{part: part, block: b, info: in})
		all, ok := e.sources(nil, l.field, true)
		if !ok || slices.ContainsFunc(all, func(src source) bool {
			return src.kind != fromHole || e.block.OwnKind(src.hole) != segment.KindIDs
		}) {
			out = append(out, uint32(b))
		}
	}
	return out
}
