package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// keepAlive is how long the engine keeps a view that nobody uses: somewhat
// longer than readers may.
const keepAlive = "70m"

// pathBytesMax bounds the names of indices in a path; the engine takes 4 KiB.
const pathBytesMax = 3000

// Snapshot implements logging.Searcher: a point in time of the engine's.
func (s *Store) Snapshot(ctx context.Context, r tenant.Read) (logging.View, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	v := &view{s: s, scope: r, now: s.opts.Clock()}
	for range 3 {
		fresh, err := s.refresh(ctx, v.known())
		if err != nil {
			return nil, err
		}
		if fresh {
			break
		}
	}
	if len(v.tenants) == 0 {
		return v, nil // nothing has been written
	}
	var names []string
	for _, id := range v.tenants {
		names = append(names, s.indexName(id))
	}
	path := strings.Join(names, ",")
	if len(path) > pathBytesMax {
		path = s.opts.Prefix + ".*"
	}
	var answer map[string]json.RawMessage
	open := request{method: "POST", path: "/" + path + s.pits.open, params: url.Values{"keep_alive": {keepAlive}}}
	status, err := s.do(ctx, open, &answer)
	if status == http.StatusNotFound {
		// Somebody removed an index: look anew.
		if err := s.forget(ctx); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: an index went away", logging.ErrUnavailable)
	}
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"id", "pit_id"} {
		if err := json.Unmarshal(answer[key], &v.pit); err == nil && v.pit != "" {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%w: the engine gave no point in time", logging.ErrUnavailable)
}

// forget takes what indices there are from the engine again.
func (s *Store) forget(ctx context.Context) error {
	there, err := s.list(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.tenants {
		if !slices.Contains(there, id) {
			delete(s.tenants, id)
		}
	}
	return nil
}

// refresh makes what was written visible to searches. It gives false where an
// index was made or removed meanwhile.
func (s *Store) refresh(ctx context.Context, ids []tenant.ID) (bool, error) {
	for _, id := range ids {
		s.mu.Lock()
		st := s.tenants[id]
		s.mu.Unlock()
		if st == nil {
			return false, nil
		}
		if err := s.refreshOne(ctx, id, st); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (s *Store) refreshOne(ctx context.Context, id tenant.ID, st *indexState) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	s.mu.Lock()
	written, seen := st.written, st.refreshed
	s.mu.Unlock()
	if written == seen {
		return nil
	}
	if _, err := s.do(ctx, request{method: "POST", path: "/" + s.indexName(id) + "/_refresh", may: []int{http.StatusNotFound}}, nil); err != nil {
		return err
	}
	s.mu.Lock()
	st.refreshed = max(st.refreshed, written)
	s.mu.Unlock()
	return nil
}

// view is a point in time. Safe for concurrent use.
type view struct {
	s       *Store
	scope   tenant.Read
	now     time.Time
	tenants []tenant.ID // of the scope, that have an index
	pit     string      // "": there is nothing

	closing sync.Once
	closed  error
}

// known sets which tenants of the scope have an index.
func (v *view) known() []tenant.ID {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.tenants = nil
	for id, st := range v.s.tenants {
		if v.scope.Includes(id) && st.made {
			v.tenants = append(v.tenants, id)
		}
	}
	slices.Sort(v.tenants)
	return v.tenants
}

// Close implements logging.View.
func (v *view) Close() error {
	v.closing.Do(func() {
		if v.pit == "" {
			return
		}
		// Whose view it is may be gone; the engine must not keep it for that.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		id := any(v.pit)
		if v.s.pits.closeKey == "pit_id" {
			id = []string{v.pit}
		}
		_, v.closed = v.s.do(ctx, request{method: "DELETE", path: v.s.pits.close, body: map[string]any{v.s.pits.closeKey: id}, may: []int{http.StatusNotFound}}, nil)
	})
	return v.closed
}

// visible matches what shows: the scope's tenants, without sealed lives and what
// is past its retention. It is asked for anew at every query.
func (v *view) visible() es.Query {
	q := es.NewBoolQuery().Filter(terms("t", v.tenants...))
	// Most tenants have the same retention, and the engine takes no more than some
	// thousand clauses.
	kept := map[time.Duration][]tenant.ID{}
	for _, id := range v.tenants {
		keep := v.s.keep(id)
		kept[keep] = append(kept[keep], id)
		hidden := v.s.pastInNamespaces(id, v.now)
		for _, l := range v.scope.Sealed(id) {
			hidden = append(hidden, lifeQuery(l))
		}
		if len(hidden) > 0 {
			q.MustNot(es.NewBoolQuery().Filter(es.NewTermQuery("t", string(id)), atLeast(1, hidden...)))
		}
	}
	for keep, ids := range kept {
		if keep > 0 {
			q.MustNot(es.NewBoolQuery().Filter(terms("t", ids...), before(v.now.Add(-keep))))
		}
	}
	return q
}

// Indices implements logging.View.
func (v *view) Indices(ctx context.Context) ([]logging.IndexInfo, error) {
	var out []logging.IndexInfo
	if v.pit == "" {
		return out, ctx.Err()
	}
	sources := []any{map[string]any{"i": map[string]any{"terms": map[string]any{"field": "i"}}}}
	bytes := map[string]any{"bytes": map[string]any{"sum": map[string]any{"field": "sz"}}}
	err := v.groups(ctx, v.visible(), sources, bytes, func(g bucket) error {
		name, _ := g.Key["i"].(string)
		out = append(out, logging.IndexInfo{Name: name, Docs: g.Docs, Bytes: int64(g.Bytes.Value)})
		return nil
	})
	slices.SortFunc(out, func(a, b logging.IndexInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// Fields implements logging.View.
func (v *view) Fields(ctx context.Context, indices []string) ([]logging.FieldInfo, error) {
	return logging.FieldsOf(ctx, v, indices)
}

// Get implements logging.View.
func (v *view) Get(ctx context.Context, index, id string) (logging.Record, bool, error) {
	if v.pit == "" {
		return logging.Record{}, false, ctx.Err()
	}
	q := es.NewBoolQuery().Filter(v.visible(), es.NewTermQuery("i", index), es.NewTermQuery("id", id))
	a, err := v.search(ctx, search{query: q, size: 1, sort: []any{bySeq}})
	if err != nil || len(a.Hits.Hits) == 0 {
		return logging.Record{}, false, err
	}
	r, err := v.record(a.Hits.Hits[0])
	return r, err == nil, err
}

// record reads a hit. What it gives is of the scope whatever the engine says.
func (v *view) record(h hit) (logging.Record, error) {
	r, err := decodeRecord(h.Source)
	if err == nil && !v.scope.Includes(r.Tenant) {
		return logging.Record{}, fmt.Errorf("the engine gave a record of another tenant than was asked for")
	}
	return r, err
}

// search is one request over the view.
type search struct {
	query es.Query
	size  int
	from  int
	sort  []any
	after []any
	total any // as of track_total_hits; nil: nothing is counted
	aggs  any
	plain bool // without the records
}

// answer is the engine's.
type answer struct {
	TimedOut bool   `json:"timed_out"`
	PIT      string `json:"pit_id"`
	Shards   struct {
		Failed   int `json:"failed"`
		Failures []struct {
			Reason struct {
				Type   string `json:"type"`
				Reason string `json:"reason"`
			} `json:"reason"`
		} `json:"failures"`
	} `json:"_shards"`
	Hits struct {
		Total struct {
			Value    int64  `json:"value"`
			Relation string `json:"relation"`
		} `json:"total"`
		Hits []hit `json:"hits"`
	} `json:"hits"`
	Aggs struct {
		Groups json.RawMessage `json:"groups"`
	} `json:"aggregations"`
}

type hit struct {
	Source json.RawMessage `json:"_source"`
	// Sort is handed back as it came: it may be an integer beyond 2^53.
	Sort []json.RawMessage `json:"sort"`
}

// search asks the engine. Every shard must have answered.
func (v *view) search(ctx context.Context, q search) (*answer, error) {
	of, err := q.query.Source()
	if err != nil {
		return nil, err
	}
	body := map[string]any{"query": of, "size": q.size, "pit": map[string]any{"id": v.pit, "keep_alive": keepAlive}, "track_total_hits": false}
	if q.total != nil {
		body["track_total_hits"] = q.total
	}
	if q.from > 0 {
		body["from"] = q.from
	}
	if q.sort != nil {
		body["sort"] = q.sort
	}
	if q.after != nil {
		body["search_after"] = q.after
	}
	if q.aggs != nil {
		body["aggs"] = q.aggs
	}
	if q.plain {
		body["_source"] = false
	}
	var a answer
	if _, err := v.s.do(ctx, request{method: "POST", path: "/_search", body: body, params: url.Values{"allow_partial_search_results": {"false"}}}, &a); err != nil {
		return nil, err
	}
	if a.TimedOut || a.Shards.Failed > 0 {
		why := "it took too long"
		if len(a.Shards.Failures) > 0 {
			why = a.Shards.Failures[0].Reason.Reason
		}
		return nil, fmt.Errorf("%w: not every part of the engine answered: %s", logging.ErrUnavailable, why)
	}
	return &a, nil
}
