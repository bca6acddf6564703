package scan

import (
	"slices"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// verdict is what is known of a filter in a block before a column is decoded.
type verdict uint8

const (
	maybe verdict = iota
	no
	yes
)

// plan is what a node does in one block.
type plan struct {
	verdict verdict
	cost    int
	docs    bool // only documents tell
	sources []source
	order   []*node // of an And: cheapest first
}

// The cost of finding out, by a rough measure of bytes touched.
const (
	costTimes   = 2
	costNumbers = 3
	costDict    = 4
	costIDs     = 8
	costStrings = 40
	costText    = 60
	costDocs    = 10_000
)

// plan decides what it can from the block's header and finds the columns for the rest.
func (e *eval) plan(n *node) (verdict, error) {
	p := &e.plans[n.id]
	p.verdict, p.cost, p.docs, p.sources, p.order = maybe, 0, false, p.sources[:0], p.order[:0]
	var err error
	switch n.kind {
	case nodeAll:
		p.verdict = yes
	case nodeNone:
		p.verdict = no
	case nodeAnd:
		p.verdict = yes
		for _, k := range n.kids {
			v, err := e.plan(k)
			if err != nil {
				return maybe, err
			}
			switch v {
			case no:
				p.verdict = no
				return no, nil
			case maybe:
				p.verdict = maybe
				p.cost += e.plans[k.id].cost
				p.order = append(p.order, k)
			}
		}
		slices.SortStableFunc(p.order, func(a, b *node) int { return e.plans[a.id].cost - e.plans[b.id].cost })
	case nodeOr:
		want, left := n.min, 0
		for _, k := range n.kids {
			v, err := e.plan(k)
			if err != nil {
				return maybe, err
			}
			switch v {
			case yes:
				want--
			case maybe:
				left++
				p.cost += e.plans[k.id].cost
			}
		}
		if want <= 0 {
			p.verdict = yes
		} else if left < want {
			p.verdict = no
		}
	case nodeNot:
		v, err := e.plan(n.kids[0])
		if err != nil {
			return maybe, err
		}
		p.cost = e.plans[n.kids[0].id].cost
		switch v {
		case yes:
			p.verdict = no
		case no:
			p.verdict = yes
		}
	case nodeIDs:
		p.verdict, p.cost = no, costDict
		for _, id := range n.ids {
			if id.derived && e.info.SeqMin <= id.seq && id.seq <= e.info.SeqMax || e.info.Given > 0 {
				p.verdict = maybe
			}
		}
	case nodeLeaf:
		err = e.planLeaf(n, p)
	case nodeExists:
		e.planExists(n, p)
	default:
		p.docs, p.cost = true, costDocs
	}
	return p.verdict, err
}

func (e *eval) planLeaf(n *node, p *plan) error {
	l := n.leaf
	all, ok := e.sources(p.sources, l.field, true)
	if !ok {
		p.docs, p.cost = true, costDocs
		return nil
	}
	p.verdict = no
	kept := all[:0]
	for _, src := range all {
		v, cost, err := e.planSource(l, src)
		if err != nil {
			return err
		}
		if v == no {
			continue
		}
		if v == yes && src.only == always {
			p.verdict, p.sources = yes, kept
			return nil
		}
		p.verdict = maybe
		p.cost += cost
		kept = append(kept, src)
	}
	p.sources = kept
	return nil
}

// planSource decides what it can of one source.
func (e *eval) planSource(l *leaf, src source) (verdict, int, error) {
	switch src.kind {
	case fromLabel:
		if l.test(logging.String(src.text), src.exact) {
			return yes, 0, nil
		}
		return no, 0, nil
	case fromStamp:
		if src.stamp == segment.StampMessage {
			return maybe, costText, nil
		}
		return maybe, costDict, nil
	case fromTime:
		return l.times.within(e.info.TimeMin, e.info.TimeMax), costTimes, nil
	case fromReceived:
		return maybe, costTimes, nil
	case fromSeq:
		if !l.num.ok {
			return maybe, costTimes, nil
		}
		return l.num.withinInts(int64(e.info.SeqMin), int64(e.info.SeqMax)), costTimes, nil
	case fromID:
		return maybe, costStrings, nil
	}
	return e.planHole(l, src)
}

func (e *eval) planHole(l *leaf, src source) (verdict, int, error) {
	switch kind := e.block.OwnKind(src.hole); kind {
	case segment.KindInts, segment.KindDecimal:
		if !l.num.ok {
			return maybe, costStrings, nil
		}
		if l.num.none || l.num.noInts && kind == segment.KindInts {
			return no, 0, nil
		}
		if low, high, ok := e.block.NumberRange(src.hole); ok {
			if high < l.num.lowFloat || low > l.num.highFloat {
				return no, 0, nil
			}
			if low > l.num.lowFloat && high < l.num.highFloat {
				return yes, 0, nil
			}
		}
		return maybe, costNumbers, nil
	case segment.KindSpelled, segment.KindBool, segment.KindDict:
		return maybe, costDict, nil
	case segment.KindIDs:
		needle := l.tokenID
		if src.exact {
			needle = l.exactID
		}
		if needle == "" {
			return maybe, costStrings, nil
		}
		in, err := e.s.findID(l, e.part, needle)
		if err != nil {
			return maybe, 0, err
		}
		switch {
		case !in.known && src.exact:
			return no, 0, nil // these columns hold nothing but ids
		case !in.known:
			return maybe, costStrings, nil
		}
		if _, ok := slices.BinarySearch(in.blocks, uint32(e.at)); !ok {
			return no, 0, nil
		}
		return maybe, costIDs, nil
	case segment.KindTimes:
		return maybe, costStrings, nil
	case segment.KindText:
		return maybe, costText, nil
	}
	return maybe, costStrings, nil
}

// planExists says where a field has a value. Values of documents always are
// ones, stamped strings where they are not empty.
func (e *eval) planExists(n *node, p *plan) {
	f := n.leaf.field
	all, ok := e.sources(p.sources, f, false)
	if !ok {
		p.docs, p.cost = true, costDocs
		return
	}
	wide := isWide(f.Name)
	if e.layout != nil {
		for _, name := range e.layout.names {
			_, _, _, stamped := label(e.info, name)
			switch {
			case wide && stamped && isAlias(name) && logging.NameFits(f.Name, name):
				p.verdict = yes // Doc lists a sender's alias whatever was stamped
			case wide:
			case stamped && isAlias(name) && below(name, f.Name):
				p.verdict = yes
			case stamped && below(exported+name, f.Name):
				all = e.exported(all, f, name, exported+name)
			case !stamped && below(name, f.Name) && !isMeta(name):
				p.verdict = yes
			}
		}
	}
	if p.verdict == yes {
		return
	}
	p.verdict = no
	kept := all[:0]
	for _, src := range all {
		if src.only == always && src.kind != fromStamp {
			p.verdict = yes
			return
		}
		p.verdict = maybe
		p.cost += costDict
		kept = append(kept, src)
	}
	p.sources = kept
}

// below reports whether a name lies below the object of another.
func below(name, object string) bool {
	return len(name) > len(object) && name[:len(object)] == object && name[len(object)] == '.'
}

func isMeta(name string) bool {
	switch name {
	case logging.FieldTime, logging.FieldReceived, logging.FieldSeq, fieldIndex, fieldID:
		return true
	}
	return false
}

// within says what of a span of times matches.
func (t *times) within(low, high int64) verdict {
	switch {
	case !t.ok:
		return maybe
	case t.none || t.low > t.high || t.low > high || t.high < low:
		return no
	case t.low <= low && high <= t.high:
		return yes
	}
	return maybe
}

func (n *numbers) withinInts(low, high int64) verdict {
	switch {
	case n.none || n.noInts || n.low > high || n.high < low:
		return no
	case n.low <= low && high <= n.high:
		return yes
	}
	return maybe
}
