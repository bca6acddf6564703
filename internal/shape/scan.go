package shape

import "bytes"

// Scanner takes documents apart, quickly where it has seen their like: it keeps
// a tree of what it saw between values, and follows it. The zero value is ready.
// Not safe for concurrent use.
type Scanner struct {
	root   node
	nodes  int
	bytes  int
	shapes map[string]*Shape
	spans  []Span
}

// node is a place in documents behind a value (or at the beginning).
type node struct {
	next []*edge // the likeliest first
}

// edge is what may stand there: a literal, and behind it a value of a type or
// the end of the document.
type edge struct {
	lit  []byte
	typ  Type   // 0: the document ends
	done *Shape // where it ends
	node
}

// Bounds of what a scanner remembers; beyond them it starts anew.
const (
	nodesMax  = 1 << 15
	bytesMax  = 8 << 20
	shapesMax = 4096
	edgesMax  = 64 // of one node: keys that never come again are not learnt
)

// Scan takes a document apart. The spans are valid until the next call; escaped
// tells that at least one string has escapes in it. ok is false where src is not one
// valid JSON object, and where it has no shape: a key stands twice in one object
// or is empty, a string holds half of a surrogate pair, or it is beyond the
// bounds. Two calls give the same *Shape for the same shape as long as the scanner
// remembers it; see Shape.Skeleton for what is equal.
func (sc *Scanner) Scan(src []byte) (s *Shape, spans []Span, escaped, ok bool) {
	if uint64(len(src)) > 1<<31 {
		return nil, nil, false, false
	}
	if s, escaped, ok = sc.follow(src); ok {
		return s, sc.spans, escaped, true
	}
	p := parser{src: src, spans: sc.spans[:0]}
	if s, ok = p.parse(); !ok {
		return nil, nil, false, false
	}
	sc.spans = p.spans
	return sc.learn(s, p.lits), sc.spans, p.escaped, true
}

// follow goes along what is known.
func (sc *Scanner) follow(src []byte) (s *Shape, escaped, ok bool) {
	sc.spans = sc.spans[:0]
	at, i := &sc.root, 0
walk:
	for {
		for k, e := range at.next {
			if len(src)-i < len(e.lit) || string(src[i:i+len(e.lit)]) != string(e.lit) {
				continue
			}
			from := i + len(e.lit)
			to := from
			switch e.typ {
			case String:
				end, esc, ok := scanString(src, from)
				if !ok {
					return nil, false, false
				}
				escaped = escaped || esc
				to = end
			case Number:
				if to = scanNumber(src, from); to == from {
					continue
				}
			case Bool:
				switch {
				case bytes.HasPrefix(src[from:], []byte("true")):
					to += 4
				case bytes.HasPrefix(src[from:], []byte("false")):
					to += 5
				default:
					continue
				}
			default:
				if from != len(src) {
					continue
				}
				return e.done, escaped, true
			}
			if k > 0 { // a step forward: what comes often is found first
				at.next[k], at.next[k-1] = at.next[k-1], at.next[k]
			}
			sc.spans = append(sc.spans, Span{uint32(from), uint32(to)})
			at, i = &e.node, to
			continue walk
		}
		return nil, false, false
	}
}

// learn adds a document to the tree and gives the shape as it is known.
func (sc *Scanner) learn(s *Shape, lits [][]byte) *Shape {
	if sc.shapes == nil || len(sc.shapes) >= shapesMax || sc.nodes >= nodesMax || sc.bytes >= bytesMax {
		sc.shapes, sc.root, sc.nodes, sc.bytes = map[string]*Shape{}, node{}, 0, 0
	}
	if known := sc.shapes[string(s.skeleton)]; known != nil {
		s = known
	} else {
		sc.shapes[string(s.skeleton)] = s
		sc.bytes += 2*len(s.skeleton) + 48*len(s.holes)
	}
	at := &sc.root
next:
	for i, lit := range lits {
		typ := Type(0)
		if i < len(s.holes) {
			typ = s.holes[i].Type
		}
		for _, e := range at.next {
			if e.typ == typ && string(e.lit) == string(lit) {
				at = &e.node
				continue next
			}
		}
		if len(at.next) == edgesMax {
			return s
		}
		e := &edge{lit: bytes.Clone(lit), typ: typ}
		if typ == 0 {
			e.done = s
		}
		at.next = append(at.next, e)
		at = &e.node
		sc.nodes++
		sc.bytes += len(lit) + 80
	}
	return s
}
