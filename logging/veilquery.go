package logging

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/oriel-project/oriel/tenant"
)

// Searcher makes a searcher that shows numbers and ids in place of positions and
// takes them in queries. What could tell positions otherwise is refused with
// ErrQuery: patterns and ranges of ids, sorting and grouping by them.
func (v *Veil) Searcher(s Searcher) Searcher {
	if v == nil {
		return s
	}
	return &veiled{v, s}
}

type veiled struct {
	veil *Veil
	next Searcher
}

// Snapshot implements Searcher.
func (s *veiled) Snapshot(ctx context.Context, r tenant.Read) (View, error) {
	v, err := s.next.Snapshot(ctx, r)
	if err != nil {
		return nil, err
	}
	return &veiledView{v, s.veil}, nil
}

// Tail implements Searcher.
func (s *veiled) Tail(ctx context.Context, r tenant.Read, f Filter) iter.Seq2[Record, error] {
	f, err := s.veil.Filter(f)
	if err != nil {
		return func(yield func(Record, error) bool) { yield(Record{}, err) }
	}
	heard := s.next.Tail(ctx, r, f)
	return func(yield func(Record, error) bool) {
		for rec, err := range heard {
			s.veil.Show(&rec)
			if !yield(rec, err) {
				return
			}
		}
	}
}

type veiledView struct {
	View
	veil *Veil
}

// Get implements View.
func (w *veiledView) Get(ctx context.Context, index, id string) (Record, bool, error) {
	rec, ok, err := w.View.Get(ctx, index, w.veil.StoredID(id))
	if ok {
		w.veil.Show(&rec)
	}
	return rec, ok, err
}

// Search implements View.
func (w *veiledView) Search(ctx context.Context, q Query) (*Result, error) {
	var err error
	if q.Filter, err = w.veil.Filter(q.Filter); err != nil {
		return nil, err
	}
	if err := checkSort(q.Sort); err != nil {
		return nil, err
	}
	if q.Aggs, err = w.veil.aggs(q.Aggs); err != nil {
		return nil, err
	}
	if q.After != nil {
		q.After = slices.Clone(q.After)
		for i := range min(len(q.After), len(q.Sort)) {
			if a := &q.After[i]; q.Sort[i].Field.Name == FieldSeq && a.Kind == KindInt && a.Int > 0 {
				a.Int = int64(w.veil.Seq(uint64(a.Int)))
			}
		}
	}
	res, err := w.View.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	w.veil.showHits(res.Hits, q.Sort)
	w.veil.showAggs(res.Aggs, q.Aggs)
	return res, nil
}

func (v *Veil) showHits(hits []Hit, sort []SortKey) {
	for i := range hits {
		h := &hits[i]
		seq := h.Record.Seq
		v.Show(&h.Record)
		for k := range min(len(h.Sort), len(sort)) {
			if s := &h.Sort[k]; sort[k].Field.Name == FieldSeq && s.Kind == KindInt {
				if uint64(s.Int) == seq {
					s.Int = int64(h.Record.Seq)
				} else {
					s.Int = int64(v.Shown(uint64(s.Int)))
				}
			}
		}
	}
}

func (v *Veil) showAggs(of map[string]AggResult, aggs []Agg) {
	for _, a := range aggs {
		r, ok := of[a.Name]
		if !ok {
			continue
		}
		if top, ok := a.Of.(TopHits); ok {
			v.showHits(r.Hits, top.Sort)
		}
		if len(a.Sub) == 0 {
			continue
		}
		v.showAggs(r.Sub, a.Sub)
		for i := range r.Buckets {
			v.showAggs(r.Buckets[i].Sub, a.Sub)
		}
	}
}

