package scan

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/oriel-project/oriel/internal/text"
	"github.com/oriel-project/oriel/logging"
)

// node is a filter made ready for many blocks.
type node struct {
	id     int // place among all of the search's nodes
	kind   nodeKind
	kids   []*node
	min    int
	filter logging.Filter
	match  func(*logging.Doc) bool // for rows that have to be looked at as documents
	leaf   *leaf
	key    string // of what it finds in a block, where that is remembered
	ids    []wantedID
}

type nodeKind uint8

const (
	nodeAll nodeKind = iota
	nodeNone
	nodeAnd
	nodeOr
	nodeNot
	nodeLeaf
	nodeExists
	nodeIDs
	nodeDocs // of a type that only documents decide
)

type wantedID struct {
	text    string
	seq     uint64
	derived bool // text has the form of an id derived from seq
}

// compiledFilter is a filter of an aggregation, and what became of it.
type compiledFilter struct {
	filter logging.Filter
	node   *node
}

func (s *search) compile(f logging.Filter) *node {
	n := &node{id: s.nodes, filter: f, match: logging.Matcher(f)}
	s.nodes++
	switch f := f.(type) {
	case logging.All:
		n.kind = nodeAll
	case logging.None:
		n.kind = nodeNone
	case logging.And:
		n.kind, n.kids = nodeAnd, s.compileAll(f)
	case logging.Or:
		n.kind, n.kids, n.min = nodeOr, s.compileAll(f.Of), max(f.Min, 1)
	case logging.Not:
		n.kind, n.kids = nodeNot, s.compileAll([]logging.Filter{f.Of})
	case logging.IDs:
		n.kind = nodeIDs
		for _, text := range f {
			w := wantedID{text: text}
			w.seq, w.derived = logging.ParseDerivedID(text)
			n.ids = append(n.ids, w)
		}
	case logging.Exists:
		n.kind, n.leaf = nodeExists, newLeaf(f)
	case logging.Leaf:
		n.kind, n.leaf, n.key = nodeLeaf, newLeaf(f), keyOf(f)
	default:
		n.kind = nodeDocs
	}
	return n
}

func (s *search) compileAll(of []logging.Filter) []*node {
	out := make([]*node, len(of))
	for i, f := range of {
		out[i] = s.compile(f)
	}
	return out
}

// leaf is a filter on the values of one field.
type leaf struct {
	field logging.Field
	test  func(logging.Value, bool) bool
	num   numbers // what of numbers matches, where an interval says it
	times times
	text  texts
	// whole strings that alone can match what is one token, or an id
	exactID, tokenID string
	found            map[foundKey]*foundID
}

type foundKey struct {
	part int
	text string
}

// foundID is what a part's dictionary of ids says.
type foundID struct {
	blocks []uint32
	known  bool
}

func newLeaf(f logging.Leaf) *leaf {
	l := &leaf{field: f.Of(), test: f.Test(), found: map[foundKey]*foundID{}, text: newTexts(f)}
	switch f := f.(type) {
	case logging.Term:
		l.num = equalNumbers(f.Text)
		l.exactID, l.tokenID = f.Text, f.Text
		if f.Fold {
			l.exactID = text.Lower(f.Text)
			l.tokenID = l.exactID
		}
		if strings.ContainsRune(l.tokenID, '-') {
			l.tokenID = "" // is no token
		}
	case logging.Phrase:
		l.num = equalNumbers(f.Raw)
		if !f.LastPrefix {
			l.exactID = f.Raw
			if f.Slop == 0 && (len(f.Tokens) == 1 || len(f.Tokens) == uuidTokens) {
				l.tokenID = strings.Join(f.Tokens, "-")
			}
		}
	case logging.Range:
		l.num = rangeNumbers(f)
		l.times = rangeTimes(f)
	case logging.Exists:
		l.num = numbers{ok: true, low: math.MinInt64, high: math.MaxInt64, lowFloat: math.Inf(-1), highFloat: math.Inf(1)}
		l.times = times{ok: true, low: math.MinInt64, high: math.MaxInt64}
	}
	return l
}

// uuidTokens is how many tokens a uuid has: a phrase of them is the uuid.
const uuidTokens = 5

// numbers is an interval of numbers. Integers compare with low and high,
// inclusive; floats with lowFloat and highFloat, where they are sharp: the
// bounds as float64 are the bounds.
type numbers struct {
	ok                  bool // an interval tells everything
	none, noInts        bool // no number, no integer lies in it
	low, high           int64
	lowFloat, highFloat float64
	lowOpen, highOpen   bool // of floats
	notSharp            bool
}

const sharpMax = 1 << 53 // integers up to it are float64s

func equalNumbers(text string) numbers {
	v, ok := readNumber(text)
	if !ok {
		return numbers{ok: true, none: true}
	}
	b := &logging.Bound{Value: v, Inclusive: true}
	return rangeNumbers(logging.Range{Min: b, Max: b})
}

// readNumber reads a text as filters do to compare it with numbers.
func readNumber(text string) (logging.Value, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return logging.Int(n), true
	}
	x, err := strconv.ParseFloat(text, 64)
	return logging.Float(x), err == nil
}

