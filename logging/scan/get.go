package scan

import (
	"context"
	"slices"

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

// Fields gives the fields of the newest records of the indices (nil: all) with
// the types seen: logging.FieldsOf.
func Fields(ctx context.Context, sources []Source, indices []string) ([]logging.FieldInfo, error) {
	return logging.FieldsOf(ctx, searcher{sources: sources}, indices)
}

// searcher is as much of a View as FieldsOf needs.
type searcher struct {
	logging.View
	sources []Source
}

// Search implements logging.View.
func (s searcher) Search(ctx context.Context, q logging.Query) (*logging.Result, error) {
	return Search(ctx, q, s.sources, Options{})
}
