package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
)

// Search implements logging.View. The engine filters, counts, sorts and groups.
// What it cannot do exactly is done here, over the records that it finds: up to
// Options.ScanMax of them.
func (v *view) Search(ctx context.Context, q logging.Query) (*logging.Result, error) {
	if q.MemoryMax == 0 {
		q.MemoryMax = v.s.opts.SearchMemoryMax
	}
	c, err := logging.NewCollector(q) // checks the query
	if err != nil {
		return nil, err
	}
	if v.pit == "" || q.Indices != nil && len(q.Indices) == 0 {
		return c.Result()
	}
	t := &translator{resolve: func(pattern string) ([]string, bool, error) { return v.fieldNames(ctx, pattern) }}
	asked := t.filter(q.Filter, true)
	if t.err != nil {
		return nil, t.err
	}
	query := es.NewBoolQuery().Filter(v.visible(), asked)
	if q.Indices != nil {
		query.Filter(terms("i", q.Indices...))
	}
	why := t.vague
	sort, doubts, ok := order(q.Sort)
	behind := []any(nil)
	if ok && q.After != nil {
		behind, ok = after(q.Sort, q.After)
	}
	if !ok || q.Offset+q.Limit > windowMax {
		if q.Limit > 0 {
			why = "order"
		}
		doubts = nil
	}
	if why == "" {
		if why, err = v.doubted(ctx, query, append(t.doubts, doubts...)); err != nil {
			return nil, err
		}
	}
	if why != "" {
		return v.scan(ctx, q, query, why)
	}
	out, err := v.hits(ctx, q, query, sort, behind)
	if err != nil || len(q.Aggs) == 0 {
		return out, err
	}
	out.Aggs, err = v.aggregate(ctx, q, query)
	return out, err
}

// windowMax is how far into an order the engine counts.
const windowMax = 10_000

// doubted says why a query is not exact: some record that it finds is not told
// by its terms.
func (v *view) doubted(ctx context.Context, query es.Query, doubts []es.Query) (string, error) {
	if len(doubts) == 0 {
		return "", nil
	}
	a, err := v.search(ctx, search{query: es.NewBoolQuery().Filter(query, atLeast(1, doubts...)), total: 1, size: 0})
	if err != nil || a.Hits.Total.Value == 0 {
		return "", err
	}
	return "long values", nil
}

// pageBytes is about how much is asked for at once.
const pageBytes = 8 << 20

// pager decides how many records to ask for, by what those before took.
type pager struct{ size int }

func newPager() *pager { return &pager{size: 100} }

func (p *pager) saw(hits []hit) {
	bytes := 1
	for _, h := range hits {
		bytes += len(h.Source)
	}
	if len(hits) > 0 {
		p.size = min(max(pageBytes*len(hits)/bytes, 10), 5000, 8*p.size)
	}
}

// hits counts, and fetches the hits, page by page.
func (v *view) hits(ctx context.Context, q logging.Query, query es.Query, sort, behind []any) (*logging.Result, error) {
	out := &logging.Result{Total: -1}
	var total any
	switch {
	case q.TotalMax == 0:
		total = true
	case q.TotalMax > 0:
		total = q.TotalMax
	}
	// The collector counts what the hits hold in memory.
	held, err := logging.NewCollector(logging.Query{Limit: q.Limit, Sort: q.Sort, MemoryMax: q.MemoryMax})
	if err != nil {
		return nil, err
	}
	p, left, from := newPager(), q.Limit, q.Offset
	for first := true; first || left > 0; first = false {
		if !first {
			total = nil
		} else if total == nil && left == 0 {
			return out, nil
		}
		size := min(left, p.size)
		a, err := v.search(ctx, search{query: query, size: size, from: from, sort: sort, after: behind, total: total})
		if err != nil {
			return nil, err
		}
		if total != nil {
			out.Total = a.Hits.Total.Value
			out.TotalAtLeast = a.Hits.Total.Relation == "gte"
			if q.TotalMax > 0 && out.Total > int64(q.TotalMax) {
				out.Total, out.TotalAtLeast = int64(q.TotalMax), true
			}
		}
		p.saw(a.Hits.Hits)
		for _, h := range a.Hits.Hits {
			r, err := v.record(h)
			if err != nil {
				return nil, err
			}
			d := logging.NewDoc(&r)
			if err := held.Add(d); err != nil {
				return nil, err
			}
			out.Hits = append(out.Hits, logging.Hit{Record: r, Sort: logging.SortValues(d, q.Sort)})
		}
		left -= len(a.Hits.Hits)
		if len(a.Hits.Hits) < size {
			break
		}
		if len(a.Hits.Hits) > 0 {
			behind, from = rawValues(a.Hits.Hits[len(a.Hits.Hits)-1].Sort), 0
		}
	}
	return out, nil
}

