package scan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// hit is a row on its way into the result.
type hit struct {
	keys []logging.Value
	seq  uint64
	rec  *logging.Record // of loose records, else
	at   place
}

// place is where a row is.
type place struct{ part, block, row int }

// topK keeps the first k hits of what it is given, in a heap whose root is the
// worst kept.
type topK struct {
	keys  []logging.SortKey
	k     int
	after []logging.Value
	heap  []hit
}

// lead is what the first sort key is, where blocks have bounds of it.
type lead uint8

const (
	leadNone lead = iota
	leadTime
	leadSeq
)

// by gives the lead, and its direction.
func (t *topK) by() (l lead, desc bool) {
	if len(t.keys) == 0 {
		return leadNone, false
	}
	switch k := t.keys[0]; k.Field.Name {
	case logging.FieldTime:
		return leadTime, k.Desc
	case logging.FieldSeq:
		return leadSeq, k.Desc
	}
	return leadNone, false
}

// bounds gives the least and the greatest of the lead among a block's rows.
func (l lead) bounds(in *segment.Info) (low, high int64) {
	if l == leadSeq {
		return int64(in.SeqMin), int64(in.SeqMax)
	}
	return in.TimeMin, in.TimeMax
}

// boundsOf is bounds of a source's rows.
func (l lead) boundsOf(src *Source) (low, high int64) {
	if l == leadSeq {
		return int64(src.SeqMin), int64(src.SeqMax)
	}
	return src.TimeMin, src.TimeMax
}

func (t *topK) full() bool { return len(t.heap) >= t.k }

// span gives the times or seqs, inclusive, that hits may have which are still
// wanted.
func (t *topK) span() (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	l, desc := t.by()
	if l == leadNone {
		return low, high
	}
	near, far := int64(math.MinInt64), int64(math.MaxInt64) // in the order of the query
	if t.after != nil {
		switch v := t.after[0]; {
		case l == leadSeq:
			if v.Kind == logging.KindInt {
				near = v.Int
			}
		case v.Kind == logging.KindTime:
			near = nanos(v.Time)
		case v.Kind == logging.KindInt && v.Int > math.MinInt64/1_000_000 && v.Int < math.MaxInt64/1_000_000:
			near = v.Int * 1_000_000 // a number beside a time counts as milliseconds
		}
	}
	if t.k > 0 && t.full() {
		if far = t.heap[0].keys[0].Int; l == leadTime {
			far = t.heap[0].keys[0].Time.UnixNano()
		}
	}
	if !desc {
		return near, far
	}
	if near == math.MinInt64 {
		near = math.MaxInt64
	}
	if far == math.MaxInt64 {
		far = math.MinInt64
	}
	return far, near
}

// beyond reports whether none of the times or seqs, inclusive, is wanted.
func (t *topK) beyond(low, high int64) bool {
	from, to := t.span()
	return high < from || low > to
}

func (t *topK) compare(a, b *hit) int {
	if c := logging.CompareSort(t.keys, a.keys, b.keys); c != 0 {
		return c
	}
	return cmp.Compare(a.seq, b.seq)
}

// wants reports whether a hit would be kept. Its keys may be changed afterwards.
func (t *topK) wants(h *hit) bool {
	if t.after != nil && logging.CompareSort(t.keys, h.keys, t.after) <= 0 {
		return false
	}
	return len(t.heap) < t.k || t.compare(h, &t.heap[0]) < 0
}

