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
	src := &s.sources[source]
	fields, ok := s.aggs.ByMinutes(logging.MinuteOf(src.TimeMin), logging.MinuteOf(src.TimeMax))
	if !ok {
		return of, nil
	}
	mask, byValue := labelsIn(s.q.Filter), ""
	for _, f := range fields {
		m := labelOf(f.Name)
		if m == 0 && byValue != "" && byValue != f.Name {
			return of, nil
		}
		if mask |= m; m == 0 {
			byValue = f.Name // the one field that is none of the labels
		}
	}
	if s.q.Indices != nil {
		mask |= segment.LabelIndex
	}
	if byValue != "" {
		return s.byValues(source, of, mask, byValue)
	}
	part, ok := s.parts[source].(minuteKeeper)
	if !ok || 2*len(of) < s.parts[source].Len() {
		return of, nil // of few blocks it is not worth counting all
	}
	known := part.Minutes(mask)
	if known == nil {
		return of, nil
	}
	return s.wholes(of, mask, func(l segment.Labels, mine []int) ([]int, error) {
		all := known[l]
		if all == nil || all.Counts == nil || all.Blocks != len(mine) {
			return nil, nil
		}
		s.eval.open(&of[mine[0]])
		s.counted += int64(all.Rows)
		return mine, s.addMinutes(all.Rows, all.Counts, nil)
	})
}

// labelsIn gives the labels that a filter looks at.
func labelsIn(f logging.Filter) (mask segment.LabelMask) {
	switch f := f.(type) {
	case logging.And:
		for _, p := range f {
			mask |= labelsIn(p)
		}
	case logging.Or:
		for _, p := range f.Of {
			mask |= labelsIn(p)
		}
	case logging.Not:
		mask = labelsIn(f.Of)
	case logging.Term:
		mask = labelOf(f.Field.Name)
	case logging.Phrase:
		mask = labelOf(f.Field.Name)
	case logging.Pattern:
		mask = labelOf(f.Field.Name)
	}
	return mask
}

// wholesTried is of how many blocks the filter must leave open whether every row
// matches before there is no hope that it will not of others.
const wholesTried = 64

// wholes gives the candidates of which every row matches to add, by the labels that
// count; add tells which of them it added. What is left comes back.
func (s *search) wholes(of []candidate, mask segment.LabelMask, add func(l segment.Labels, mine []int) ([]int, error)) ([]candidate, error) {
	groups := map[segment.Labels][]int{} // candidates of which every row matches
	done := make([]bool, len(of))
	open := 0 // of which it is not known without a look at their columns
	for i := range of {
		if open > wholesTried && len(groups) == 0 {
			break // as of a filter that looks for text
		}
		c := &of[i]
		v, err := s.verdict(c)
		switch {
		case err != nil:
			return nil, err
		case v == no:
			done[i] = true
		case v == yes && len(c.gaps) == 0:
			l := mask.Only(c.info.Labels)
			groups[l] = append(groups[l], i)
		default:
			open++
		}
	}
	for l, mine := range groups {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		added, err := add(l, mine)
		if err != nil {
			return nil, err
		}
		for _, i := range added {
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

// addMinutes aggregates rows of all blocks with the labels of the one that is open,
// which are alike in by, too, if there is one.
func (s *search) addMinutes(n int, minutes []segment.MinuteCount, by *alike) error {
	r := &minuteRows{rows: s.rowsOf(&s.eval), n: n, by: by, counts: s.minutes[:0]}
	for _, c := range minutes {
		r.counts = append(r.counts, logging.MinuteCount{Minute: c.Minute, Rows: int(c.Rows)})
	}
	s.minutes = r.counts
	return s.aggs.AddRows(r, nil)
}

// minuteRows are rows of which no more is known than their labels and minutes.
type minuteRows struct {
	*rows  // of one of the blocks, for labels alone
	n      int
	counts []logging.MinuteCount
	by     *alike
}

// alike is a field that has the same value in all rows, or in none.
type alike struct {
	field string
	value logging.Value // Missing: in none
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
	switch {
	case labelOf(f.Name) != 0:
		return r.rows.Codes(f)
	case r.by == nil || r.by.field != f.Name:
		return logging.Codes{}, false, errMinutes
	case r.by.value.Kind == logging.Missing:
		return logging.Codes{}, true, nil
	}
	return logging.Codes{Values: []logging.Value{r.by.value}}, true, nil
}

// Keyed implements logging.KeyedStrings.
func (r *minuteRows) Keyed(logging.Field) (logging.Keyed, bool, error) {
	return logging.Keyed{}, false, nil
}

// Sums implements logging.SumKeeper: those of one block say nothing here.
func (r *minuteRows) Sums(string) *logging.Sums { return nil }

// KeepSums implements logging.SumKeeper.
func (r *minuteRows) KeepSums(string, *logging.Sums) {}

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
