package scan

import (
	"context"
	"slices"
	"sort"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// Get looks a record up by index and id.
func Get(ctx context.Context, sources []Source, index, id string) (logging.Record, bool, error) {
	seq, derived := logging.ParseDerivedID(id)
	hidden := false
	for i := range sources {
		src := &sources[i]
		if err := ctx.Err(); err != nil {
			return logging.Record{}, false, err
		}
		if !src.Rules.Included || id == "" {
			continue
		}
		for _, rec := range src.Loose {
			if rec.ID == id && rec.Index == index && src.Rules.Shows(rec) {
				return *rec, true, nil
			}
		}
		if src.Open == nil || src.TimeMax < src.Rules.Cut {
			continue
		}
		p, err := src.Open()
		if err != nil {
			return logging.Record{}, false, err
		}
		rec, ok, err := getIn(p, index, id, seq, derived)
		if err != nil {
			return logging.Record{}, false, err
		}
		if ok && src.Rules.Shows(&rec) {
			return rec, true, nil
		}
		hidden = hidden || ok
	}
	if !hidden {
		return logging.Record{}, false, nil
	}
	// One of that id was found and does not show: another that came after it may.
	res, err := Search(ctx, logging.Query{Indices: []string{index}, Filter: logging.IDs{id}, Limit: 1, TotalMax: -1}, sources, Options{})
	if err != nil || len(res.Hits) == 0 {
		return logging.Record{}, false, err
	}
	return res.Hits[0].Record, true, nil
}

func getIn(p Part, index, id string, seq uint64, derived bool) (logging.Record, bool, error) {
	at, row, ok, err := p.FindGiven(index, id)
	if err != nil {
		return logging.Record{}, false, err
	}
	if ok {
		rec, err := p.Block(at).Record(row)
		return rec, err == nil, err
	}
	if !derived {
		return logging.Record{}, false, nil
	}
	for at := range p.Len() {
		in := p.BlockInfo(at)
		if seq < in.SeqMin || seq > in.SeqMax || in.Index != index {
			continue
		}
		b := p.Block(at)
		row, err := rowOf(b, seq)
		if err != nil {
			return logging.Record{}, false, err
		}
		if row < 0 {
			continue
		}
		rec, err := b.Record(row)
		return rec, err == nil && rec.ID == id, err
	}
	return logging.Record{}, false, nil
}

// rowOf finds the row of a place; -1 where there is none.
func rowOf(b segment.Block, seq uint64) (int, error) {
	seqs, err := b.Seqs()
	return slices.Index(seqs, seq), err
}

// fieldsRows is how many records Fields looks at, at least; the blocks that hold
// the newest of them are looked at as a whole.
const fieldsRows = 5000

// Fields gives the fields of the newest records of the indices (nil: all) with
// the types seen, as logging.FieldsOf does. Of many records it takes whole
// blocks, the newest first, until they hold 5,000 rows.
func Fields(ctx context.Context, sources []Source, indices []string) ([]logging.FieldInfo, error) {
	s := newSearch(ctx, sources)
	s.q.Indices = indices
	l := logging.NewFieldList()
	rows := 0
	for i := range sources {
		src := &sources[i]
		for _, rec := range src.Loose {
			if hasIndex(indices, rec.Index) && src.Rules.Shows(rec) {
				l.Add(logging.NewDoc(rec))
				rows++
			}
		}
	}
	order := s.newest()
	for len(order) > 0 && rows < fieldsRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		more, err := s.candidates(order[0])
		if err != nil {
			return nil, err
		}
		order = order[1:]
		slices.SortFunc(more, func(a, b candidate) int { return -compareTimes(a.info.TimeMax, b.info.TimeMax) })
		for i := range more {
			if rows >= fieldsRows {
				break
			}
			n, err := s.fieldsOf(l, &more[i])
			if err != nil {
				return nil, err
			}
			rows += n
		}
	}
	return l.Result(), nil
}

func compareTimes(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// newest gives the sources with blocks, the newest first.
func (s *search) newest() []int {
	var order []int
	for i := range s.sources {
		if src := &s.sources[i]; src.Open != nil && src.Rules.Included && src.TimeMax >= src.Rules.Cut {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return s.sources[order[a]].TimeMax > s.sources[order[b]].TimeMax })
	return order
}

// fieldsOf adds the fields of a block.
func (s *search) fieldsOf(l *logging.FieldList, c *candidate) (int, error) {
	e := &s.eval
	e.open(c)
	sel, err := e.visible()
	if err != nil || len(sel) == 0 {
		return 0, err
	}
	for _, row := range sel {
		if err := e.tick(64); err != nil {
			return 0, err
		}
		d, err := e.document(int(row))
		if err != nil {
			return 0, err
		}
		l.Add(d)
	}
	return len(sel), nil
}
