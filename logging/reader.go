package logging

import (
	"bytes"
	"slices"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/oriel-project/oriel/internal/shape"
)

// reader reads the claims of documents. What a shape can claim is found out
// once; a document of a known shape is then read in one pass. Not safe for
// concurrent use.
type reader struct {
	scanner *shape.Scanner
	plans   map[*shape.Shape]*claimPlan
	planned int // bytes of the shapes in plans
	scratch []byte
	clock   clockface
	arena   []byte // see room

	// What was read before mostly comes again: names are given out as the same
	// string, so that who compares them later only compares pointers.
	names     [1024][2]string // by hash; of two, the one seen last stands first
	indices   [256]indexOf
	goodIndex string

	tag      string // the last one
	tagNames containerNames
	tagged   bool // it names a container
	tagFile  bool // it is that of a container's file, readable or not
}

// indexOf is an index that was made before.
type indexOf struct{ cluster, namespace, index string }

// plannedBytesMax bounds the shapes that a reader knows before it begins anew.
const plannedBytesMax = 8 << 20

func newReader(c *shape.Cache) *reader {
	return &reader{scanner: shape.NewScanner(c), plans: map[*shape.Shape]*claimPlan{}}
}

// claimPlan is what documents of one shape can claim, and by which holes.
type claimPlan struct {
	time   int         // the hole of the event time; -1 without
	claims []claimHole // by claim, the preferred first, then as in the document
	levels []int       // holes, likewise
	top    addedSet
	pieces bool // they can be pieces of lines
}

type claimHole struct {
	hole int
	of   claim
	rank uint8
}

func newClaimPlan(s *shape.Shape, src []byte) *claimPlan {
	p := &claimPlan{time: -1, top: addedIn(string(src)), pieces: mayBePieces(s.Skeleton())}
	var order []int
	for i, h := range s.Holes() {
		if h.Path == FieldTime {
			if h.Nth == 0 {
				p.time = i
			}
			continue
		}
		// A number is a string where it is too large for one; see flattener.number.
		if k, rank := claimOf(h.Path); rank > 0 && h.Type != shape.Bool {
			p.claims = append(p.claims, claimHole{i, k, rank})
		}
		if at := slices.Index(levelNames[:], h.Path); at >= 0 && h.Type != shape.Bool {
			p.levels, order = append(p.levels, i), append(order, at*shape.HolesMax+i)
		}
	}
	slices.SortStableFunc(p.claims, func(a, b claimHole) int {
		if a.of != b.of {
			return int(a.of) - int(b.of)
		}
		return int(b.rank) - int(a.rank)
	})
	slices.Sort(order)
	for i, o := range order {
		p.levels[i] = o % shape.HolesMax
	}
	return p
}

// read reads the claims of a document, as gather does. It gives false for what
// has no shape, which may be valid or not. The message shares the memory of src.
func (r *reader) read(c *claims, src []byte) bool {
	s, spans, _, ok := r.scanner.Scan(src)
	if !ok {
		return false
	}
	p := r.plans[s]
	if p == nil {
		if r.planned > plannedBytesMax {
			clear(r.plans)
			r.planned = 0
		}
		r.planned += s.Size()
		p = newClaimPlan(s, src)
		r.plans[s] = p
	}
	c.regular, c.top = true, p.top
	if p.pieces {
		c.piece = pieceOf(src)
	}
	holes := s.Holes()
	token := func(hole int) []byte { return src[spans[hole].From:spans[hole].To] }
	if p.time >= 0 {
		c.time = r.value(holes[p.time].Type, token(p.time))
	}
	torn := false
	for i := range p.claims {
		h := &p.claims[i]
		if h.rank < c.rank[h.of] {
			continue
		}
		text := token(h.hole)
		escaped := bytes.IndexByte(text, '\\') >= 0
		if escaped {
			text = r.unescape(text)
		} else if holes[h.hole].Type == shape.Number {
			if v := number(text); v.Kind != KindString {
				continue
			}
		}
		switch {
		case len(text) == 0:
		case c.rank[h.of] == 0:
			c.rank[h.of] = h.rank
			switch {
			case h.of != claimMessage:
				c.strs[h.of] = r.name(text)
			case escaped:
				c.strs[h.of] = shared(r.keep(append(r.room(len(text)), text...)))
			default:
				c.strs[h.of] = shared(text)
			}
		case h.of == claimNamespace && c.strs[h.of] != string(text):
			torn = true
		}
	}
	if torn {
		c.strs[claimNamespace] = ""
	}
	for _, hole := range p.levels {
		text := token(hole)
		if holes[hole].Type == shape.Number || bytes.IndexByte(text, '\\') >= 0 {
			v := r.value(holes[hole].Type, text)
			c.level = NormalizeLevel(v.Text())
		} else {
			c.level = normalizeLevel(text)
		}
		if c.level != "" {
			break
		}
	}
	return true
}

// value gives the value of a token, as flatten does. That of a string without
// escapes shares the token's memory.
func (r *reader) value(t shape.Type, token []byte) Value {
	switch {
	case t == shape.Number:
		return number(token)
	case t == shape.Bool:
		return Boolean(len(token) == len("true"))
	case bytes.IndexByte(token, '\\') >= 0:
		return String(string(r.unescape(token)))
	}
	return String(shared(token))
}

func number(token []byte) Value {
	f := flattener{s: string(token)}
	return f.number()
}

func (r *reader) unescape(token []byte) []byte {
	r.scratch = shape.Unescape(r.scratch[:0], token)
	return r.scratch
}

// name gives the string of a name, mostly the one that was given before.
func (r *reader) name(b []byte) string {
	if len(b) > nameBytesMax {
		return string(b)
	}
	known := &r.names[xxhash.Sum64(b)%uint64(len(r.names))]
	if known[0] != string(b) {
		second := known[1]
		if second != string(b) {
			second = string(b)
		}
		known[0], known[1] = second, known[0]
	}
	return known[0]
}

// arenaBytes is what records of one batch share a piece of memory of: most of them
// are given up together, and one piece costs less than a hundred.
const arenaBytes = 32 << 10

// room gives memory for about n bytes; keep keeps what was appended to it, which is
// not changed any more then.
func (r *reader) room(n int) []byte {
	if n > arenaBytes/8 {
		return make([]byte, 0, n)
	}
	used := len(r.arena)
	if cap(r.arena)-used < n {
		r.arena, used = make([]byte, 0, arenaBytes), 0
	}
	return r.arena[used : used : used+n]
}

func (r *reader) keep(b []byte) []byte {
	b = b[:len(b):len(b)]
	if used := len(r.arena); len(b) <= cap(r.arena)-used && unsafe.SliceData(b) == unsafe.SliceData(r.arena[used:cap(r.arena)]) {
		r.arena = r.arena[:used+len(b)]
	}
	return b
}

func hashName(s string) uint64 { return xxhash.Sum64String(s) }

// shared gives the string of bytes that do not change any more.
func shared(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