// add keeps a hit that is wanted.
func (t *topK) add(h hit) {
	if len(t.heap) < t.k {
		t.heap = append(t.heap, h)
		for i := len(t.heap) - 1; i > 0; {
			up := (i - 1) / 2
			if t.compare(&t.heap[up], &t.heap[i]) >= 0 {
				break
			}
			t.heap[up], t.heap[i] = t.heap[i], t.heap[up]
			i = up
		}
		return
	}
	t.heap[0] = h
	for i := 0; ; {
		worst := i
		for _, down := range [...]int{2*i + 1, 2*i + 2} {
			if down < len(t.heap) && t.compare(&t.heap[worst], &t.heap[down]) < 0 {
				worst = down
			}
		}
		if worst == i {
			return
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}

func (t *topK) addDoc(d *logging.Doc) {
	h := hit{keys: logging.SortValues(d, t.keys), seq: d.Record.Seq, rec: d.Record}
	if t.wants(&h) {
		t.add(h)
	}
}

// hits looks for hits among rows of a block.
func (s *search) hits(e *eval, c *candidate, sel []uint32) error {
	keys, err := e.sortKeys(s.q.Sort)
	if err != nil {
		return err
	}
	times, err := e.block.Times()
	if err != nil {
		return err
	}
	l, desc := s.top.by()
	low, high := s.top.span()
	var seqs []uint64 // read when a row may be a hit
	scratch := make([]logging.Value, len(s.q.Sort))
	for n := range sel {
		row := int(sel[n])
		if desc { // the newest first: they push the others out
			row = int(sel[len(sel)-1-n])
		}
		switch l {
		case leadTime:
			if t := times[row]; t < low || t > high {
				if e.info.Sorted && (desc && t < low || !desc && t > high) {
					return nil
				}
				continue
			}
		case leadSeq:
			if seqs == nil {
				if seqs, err = e.block.Seqs(); err != nil {
					return err
				}
			}
			if x := int64(seqs[row]); x < low || x > high {
				continue
			}
		}
		if len(s.q.Sort) > 1 || l == leadNone {
			if err := e.tick(8); err != nil {
				return err
			}
		}
		if seqs == nil {
			if seqs, err = e.block.Seqs(); err != nil {
				return err
			}
		}
		h := hit{keys: scratch, seq: seqs[row]}
		for k := range keys {
			if scratch[k], err = keys[k](row); err != nil {
				return err
			}
		}
		if !s.top.wants(&h) {
			continue
		}
		h.keys = slices.Clone(scratch)
		h.at = place{e.part, e.at, row}
		s.top.add(h)
		low, high = s.top.span()
	}
	return nil
}

// sortKeys gives for each key the function from rows to what they sort by. The
// values' strings are of memory that stays.
func (e *eval) sortKeys(keys []logging.SortKey) ([]func(row int) (logging.Value, error), error) {
	out := make([]func(int) (logging.Value, error), len(keys))
	for i, k := range keys {
		if k.Field.Name == logging.FieldTime {
			times, err := e.block.Times()
			if err != nil {
				return nil, err
			}
			out[i] = func(row int) (logging.Value, error) { return logging.Time(time.Unix(0, times[row])), nil }
			continue
		}
		sources, ok := e.sources(nil, k.Field, false)
		if !ok {
			out[i] = func(row int) (logging.Value, error) {
				d, err := e.document(row)
				if err != nil {
					return logging.Value{}, err
				}
				return k.SortValue(d.Values(k.Field)), nil
			}
			continue
		}
		var vals []logging.Value
		out[i] = func(row int) (v logging.Value, err error) {
			vals, err = e.values(vals[:0], sources, row)
			return k.SortValue(vals), err
		}
	}
	return out, nil
}

// values appends the values of a row of a field.
func (e *eval) values(dst []logging.Value, sources []source, row int) ([]logging.Value, error) {
	for i := range sources {
		src := &sources[i]
		if src.only != always {
			ok, err := e.countsIn(src, row)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		v, err := e.value(src, row)
		if err != nil {
			return nil, err
		}
		if v.Kind != logging.Missing {
			dst = append(dst, v)
		}
	}
	return dst, nil
}

// value gives the value of a source in a row; it may be missing.
func (e *eval) value(src *source, row int) (v logging.Value, err error) {
	var at []int64
	switch src.kind {
	case fromLabel:
		return logging.String(src.text), nil
	case fromStamp:
		c, err := e.cols.stamped(e, src.stamp)
		if err != nil {
			return v, err
		}
		if s := c.String(row); s != "" {
			return logging.String(s), nil
		}
		return v, nil
	case fromTime:
		at, err = e.block.Times()
	case fromReceived:
		at, err = e.block.Received()
	case fromSeq:
		seqs, err := e.block.Seqs()
		if err != nil {
			return v, err
		}
		return logging.Int(int64(seqs[row])), nil
	case fromID:
		id, err := e.idOf()
		if err != nil {
			return v, err
		}
		return logging.String(id(row)), nil
	default:
		c, err := e.cols.own(e, src.hole)
		if err != nil {
			return v, err
		}
		return c.Value(row), nil
	}
	if err != nil {
		return v, err
	}
	return logging.Time(time.Unix(0, at[row])), nil
}

// hitBytes is what a hit takes beside its document and message, about.
const hitBytes = 512

// Hits of a block are rebuilt so many at a time, or as many as have so many bytes.
const (
	hitsAtOnce      = 64
	hitsBytesAtOnce = 1 << 20
)

// winners rebuilds the hits that are returned.
func (s *search) winners() ([]logging.Hit, error) {
	t := &s.top
	slices.SortFunc(t.heap, func(a, b hit) int { return t.compare(&a, &b) })
	if s.q.Offset >= len(t.heap) {
		return nil, nil
	}
	heap := t.heap[s.q.Offset:]
	out := make([]logging.Hit, len(heap))
	order := make([]int, 0, len(heap)) // by place, so that a block is opened once
	for i := range heap {
		out[i].Sort = heap[i].keys
		if rec := heap[i].rec; rec != nil {
			out[i].Record = *rec
			continue
		}
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := heap[a].at, heap[b].at
		return cmp.Or(cmp.Compare(x.part, y.part), cmp.Compare(x.block, y.block), cmp.Compare(x.row, y.row))
	})
	var (
		rows  []int
		to    []*logging.Record
		bytes int64
	)
	for len(order) > 0 {
		at := heap[order[0]].at
		block := s.parts[at.part].Block(at.block)
		in := block.Info()
		most := max(1, min(hitsAtOnce, hitsBytesAtOnce*int64(in.Rows)/max(in.SourceBytes, 1)))
		for len(order) > 0 && heap[order[0]].at.part == at.part && heap[order[0]].at.block == at.block {
			if err := s.wanted(); err != nil {
				return nil, err
			}
			rows, to = rows[:0], to[:0]
			for _, i := range order {
				if x := heap[i].at; x.part != at.part || x.block != at.block || int64(len(rows)) == most {
					break
				}
				rows, to = append(rows, heap[i].at.row), append(to, &out[i].Record)
			}
			order = order[len(rows):]
			if err := block.Records(rows, to); err != nil {
				return nil, err
			}
			for _, rec := range to {
				bytes += int64(hitBytes + len(rec.Source) + len(rec.Message))
			}
			if bytes > s.q.MemoryMax {
				return nil, fmt.Errorf("%w: hits: the query needs more than %d bytes of memory: ask for fewer at a time", logging.ErrQuery, s.q.MemoryMax)
			}
		}
	}
	return out, nil
}
