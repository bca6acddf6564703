package tsdb

import (
	"cmp"
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// Queryable implements metrics.Querier. Which databases there are and what is
// sealed is asked at every query, so a Queryable may be kept as long as its
// scope is valid.
func (s *Store) Queryable(r tenant.Read) metrics.Queryable { return &queryable{s, r} }

type queryable struct {
	store *Store
	r     tenant.Read
}

func (q *queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	dbs, err := q.store.readable(q.r, mint, maxt)
	if err != nil {
		return nil, err
	}
	var ends map[string]int64
	if q.store.opts.Silences != nil {
		ends = q.store.opts.Silences()
	}
	qs := make([]storage.Querier, 0, len(dbs))
	for _, db := range dbs {
		one, err := q.one(db, mint, maxt)
		if err != nil {
			closeAll(qs)
			releaseAll(dbs)
			return nil, err
		}
		if len(ends) > 0 {
			one = &silentQuerier{one, ends, maxt}
		}
		qs = append(qs, one)
	}
	return &querier{storage.NewMergeQuerier(qs, nil, storage.ChainedSeriesMerge), dbs}, nil
}

// one gives the querier over one database, without what is sealed.
func (q *queryable) one(db *database, mint, maxt int64) (storage.Querier, error) {
	one, err := db.db.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	if lives := sealedOf(q.r.Sealed(db.id)); lives != nil {
		return &unsealedQuerier{Querier: one, lives: lives, mint: mint, maxt: maxt}, nil
	}
	return one, nil
}

func (q *queryable) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	dbs, err := q.store.readable(q.r, mint, maxt)
	if err != nil {
		return nil, err
	}
	qs := make([]storage.ChunkQuerier, 0, len(dbs))
	for _, db := range dbs {
		one, err := q.one(db, mint, maxt)
		if err != nil {
			closeAll(qs)
			releaseAll(dbs)
			return nil, err
		}
		qs = append(qs, recodedQuerier{one})
	}
	merge := storage.NewCompactingChunkSeriesMerger(storage.ChainedSeriesMerge)
	return &chunkQuerier{storage.NewMergeChunkQuerier(qs, nil, merge), dbs}, nil
}

// querier embeds the interface alone: whatever else the engine's querier can do
// (search, cost estimates) would go around the sealing.
type querier struct {
	storage.Querier
	dbs []*database
}

func (q *querier) Close() error {
	err := q.Querier.Close()
	releaseAll(q.dbs)
	q.dbs = nil
	return err
}

type chunkQuerier struct {
	storage.ChunkQuerier
	dbs []*database
}

func (q *chunkQuerier) Close() error {
	err := q.ChunkQuerier.Close()
	releaseAll(q.dbs)
	q.dbs = nil
	return err
}

func closeAll[Q interface{ Close() error }](qs []Q) {
	for _, q := range qs {
		_ = q.Close()
	}
}

func (q *queryable) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	return &exemplarQuerier{q, ctx}, nil
}

type exemplarQuerier struct {
	q   *queryable
	ctx context.Context // of this one query, as the interface has no other place for it
}

// Select gives the exemplars of the scope's databases, in the order of their
// series' labels.
func (e *exemplarQuerier) Select(start, end int64, matchers ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	dbs, err := e.q.store.readable(e.q.r, start, end)
	if err != nil {
		return nil, err
	}
	defer releaseAll(dbs)
	out := []exemplar.QueryResult{}
	for _, db := range dbs {
		one, err := db.db.ExemplarQuerier(e.ctx)
		if err != nil {
			return nil, err
		}
		found, err := one.Select(start, end, matchers...)
		if err != nil {
			return nil, err
		}
		lives := sealedOf(e.q.r.Sealed(db.id))
		for _, r := range found {
			if spans := lives.of(r.SeriesLabels); spans != nil {
				r.Exemplars = slices.DeleteFunc(slices.Clone(r.Exemplars), func(x exemplar.Exemplar) bool { return covers(spans, x.Ts) })
				if len(r.Exemplars) == 0 {
					continue
				}
			}
			out = append(out, r)
		}
	}
	if len(dbs) > 1 {
		slices.SortStableFunc(out, func(a, b exemplar.QueryResult) int { return labels.Compare(a.SeriesLabels, b.SeriesLabels) })
		out = mergeExemplars(out)
	}
	return out, nil
}

// mergeExemplars joins the neighbours of the same labels.
func mergeExemplars(in []exemplar.QueryResult) []exemplar.QueryResult {
	out := in[:0]
	for _, r := range in {
		if n := len(out); n > 0 && labels.Equal(out[n-1].SeriesLabels, r.SeriesLabels) {
			both := append(slices.Clone(out[n-1].Exemplars), r.Exemplars...)
			slices.SortStableFunc(both, func(a, b exemplar.Exemplar) int { return cmp.Compare(a.Ts, b.Ts) })
			out[n-1].Exemplars = both
			continue
		}
		out = append(out, r)
	}
	return out
}