func rawValues(raw []json.RawMessage) []any {
	out := make([]any, len(raw))
	for i, r := range raw {
		out[i] = r
	}
	return out
}

// scan answers a query here, from the records that the engine finds for what may
// be wider than its filter.
func (v *view) scan(ctx context.Context, q logging.Query, query es.Query, why string) (*logging.Result, error) {
	c, err := logging.NewCollector(q)
	if err != nil {
		return nil, err
	}
	v.s.m.scans.WithLabelValues(why).Inc()
	sort := []any{bySeq}
	byTime := len(q.Sort) > 0 && q.Sort[0].Field.Name == logging.FieldTime
	if byTime {
		sort = []any{map[string]any{"ns": map[string]any{"order": direction(q.Sort[0].Desc)}}, bySeq}
	}
	err = v.each(ctx, query, sort, why, func(r *logging.Record) (bool, error) {
		return !byTime || !c.Settled(r.Time), c.Add(logging.NewDoc(r))
	})
	if err != nil {
		return nil, err
	}
	return c.Result()
}

// each reads the records of a query, in an order that ends with the position,
// until fn gives false.
func (v *view) each(ctx context.Context, query es.Query, sort []any, why string, fn func(*logging.Record) (bool, error)) error {
	p, read := newPager(), 0
	var behind []any
	for {
		a, err := v.search(ctx, search{query: query, size: p.size, sort: sort, after: behind})
		if err != nil {
			return err
		}
		size := p.size
		p.saw(a.Hits.Hits)
		for _, h := range a.Hits.Hits {
			r, err := v.record(h)
			if err != nil {
				return err
			}
			if read++; read > v.s.opts.ScanMax {
				return fmt.Errorf("%w: %s: the log store's engine cannot answer this by itself, and more than %d records (logs.elastic.scan_records) would have to be read for it: narrow the query or the time range", logging.ErrQuery, why, v.s.opts.ScanMax)
			}
			v.s.m.scanned.Inc()
			if more, err := fn(&r); err != nil || !more {
				return err
			}
		}
		if len(a.Hits.Hits) < size {
			return nil
		}
		behind = rawValues(a.Hits.Hits[len(a.Hits.Hits)-1].Sort)
	}
}

// namesMax is how many fields a name with * in it may mean.
const namesMax = 1000

// fieldNames gives the fields of the view whose names fit a name with * in it.
func (v *view) fieldNames(ctx context.Context, pattern string) ([]string, bool, error) {
	if v.pit == "" {
		return nil, true, nil
	}
	aggs := map[string]any{"groups": map[string]any{"terms": map[string]any{
		"field": "n", "include": wildcardRegexp(encodeName(pattern), false), "size": namesMax + 1,
	}}}
	a, err := v.search(ctx, search{query: v.visible(), aggs: aggs})
	if err != nil {
		return nil, false, err
	}
	var found struct {
		Buckets []struct {
			Key string `json:"key"`
		} `json:"buckets"`
	}
	if err := json.Unmarshal(a.Aggs.Groups, &found); err != nil {
		return nil, false, err
	}
	var names []string
	for _, b := range found.Buckets {
		switch name := decodeName(b.Key); name {
		case hiddenOriginal, hiddenMessage, hiddenNone:
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, len(names) <= namesMax, nil
}
