package shape

// trie holds what stands between the tokens of documents seen before, byte by
// byte as it was written there (blanks and the spelling of keys too). A document
// that goes along one of its paths has the shape at the end of it: between the
// tokens it is equal to a document that was valid, and the tokens are of the same
// types. So reading it takes a comparison and the search for the end of a token,
// per hole.
type trie struct {
	root  node
	bytes int // about what it takes
}

type node struct{ edges []edge }

// edge leads over text, which a token of the type follows, or the end of the
// document where next is nil. That of a string ends with the quote before it,
// and the one behind a string begins with the quote.
type edge struct {
	text  string
	typ   Type
	next  *node
	shape *Shape // at the end
}

// Bounds of a trie: when it is full it begins anew; a node with too many edges
// forgets one for each new one.
const (
	trieBytesMax = 1 << 20
	edgesMax     = 64
	edgeBytes    = 80
)

// walk reads src along the known paths; nil where there is none for it.
func (sc *Scanner) walk(src []byte) *Shape {
	n, i := &sc.known.root, 0
	spans, escaped := sc.spans[:0], false
next:
	for {
		for k := range n.edges {
			e := &n.edges[k]
			at := i + len(e.text)
			if at > len(src) || string(src[i:at]) != e.text {
				continue
			}
			if e.next == nil {
				if at != len(src) {
					continue
				}
				sc.spans, sc.escaped = spans, escaped
				return e.shape
			}
			end := 0
			switch e.typ {
			case String:
				var esc bool
				if end, esc = stringEnd(src, at); end < 0 {
					return nil
				}
				escaped = escaped || esc
			case Number:
				if end = numberEnd(src, at); end < 0 {
					continue
				}
			default:
				if end = boolEnd(src, at); end < 0 {
					continue
				}
			}
			spans = append(spans, Span{uint32(at), uint32(end)})
			i = end
			next := e.next
			if k > 1 { // what comes often moves to the front
				n.edges[k], n.edges[k/2] = n.edges[k/2], n.edges[k]
			}
			n = next
			continue next
		}
		sc.spans = spans
		return nil
	}
}

// learn adds the path of a document.
func (t *trie) learn(src []byte, s *Shape, spans []Span) {
	if t.bytes > trieBytesMax {
		*t = trie{}
	}
	n, from := &t.root, 0
	for i, sp := range spans {
		n = t.add(n, src[from:sp.From], s.holes[i].Type).next
		from = int(sp.To)
	}
	last := t.add(n, src[from:], String)
	last.next, last.shape = nil, s
}

// add gives the edge over text from n that a token of the type follows.
func (t *trie) add(n *node, text []byte, typ Type) *edge {
	for i := range n.edges {
		if e := &n.edges[i]; e.text == string(text) && e.typ == typ && e.next != nil {
			return e
		}
	}
	t.bytes += edgeBytes + len(text)
	e := edge{text: string(text), typ: typ, next: new(node)}
	if len(n.edges) == edgesMax {
		n.edges[edgesMax-1] = e
	} else {
		n.edges = append(n.edges, e)
	}
	return &n.edges[len(n.edges)-1]
}
