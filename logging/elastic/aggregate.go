package elastic

import (
	"context"
	"errors"
	"fmt"
	"math"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
)

// aggregate answers the aggregations of a query. The engine groups the records
// by what an aggregation looks at; logging.Aggregator, which says what
// aggregations mean, is given one record of each group and how many there are.
func (v *view) aggregate(ctx context.Context, q logging.Query, query es.Query) (map[string]logging.AggResult, error) {
	if _, err := logging.NewAggregatorWithin(q.Aggs, q.MemoryMax); err != nil {
		return nil, err
	}
	out := make(map[string]logging.AggResult, len(q.Aggs))
	var rest []logging.Agg
	for _, a := range q.Aggs {
		r, ok, err := v.one(ctx, q, query, a)
		if err != nil {
			return nil, err
		}
		if !ok {
			rest = append(rest, a)
			continue
		}
		out[a.Name] = r
	}
	if len(rest) == 0 {
		return out, nil
	}
	scanned := q
	scanned.Aggs, scanned.Limit, scanned.Offset, scanned.After, scanned.TotalMax = rest, 0, 0, nil, -1
	r, err := v.scan(ctx, scanned, query, "aggregations")
	if err != nil {
		return nil, err
	}
	for name, of := range r.Aggs {
		out[name] = of
	}
	return out, nil
}

// one answers one aggregation by the engine; ok is false where it cannot.
func (v *view) one(ctx context.Context, q logging.Query, query es.Query, a logging.Agg) (r logging.AggResult, ok bool, err error) {
	switch of := a.Of.(type) {
	case logging.FilterAgg:
		n, sub, ok, err := v.within(ctx, q, query, of.Filter, a.Sub)
		return logging.AggResult{DocCount: n, Sub: sub}, ok, err
	case logging.Filters:
		r.Buckets = []logging.Bucket{}
		for _, f := range of.Of {
			n, sub, ok, err := v.within(ctx, q, query, f.Filter, a.Sub)
			if err != nil || !ok {
				return r, ok, err
			}
			r.Buckets = append(r.Buckets, logging.Bucket{Key: logging.String(f.Name), Name: f.Name, DocCount: n, Sub: sub})
		}
		return r, true, nil
	case logging.TopHits:
		sort, doubts, ok := order(of.Sort)
		if !ok || of.Offset+of.Limit > windowMax {
			return r, false, nil
		}
		if why, err := v.doubted(ctx, query, doubts); err != nil || why != "" {
			return r, false, err
		}
		res, err := v.hits(ctx, logging.Query{Sort: of.Sort, Offset: of.Offset, Limit: of.Limit, TotalMax: -1, MemoryMax: q.MemoryMax}, query, sort, nil)
		if err != nil {
			return r, false, err
		}
		return logging.AggResult{Hits: res.Hits}, true, nil
	}
	return v.grouped(ctx, q, query, a)
}

// within answers aggregations over the records that match a filter, too.
func (v *view) within(ctx context.Context, q logging.Query, query es.Query, f logging.Filter, aggs []logging.Agg) (n int64, sub map[string]logging.AggResult, ok bool, err error) {
	t := &translator{resolve: func(pattern string) ([]string, bool, error) { return v.fieldNames(ctx, pattern) }}
	inner := es.NewBoolQuery().Filter(query, t.filter(f, true))
	if t.err != nil || t.vague != "" {
		return 0, nil, false, t.err
	}
	if why, err := v.doubted(ctx, query, t.doubts); err != nil || why != "" {
		return 0, nil, false, err
	}
	a, err := v.search(ctx, search{query: inner, total: true})
	if err != nil {
		return 0, nil, false, err
	}
	if len(aggs) > 0 {
		q.Aggs = aggs
		if sub, err = v.aggregate(ctx, q, inner); err != nil {
			return 0, nil, false, err
		}
	}
	return a.Hits.Total.Value, sub, true, nil
}

