package scan

import (
	"cmp"
	"math"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// hit is a row on its way into the result.
type hit struct {
	keys []logging.Value // of rows that are ordered by place: nil until they have won
	lead int64           // of what is ordered by place: its time or seq
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

	// byPlace: hits are ordered by time, by seq, or by time and seq, as nearly all are.
	// Numbers tell then, and only the winners get values to sort by.
	byPlace       bool
	desc, seqDesc bool
}

func newTopK(q *logging.Query) topK {
	t := topK{keys: q.Sort, after: q.After}
	if q.Limit > 0 {
		t.k = q.Limit + q.Offset
	}
	l, desc := t.by()
	switch {
	case l == leadNone || len(t.keys) > 2:
	case len(t.keys) == 1:
		t.byPlace, t.desc = true, desc
	case l == leadTime && t.keys[1].Field.Name == logging.FieldSeq:
		t.byPlace, t.desc, t.seqDesc = true, desc, t.keys[1].Desc
	}
	return t
}

// values appends what a hit sorts by, where it is ordered by place.
func (t *topK) values(dst []logging.Value, lead int64, seq uint64) []logging.Value {
	l, _ := t.by()
	if l == leadTime {
		dst = append(dst, logging.Time(time.Unix(0, lead)))
	}
	if l == leadSeq || len(t.keys) > 1 {
		dst = append(dst, logging.Int(int64(seq)))
	}
	return dst
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
		switch worst := &t.heap[0]; {
		case t.byPlace:
			far = worst.lead
		case l == leadTime:
			far = worst.keys[0].Time.UnixNano()
		default:
			far = worst.keys[0].Int
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
	if t.byPlace {
		c, tie := cmp.Compare(a.lead, b.lead), cmp.Compare(a.seq, b.seq)
		if t.desc {
			c = -c
		}
		if t.seqDesc {
			tie = -tie
		}
		return cmp.Or(c, tie)
	}
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
	if l, _ := t.by(); l == leadTime {
		h.lead = nanos(d.Record.Time)
	} else {
		h.lead = int64(h.seq)
	}
	if t.wants(&h) {
		t.add(h)
	}
}