// Filter gives a filter on what is stored from one on what is shown.
func (v *Veil) Filter(f Filter) (Filter, error) {
	if v == nil {
		return f, nil
	}
	var err error
	switch f := f.(type) {
	case And:
		out := make(And, len(f))
		for i := range f {
			if out[i], err = v.Filter(f[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case Or:
		out := Or{Of: make([]Filter, len(f.Of)), Min: f.Min}
		for i := range f.Of {
			if out.Of[i], err = v.Filter(f.Of[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case Not:
		f.Of, err = v.Filter(f.Of)
		return f, err
	case IDs:
		out := make(IDs, len(f))
		for i, id := range f {
			out[i] = v.StoredID(id)
		}
		return out, nil
	case Leaf:
		switch f.Of().Name {
		case fieldID:
			return v.byID(f)
		case FieldSeq:
			return v.bySeq(f)
		}
	}
	return f, nil
}

// byID maps a filter on ids, which are compared as a whole.
func (v *Veil) byID(f Leaf) (Filter, error) {
	switch f := f.(type) {
	case Exists:
		return f, nil
	case Term:
		if !f.Fold {
			f.Text = v.StoredID(f.Text)
			return f, nil
		}
	case Phrase:
		if !f.LastPrefix {
			return Term{Field: f.Field, Text: v.StoredID(f.Raw)}, nil
		}
	}
	return nil, fmt.Errorf("%w: [_id] is compared as a whole: use a term or ids query", ErrQuery)
}

// bySeq maps a filter on a number. Ranges are refused: where a number that was
// never shown lies among the records tells a little of how many there are.
func (v *Veil) bySeq(f Leaf) (Filter, error) {
	switch f := f.(type) {
	case Exists:
		return f, nil
	case Range:
		if f.Min == nil || f.Max == nil || !f.Min.Inclusive || !f.Max.Inclusive || f.Min.Value != f.Max.Value || f.Min.Value.Kind != KindInt || f.Min.Value.Int < 0 {
			break
		}
		at := &Bound{Value: Int(int64(v.Seq(uint64(f.Min.Value.Int)))), Inclusive: true}
		return Range{Field: f.Field, Min: at, Max: at}, nil
	}
	return nil, fmt.Errorf("%w: [%s] cannot be searched", ErrQuery, FieldSeq)
}

func checkSort(keys []SortKey) error {
	for _, k := range keys {
		if k.Field.Name == fieldID {
			return fmt.Errorf("%w: sorting by [_id] is disallowed: sort by [_doc]", ErrQuery)
		}
	}
	return nil
}

// aggs maps the filters of aggregations, and refuses those by position or id.
func (v *Veil) aggs(of []Agg) ([]Agg, error) {
	if len(of) == 0 {
		return of, nil
	}
	out := slices.Clone(of)
	for i := range out {
		a := &out[i]
		var err error
		if a.Of, err = v.aggregation(a.Of); err == nil {
			a.Sub, err = v.aggs(a.Sub)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (v *Veil) aggregation(of Aggregation) (Aggregation, error) {
	var err error
	switch a := of.(type) {
	case DateHistogram:
		return a, checkGrouped(a.Field)
	case Histogram:
		return a, checkGrouped(a.Field)
	case Terms:
		return a, checkGrouped(a.Field)
	case GeohashGrid:
		return a, checkGrouped(a.Field)
	case MissingAgg:
		return a, nil
	case Metric:
		if a.Kind == ValueCount || a.Kind == Cardinality { // how many there are, not which
			return a, nil
		}
		return a, checkGrouped(a.Field)
	case Composite:
		for _, s := range a.Sources {
			if _, err := v.aggregation(s.Of); err != nil {
				return nil, err
			}
		}
		return a, nil
	case Filters:
		a.Of = slices.Clone(a.Of)
		for i := range a.Of {
			if a.Of[i].Filter, err = v.Filter(a.Of[i].Filter); err != nil {
				return nil, err
			}
		}
		return a, nil
	case FilterAgg:
		a.Filter, err = v.Filter(a.Filter)
		return a, err
	case TopHits:
		return a, checkSort(a.Sort)
	}
	return nil, fmt.Errorf("%w: an aggregation of an unknown type %T", ErrQuery, of)
}

func checkGrouped(f Field) error {
	if f.Name == fieldID || f.Name == FieldSeq {
		return fmt.Errorf("%w: fielddata access on the [%s] field is disallowed", ErrQuery, f.Name)
	}
	return nil
}