func rangeNumbers(f logging.Range) numbers {
	n := numbers{ok: true, low: math.MinInt64, high: math.MaxInt64, lowFloat: math.Inf(-1), highFloat: math.Inf(1)}
	if b := f.Min; b != nil {
		switch v := b.Value; v.Kind {
		case logging.KindInt:
			n.low, n.lowFloat, n.lowOpen = v.Int, float64(v.Int), !b.Inclusive
			n.notSharp = n.notSharp || v.Int > sharpMax || v.Int < -sharpMax
			if !b.Inclusive {
				if v.Int == math.MaxInt64 {
					n.noInts = true
				} else {
					n.low++
				}
			}
		case logging.KindFloat:
			x := v.Float
			n.lowFloat, n.lowOpen = x, !b.Inclusive
			switch up := math.Ceil(x); {
			case math.IsNaN(x):
				return numbers{}
			case up >= 1<<63:
				n.noInts = true
			case up >= -1<<63:
				n.low = int64(up)
				if up == x && !b.Inclusive {
					if n.low == math.MaxInt64 {
						n.noInts = true
					} else {
						n.low++
					}
				}
			}
		case logging.KindTime:
			return numbers{}
		default:
			return numbers{ok: true, none: true}
		}
	}
	if b := f.Max; b != nil {
		switch v := b.Value; v.Kind {
		case logging.KindInt:
			n.high, n.highFloat, n.highOpen = v.Int, float64(v.Int), !b.Inclusive
			n.notSharp = n.notSharp || v.Int > sharpMax || v.Int < -sharpMax
			if !b.Inclusive {
				if v.Int == math.MinInt64 {
					n.noInts = true
				} else {
					n.high--
				}
			}
		case logging.KindFloat:
			x := v.Float
			n.highFloat, n.highOpen = x, !b.Inclusive
			switch down := math.Floor(x); {
			case math.IsNaN(x):
				return numbers{}
			case down < -1<<63:
				n.noInts = true
			case down < 1<<63:
				n.high = int64(down)
				if down == x && !b.Inclusive {
					if n.high == math.MinInt64 {
						n.noInts = true
					} else {
						n.high--
					}
				}
			}
		case logging.KindTime:
			return numbers{}
		default:
			return numbers{ok: true, none: true}
		}
	}
	n.noInts = n.noInts || n.low > n.high
	return n
}

// holds reports whether a float64 that is no integer too large for it lies in
// the interval, which is sharp.
func (n *numbers) holds(x float64) bool {
	if x < n.lowFloat || x == n.lowFloat && n.lowOpen {
		return false
	}
	return x < n.highFloat || x == n.highFloat && !n.highOpen
}

// times is an interval of times in nanoseconds, inclusive.
type times struct {
	ok        bool // an interval tells everything of times
	strings   bool // of strings that are dates, too
	none      bool
	low, high int64
}

func rangeTimes(f logging.Range) times {
	t := times{ok: true, strings: f.Min != nil || f.Max != nil, low: math.MinInt64, high: math.MaxInt64}
	read := func(v logging.Value) (int64, bool) {
		switch v.Kind {
		case logging.KindTime:
			if ns := nanos(v.Time); ns != math.MinInt64 && ns != math.MaxInt64 {
				return ns, true
			}
		case logging.KindInt:
			t.strings = false
			if v.Int > math.MinInt64/1_000_000 && v.Int < math.MaxInt64/1_000_000 {
				return v.Int * 1_000_000, true
			}
		case logging.KindString:
			t.none, t.strings = true, false
			return 0, true
		}
		return 0, false
	}
	if b := f.Min; b != nil {
		x, ok := read(b.Value)
		if !ok {
			return times{}
		}
		if !b.Inclusive {
			x++
		}
		t.low = x
	}
	if b := f.Max; b != nil {
		x, ok := read(b.Value)
		if !ok {
			return times{}
		}
		if !b.Inclusive {
			x--
		}
		t.high = x
	}
	return t
}

// texts is what a column of templates is asked for.
type texts struct {
	equal      bool   // exact strings: this value alone
	value      string //
	literal    string // exact strings: stands in them as it is spelled
	phrase     []string
	lastPrefix bool
	accept     func(token string) bool // where tokens tell
	token      logging.Literal         // in the token that matches
	whole      logging.Literal         // in the exact string that matches
}

func newTexts(f logging.Leaf) texts {
	t := texts{token: f.Literal(false), whole: f.Literal(true)}
	if accept, ok := f.TokenTest(); ok {
		t.accept = accept
	}
	switch f := f.(type) {
	case logging.Term:
		t.equal, t.value = !f.Fold, f.Text
		token := f.Text
		if f.Fold {
			token = text.Lower(token)
		}
		if isToken(token) {
			t.phrase = []string{token}
		}
	case logging.Phrase:
		if t.value = f.Raw; f.LastPrefix {
			t.literal = f.Raw
		} else {
			t.equal = true
		}
		if f.Slop == 0 && !slices.ContainsFunc(f.Tokens, func(k string) bool { return !isToken(k) }) {
			t.phrase, t.lastPrefix = f.Tokens, f.LastPrefix
		}
	case logging.Pattern:
		switch {
		case f.Fold:
		case f.Kind == logging.Prefix:
			t.literal = f.Text
		case f.Kind == logging.Wildcard && !strings.Contains(f.Text, `\`):
			for _, run := range strings.FieldsFunc(f.Text, func(r rune) bool { return r == '*' || r == '?' }) {
				if len(run) > len(t.literal) {
					t.literal = run
				}
			}
		case f.Kind == logging.Regexp:
			t.literal = spelledAs(f.Literal(true).Text, f.Text)
		}
	}
	return t
}

// spelledAs finds how an expression spells what every match has in it in some
// case: "" where that is not one place of the expression.
func spelledAs(literal, pattern string) string {
	low := text.Lower(pattern)
	if literal == "" || len(low) != len(pattern) || strings.Count(low, literal) != 1 {
		return ""
	}
	at := strings.Index(low, literal)
	return pattern[at : at+len(literal)]
}

// isToken reports whether a text is one token as the analyser gives it.
func isToken(s string) bool {
	tokens := logging.Analyze(s)
	return len(tokens) == 1 && tokens[0] == s
}