// grouped answers an aggregation from groups.
func (v *view) grouped(ctx context.Context, q logging.Query, query es.Query, a logging.Agg) (r logging.AggResult, ok bool, err error) {
	aggs := []logging.Agg{a}
	u := uses{values: map[string]bool{}}
	if !u.walk(aggs) {
		return r, false, nil
	}
	stamped := false
	if u.values[levelName] {
		// A record whose level could not be read has what its sender wrote.
		odd := es.NewBoolQuery().Filter(query, es.NewTermQuery("n", levelName)).MustNot(es.NewExistsQuery(levelName))
		found, err := v.search(ctx, search{query: odd, total: 1})
		if err != nil {
			return r, false, err
		}
		stamped = found.Hits.Total.Value == 0
	}
	p, ok := project(aggs, stamped)
	if !ok {
		return r, false, nil
	}
	if len(p.sources) == 0 {
		return r, false, nil
	}
	agg, err := logging.NewAggregatorWithin(aggs, q.MemoryMax)
	if err != nil {
		return r, false, err
	}
	n := 0
	var like likeRows
	err = v.groups(ctx, query, p.sources, nil, func(b bucket) error {
		if n++; n > v.s.opts.ScanMax {
			return fmt.Errorf("%w: aggregation %q: more than %d groups of records (logs.elastic.scan_records) would have to be read for it: narrow the query or the time range, or aggregate by what has fewer values", logging.ErrQuery, a.Name, v.s.opts.ScanMax)
		}
		rec, err := p.record(b)
		if err != nil {
			return err
		}
		return like.add(agg, logging.NewDoc(rec), b.Docs)
	})
	if errors.Is(err, errLong) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	all, err := agg.Result()
	return all[a.Name], true, err
}

// likeRows are rows that are all alike.
type likeRows struct {
	n   int
	doc *logging.Doc
}

var _ logging.Rows = (*likeRows)(nil)

const likeRowsMax = 1 << 14

// add adds a document n times.
func (l *likeRows) add(to *logging.Aggregator, d *logging.Doc, n int64) error {
	if n < 4 {
		for range n {
			if err := to.Add(d); err != nil {
				return err
			}
		}
		return nil
	}
	l.doc = d
	for ; n > 0; n -= int64(l.n) {
		l.n = int(min(n, likeRowsMax))
		if err := to.AddRows(l, nil); err != nil {
			return err
		}
	}
	return nil
}

func (l *likeRows) Len() int { return l.n }

func (l *likeRows) Doc(int) (*logging.Doc, error) { return l.doc, nil }

func (l *likeRows) Codes(f logging.Field) (logging.Codes, bool, error) {
	vals := l.doc.Values(f)
	return logging.Codes{Values: vals}, len(vals) < 2, nil
}

func (l *likeRows) Strings(logging.Field) (logging.Strings, bool, error) {
	return logging.Strings{}, false, nil
}

func (l *likeRows) Numbers(f logging.Field) (logging.Numbers, bool, error) {
	vals := l.doc.Values(f)
	x, exact := math.NaN(), true
	if len(vals) > 1 {
		return logging.Numbers{}, false, nil
	}
	for _, v := range vals {
		switch v.Kind {
		case logging.KindFloat:
			x = v.Float
		case logging.KindInt:
			x, exact = float64(v.Int), v.Int < 1<<53 && v.Int > -1<<53
		default:
			return logging.Numbers{}, false, nil
		}
	}
	nums := make([]float64, l.n)
	for i := range nums {
		nums[i] = x
	}
	return logging.Numbers{Vals: nums, Exact: exact}, true, nil
}

func (l *likeRows) Times(f logging.Field) (logging.Times, bool, error) {
	if f.Name != logging.FieldTime && f.Name != logging.FieldReceived {
		return logging.Times{}, false, nil
	}
	at := l.doc.Record.Time
	if f.Name == logging.FieldReceived {
		at = l.doc.Record.Received
	}
	times := make([]int64, l.n)
	for i := range times {
		times[i] = nanos(at)
	}
	return logging.Times{Nanos: times, Sorted: true}, true, nil
}

func (l *likeRows) Hashes(logging.Field) ([]uint64, bool, error) { return nil, false, nil }

func (l *likeRows) Select(dst []uint32, _ logging.Filter, _ []uint32) ([]uint32, bool, error) {
	return dst, false, nil
}
