package scan

import (
	"math"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// valueKeeper is a part that keeps how many rows with which value of a field lie in
// which minute.
type valueKeeper interface {
	ByValue(mask segment.LabelMask, l segment.Labels, field string) *segment.ByValue
	KeepByValue(mask segment.LabelMask, l segment.Labels, field string, of *segment.ByValue)
}

// Rows are counted by minute and value where there are so few values in a block,
// within so many minutes.
const (
	minuteValuesMax = 16
	minuteSpanMax   = 1 << 13
)

// byValues is byMinutes where rows have to be alike in a field, too, that has several
// values in a block, such as the level.
func (s *search) byValues(source int, of []candidate, mask segment.LabelMask, field string) ([]candidate, error) {
	part, ok := s.parts[source].(valueKeeper)
	if !ok {
		return of, nil
	}
	blocks := map[segment.Labels]int{}
	for i := range s.parts[source].Len() {
		if in := s.parts[source].BlockInfo(i); in.Rows > 0 {
			blocks[mask.Only(in.Labels)]++
		}
	}
	return s.wholes(of, mask, func(l segment.Labels, mine []int) ([]int, error) {
		if blocks[l] != len(mine) {
			return nil, nil
		}
		known := part.ByValue(mask, l, field)
		if known == nil {
			var err error
			if known, err = s.countValues(of, mine, field); err != nil {
				return nil, err
			}
			part.KeepByValue(mask, l, field, known)
		}
		if known.Blocks != len(mine) {
			return nil, nil // one of them was found damaged since
		}
		mine = slices.DeleteFunc(mine, func(i int) bool {
			_, other := slices.BinarySearch(known.Others, of[i].block)
			return other
		})
		if len(mine) == 0 {
			return nil, nil
		}
		s.eval.open(&of[mine[0]])
		for i := range known.Values {
			v := &known.Values[i]
			s.counted += int64(v.Rows)
			if err := s.addMinutes(v.Rows, v.Counts, &alike{field, v.Value}); err != nil {
				return nil, err
			}
		}
		return mine, nil
	})
}

// countValues counts all rows of candidates by minute and by the value of a field.
func (s *search) countValues(of []candidate, mine []int, field string) (*segment.ByValue, error) {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for _, i := range mine {
		from, to = min(from, logging.MinuteOf(of[i].info.TimeMin)), max(to, logging.MinuteOf(of[i].info.TimeMax))
	}
	out := &segment.ByValue{Blocks: len(mine)}
	by := map[string][]uint32{} // by value; "" is none
	e := &s.eval
	for _, i := range mine {
		if err := s.wanted(); err != nil {
			return nil, err
		}
		e.open(&of[i])
		ok := to-from < minuteSpanMax && e.info.Shape != nil && s.countBlock(by, field, from, to)
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		if !ok {
			out.Others = append(out.Others, of[i].block)
		}
	}
	for v, dense := range by {
		one := segment.ValueMinutes{}
		if v != "" {
			one.Value = logging.String(v)
		}
		for i, n := range dense {
			if n > 0 {
				one.Rows += int(n)
				one.Counts = append(one.Counts, segment.MinuteCount{Minute: from + int64(i), Rows: n})
			}
		}
		one.Counts = slices.Clip(one.Counts)
		out.Values = append(out.Values, one)
	}
	slices.Sort(out.Others)
	slices.SortFunc(out.Values, func(a, b segment.ValueMinutes) int { return strings.Compare(a.Value.Str, b.Value.Str) })
	return out, nil
}

// countBlock counts the rows of the block that is open; false where that cannot be. A
// block that does not read says so to whoever looks at it next.
func (s *search) countBlock(by map[string][]uint32, field string, from, to int64) bool {
	e := &s.eval
	codes, ok, err := s.rowsOf(e).Codes(logging.Field{Name: field})
	if !ok || err != nil || e.cols.err() != nil {
		return false
	}
	times, err := e.block.Times()
	if err != nil || logging.MinuteOf(slices.Min(times)) < from || logging.MinuteOf(slices.Max(times)) > to {
		return false
	}
	return countByMinute(by, codes, times, from, int(to-from)+1)
}

// countByMinute adds rows to the counts, all of them or none; false where they cannot
// be counted so.
func countByMinute(by map[string][]uint32, codes logging.Codes, times []int64, from int64, span int) bool {
	none := len(codes.Values)
	if none > minuteValuesMax || len(by)+none > 2*minuteValuesMax {
		return false
	}
	of := make([][]uint32, none+1)
	for _, v := range codes.Values {
		if v.Kind != logging.KindString || v.Str == "" {
			return false
		}
	}
	for row, ns := range times {
		code := 0
		if codes.Of != nil {
			code = min(none, int(codes.Of[row]))
		}
		if of[code] == nil {
			v := ""
			if code < none {
				v = codes.Values[code].Str
			}
			if by[v] == nil {
				by[strings.Clone(v)] = make([]uint32, span)
			}
			of[code] = by[v]
		}
		of[code][logging.MinuteOf(ns)-from]++
	}
	return true
}
