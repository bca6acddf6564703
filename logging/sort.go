package logging

import (
	"slices"
	"strings"
)

// SortValues gives the values a document sorts by, one a key: of several values
// of a field the least where ascending, the greatest where descending. Their
// strings are the document's.
func SortValues(d *Doc, keys []SortKey) []Value {
	out := make([]Value, len(keys))
	for i, k := range keys {
		if k.Field.Name == FieldTime {
			out[i] = Time(d.Record.Time)
			continue
		}
		vals := d.Values(k.Field)
		switch {
		case len(vals) == 0:
		case k.Desc:
			out[i] = slices.MaxFunc(vals, Compare)
		default:
			out[i] = slices.MinFunc(vals, Compare)
		}
	}
	return out
}

// CompareSort orders two hits by the values they sort by: negative where a
// comes first. Equal values give 0: the caller breaks ties by Seq, ascending,
// where no key is FieldSeq.
func CompareSort(keys []SortKey, a, b []Value) int {
	for i, k := range keys {
		x, y := a[i], b[i]
		if x.Kind == Missing || y.Kind == Missing {
			if x.Kind == y.Kind {
				continue
			}
			if (x.Kind == Missing) == k.MissingFirst {
				return -1
			}
			return 1
		}
		if c := Compare(x, y); c != 0 {
			if k.Desc {
				return -c
			}
			return c
		}
	}
	return 0
}

// ranked is a hit on its way into a result.
type ranked struct {
	keys []Value
	seq  uint64
	rec  *Record
	load func() (*Record, error) // gives rec where it is nil
}

// topK keeps the first k of what it is given, in a heap whose root is the worst kept.
type topK struct {
	keys []SortKey
	k    int
	heap []ranked
}

func (t *topK) less(a, b *ranked) bool {
	if c := CompareSort(t.keys, a.keys, b.keys); c != 0 {
		return c < 0
	}
	return a.seq < b.seq
}

func (t *topK) full() bool { return len(t.heap) >= t.k }

// admits reports whether a hit would be kept.
func (t *topK) admits(keys []Value, seq uint64) bool {
	if t.k == 0 || !t.full() {
		return t.k > 0
	}
	return t.less(&ranked{keys: keys, seq: seq}, &t.heap[0])
}

// add keeps what is admitted; gone is what it took the place of, if of anything.
func (t *topK) add(r ranked) (gone ranked) {
	if !t.full() {
		t.heap = append(t.heap, r)
		for i := len(t.heap) - 1; i > 0; {
			up := (i - 1) / 2
			if !t.less(&t.heap[up], &t.heap[i]) {
				break
			}
			t.heap[up], t.heap[i] = t.heap[i], t.heap[up]
			i = up
		}
		return ranked{}
	}
	gone, t.heap[0] = t.heap[0], r
	for i := 0; ; {
		worst := i
		for _, down := range [...]int{2*i + 1, 2*i + 2} {
			if down < len(t.heap) && t.less(&t.heap[worst], &t.heap[down]) {
				worst = down
			}
		}
		if worst == i {
			return gone
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}

// hits gives what was kept, in order, without the first offset of it. What is
// loaded is held.
func (t *topK) hits(offset int, b *aggBounds) ([]Hit, error) {
	slices.SortFunc(t.heap, func(x, y ranked) int {
		if t.less(&x, &y) {
			return -1
		}
		return 1
	})
	if offset >= len(t.heap) {
		return nil, nil
	}
	hits := make([]Hit, 0, len(t.heap)-offset)
	for _, r := range t.heap[offset:] {
		if r.rec == nil {
			var err error
			if r.rec, err = r.load(); err != nil {
				return nil, err
			}
			if err := b.hold(recordBytes(r.rec), "hits", ""); err != nil {
				return nil, err
			}
		}
		hits = append(hits, Hit{Record: *r.rec, Sort: r.keys})
	}
	return hits, nil
}

// cloneKeys copies values with their strings.
func cloneKeys(keys []Value) []Value {
	out := make([]Value, len(keys))
	for i, v := range keys {
		v.Str = strings.Clone(v.Str)
		out[i] = v
	}
	return out
}

func recordBytes(r *Record) int { return len(r.Source) + len(r.Message) }
