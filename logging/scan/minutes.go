package scan

import (
	"errors"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// minuteKeeper is a part that knows how many of its rows lie in which minute.
type minuteKeeper interface {
	Minutes(mask segment.LabelMask) map[segment.Labels]*segment.Minutes
}

// byMinutes aggregates the blocks of a source of which every row matches by what
// the part knows of their minutes, where that is all that the aggregations need:
// all blocks with the same labels at once. It gives the blocks that are left.
func (s *search) byMinutes(source int, of []candidate) ([]candidate, error) {
	if s.aggs == nil || s.top.k > 0 || len(of) < 2 {
		return of, nil
	}
	part, ok := s.parts[source].(minuteKeeper)
	if !ok || 2*len(of) < s.parts[source].Len() {
		return of, nil // of few blocks it is not worth counting all
	}
	src := &s.sources[source]
	fields, ok := s.aggs.ByMinutes(logging.MinuteOf(src.TimeMin), logging.MinuteOf(src.TimeMax))
	if !ok {
		return of, nil
	}
	var mask segment.LabelMask
	for _, f := range fields {
		m := labelOf(f.Name)
		if m == 0 {
			return of, nil
		}
		mask |= m
	}
	known := part.Minutes(mask)
	if known == nil {
		return of, nil
	}
	groups := map[segment.Labels][]int{} // candidates of which every row matches
	for i := range of {
		c := &of[i]
		if len(c.gaps) > 0 {
			continue
		}
		v, err := s.verdict(c)
		if err != nil {
			return nil, err
		}
		if v == yes {
			l := mask.Only(c.info.Labels)
			groups[l] = append(groups[l], i)
		}
	}
	done := make([]bool, len(of))
	for l, blocks := range groups {
		all := known[l]
		if all == nil || all.Counts == nil || all.Blocks != len(blocks) {
			continue
		}
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		s.eval.open(&of[blocks[0]])
		if err := s.addMinutes(all); err != nil {
			return nil, err
		}
		s.counted += int64(all.Rows)
		for _, i := range blocks {
			done[i] = true
		}
	}
	left := of[:0]
	for i := range of {
		if !done[i] {
			left = append(left, of[i])
		}
	}
	return left, nil
}

// labelOf gives the label that a field is in every document; 0 where there is none.
func labelOf(name string) segment.LabelMask {
	switch name {
	case fieldIndex:
		return segment.LabelIndex
	case "cluster":
		return segment.LabelCluster
	case "region":
		return segment.LabelRegion
	case "cloud":
		return segment.LabelCloud
	case "namespace", "kubernetes.namespace_name":
		return segment.LabelNamespace
	case "container", "kubernetes.container_name":
		return segment.LabelContainer
	}
	return 0
}

// verdict tells what is known of the query's filter in a block.
func (s *search) verdict(c *candidate) (verdict, error) {
	e := &s.eval
	e.open(c)
	if len(e.plans) < s.nodes {
		e.plans = append(e.plans, make([]plan, s.nodes-len(e.plans))...)
	}
	return e.plan(s.root)
}

// addMinutes aggregates the rows of all blocks with the labels of the one that is
// open.
func (s *search) addMinutes(of *segment.Minutes) error {
	r := &minuteRows{rows: s.rowsOf(&s.eval), n: of.Rows}
	for _, c := range of.Counts {
		r.counts = append(r.counts, logging.MinuteCount{Minute: c.Minute, Rows: int(c.Rows)})
	}
	return s.aggs.AddRows(r, nil)
}

// minuteRows are rows of which no more is known than their labels and minutes.
type minuteRows struct {
	*rows  // of one of the blocks, for labels alone
	n      int
	counts []logging.MinuteCount
}

var (
	_ logging.Rows          = (*minuteRows)(nil)
	_ logging.MinuteCounter = (*minuteRows)(nil)
)

// errMinutes is what minuteRows says when asked for more; nobody does.
var errMinutes = errors.New("rows are known by minute alone")

// Len implements logging.Rows.
func (r *minuteRows) Len() int { return r.n }

// MinuteCounts implements logging.MinuteCounter.
func (r *minuteRows) MinuteCounts() ([]logging.MinuteCount, bool, error) { return r.counts, true, nil }

// Codes implements logging.Rows.
func (r *minuteRows) Codes(f logging.Field) (logging.Codes, bool, error) {
	if labelOf(f.Name) == 0 {
		return logging.Codes{}, false, errMinutes
	}
	return r.rows.Codes(f)
}

// Keyed implements logging.KeyedStrings.
func (r *minuteRows) Keyed(logging.Field) (logging.Keyed, bool, error) {
	return logging.Keyed{}, false, nil
}

// Doc implements logging.Rows.
func (r *minuteRows) Doc(int) (*logging.Doc, error) { return nil, errMinutes }

// Strings implements logging.Rows.
func (r *minuteRows) Strings(logging.Field) (logging.Strings, bool, error) {
	return logging.Strings{}, false, errMinutes
}

// Numbers implements logging.Rows.
func (r *minuteRows) Numbers(logging.Field) (logging.Numbers, bool, error) {
	return logging.Numbers{}, false, errMinutes
}

// Times implements logging.Rows.
func (r *minuteRows) Times(logging.Field) (logging.Times, bool, error) {
	return logging.Times{}, false, errMinutes
}

// Hashes implements logging.Rows.
func (r *minuteRows) Hashes(logging.Field) ([]uint64, bool, error) { return nil, false, errMinutes }

// Select implements logging.Rows.
func (r *minuteRows) Select(dst []uint32, _ logging.Filter, _ []uint32) ([]uint32, bool, error) {
	return dst, false, errMinutes
}
