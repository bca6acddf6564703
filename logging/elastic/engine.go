package elastic

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

//go:embed mapping.json
var mapping []byte

// pitAPI is how points in time are made: Elasticsearch and OpenSearch differ.
type pitAPI struct{ open, close, closeKey string }

var (
	elasticPIT = pitAPI{"/_pit", "/_pit", "id"}
	openPIT    = pitAPI{"/_search/point_in_time", "/_search/point_in_time", "pit_id"}
)

// request is one to the engine.
type request struct {
	method, path string
	params       url.Values
	body         any // a string goes as it is
	ndjson       bool
	may          []int // statuses that are no errors
}

// do asks the engine and reads its answer into into, unless that is nil. The
// status is 0 where there was no answer. The error wraps logging.ErrUnavailable
// where it would do good to ask again, and logging.ErrQuery where the request is
// at fault.
func (s *Store) do(ctx context.Context, r request, into any) (status int, err error) {
	opt := es.PerformRequestOptions{Method: r.method, Path: r.path, Params: r.params, Body: r.body, IgnoreErrors: r.may}
	if r.body != nil {
		opt.ContentType = "application/json"
	}
	if r.ndjson {
		opt.ContentType = "application/x-ndjson"
	}
	start := time.Now()
	resp, err := s.client.PerformRequest(ctx, opt)
	if es.IsConnErr(err) && ctx.Err() == nil {
		// Where every node failed at its last request the client says so once,
		// without asking, and then takes all of them for alive again.
		resp, err = s.client.PerformRequest(ctx, opt)
	}
	if resp != nil {
		status = resp.StatusCode
	}
	var refused *es.Error
	if errors.As(err, &refused) {
		status = refused.Status
	}
	s.m.asked(r, status, time.Since(start))
	s.heard(ctx, status, err)
	if err != nil {
		if ctx.Err() != nil {
			return status, ctx.Err()
		}
		return status, engineError(r, status, err)
	}
	if into != nil && len(resp.Body) > 0 {
		if err := json.Unmarshal(resp.Body, into); err != nil {
			return status, fmt.Errorf("%w: %s %s: read the engine's answer: %w", logging.ErrUnavailable, r.method, r.path, err)
		}
	}
	return status, nil
}

// engineError says what an error of the engine means for who asked.
func engineError(r request, status int, err error) error {
	what := reason(err)
	switch status {
	case 0, http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout:
		return fmt.Errorf("%w: %s %s: %s", logging.ErrUnavailable, r.method, pathShown(r.path), what)
	case http.StatusBadRequest:
		return fmt.Errorf("%w: the log store's engine refuses it: %s", logging.ErrQuery, what)
	}
	if status >= 500 {
		return fmt.Errorf("%w: %s %s: %s", logging.ErrUnavailable, r.method, pathShown(r.path), what)
	}
	return fmt.Errorf("%s %s: %s", r.method, pathShown(r.path), what)
}

// reason gives the innermost reason of an error of the engine's.
func reason(err error) string {
	var e *es.Error
	if !errors.As(err, &e) || e.Details == nil {
		return err.Error()
	}
	d := e.Details
	out := d.Type + ": " + d.Reason
	if len(d.RootCause) > 0 && d.RootCause[0].Reason != d.Reason {
		out += ": " + d.RootCause[0].Reason
	}
	for cause := d.CausedBy; cause != nil; {
		if r, ok := cause["reason"].(string); ok {
			out += ": " + r
		}
		cause, _ = cause["caused_by"].(map[string]any)
	}
	return out
}

// pathShown shortens what names many indices.
func pathShown(p string) string {
	if len(p) > 120 {
		return p[:120] + "..."
	}
	return p
}

// heard tells when the engine goes and comes back.
func (s *Store) heard(ctx context.Context, status int, err error) {
	if err != nil && ctx.Err() != nil {
		return // the caller went away
	}
	down := err != nil && (status == 0 || status >= 500 || status == http.StatusUnauthorized || status == http.StatusForbidden)
	s.mu.Lock()
	changed := down != s.failing
	s.failing = down
	s.mu.Unlock()
	s.m.available.Set(b2f(!down))
	switch {
	case changed && down:
		s.opts.OnEvent(Event{Kind: EventUnavailable, Err: errors.New(reason(err))})
	case changed:
		s.opts.OnEvent(Event{Kind: EventAvailable})
	}
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// indexName is the name of a tenant's index in the engine. A dot is in no
// tenant's ID.
func (s *Store) indexName(id tenant.ID) string { return s.opts.Prefix + "." + string(id) }

// metaIndex has what belongs to no tenant: the next position.
func (s *Store) metaIndex() string { return s.opts.Prefix + "-meta" }

// prepare sees to it once that the engine is one this store can use, knows how
// records lie, and tells which tenants have an index.
func (s *Store) prepare(ctx context.Context) error {
	if done, err := s.prepared(); done || err != nil {
		return err
	}
	s.preparing.Lock()
	defer s.preparing.Unlock()
	if done, err := s.prepared(); done || err != nil {
		return err
	}
	var about struct {
		Version struct{ Number, Distribution string }
	}
	if _, err := s.do(ctx, request{method: "GET", path: "/"}, &about); err != nil {
		return err
	}
	pits := elasticPIT
	if about.Version.Distribution == "opensearch" {
		pits = openPIT
	}
	template := map[string]any{
		"index_patterns": []string{s.opts.Prefix + ".*"},
		"priority":       500,
		"template":       map[string]any{"settings": s.settings(), "mappings": json.RawMessage(mapping)},
	}
	if _, err := s.do(ctx, request{method: "PUT", path: "/_index_template/" + s.opts.Prefix, body: template}, nil); err != nil {
		return err
	}
	// Where positions are counted there is one document, and it is never searched.
	meta := map[string]any{"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": s.opts.Replicas}, "mappings": map[string]any{"dynamic": false}}
	if _, err := s.do(ctx, request{method: "PUT", path: "/" + s.metaIndex(), body: meta, may: []int{http.StatusBadRequest}}, nil); err != nil {
		return err
	}
	there, err := s.list(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range there {
		if s.tenants[id] == nil {
			s.tenants[id] = &indexState{made: true}
		}
	}
	s.pits, s.ready = pits, true
	return nil
}

func (s *Store) prepared() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, logging.ErrUnavailable
	}
	return s.ready, nil
}

// list gives the tenants that have an index in the engine.
func (s *Store) list(ctx context.Context) ([]tenant.ID, error) {
	var names map[string]json.RawMessage
	if _, err := s.do(ctx, request{method: "GET", path: "/" + s.opts.Prefix + ".*", params: url.Values{"filter_path": {"*.aliases"}}}, &names); err != nil {
		return nil, err
	}
	var ids []tenant.ID
	for name := range names {
		if id, ok := strings.CutPrefix(name, s.opts.Prefix+"."); ok {
			ids = append(ids, tenant.ID(id))
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// settings are those of a tenant's index.
func (s *Store) settings() map[string]any {
	return map[string]any{
		"number_of_shards":   s.opts.Shards,
		"number_of_replicas": s.opts.Replicas,
		// Acknowledged means fsynced.
		"translog.durability": "request",
		"max_regex_length":    regexpBytesMax,
		"max_terms_count":     65_536,
		"analysis": map[string]any{
			"tokenizer": map[string]any{"lines": map[string]any{"type": "pattern", "pattern": "\n"}},
			"analyzer":  map[string]any{"lines": map[string]any{"type": "custom", "tokenizer": "lines"}},
		},
	}
}

// regexpBytesMax bounds the regular expressions that the engine is sent.
const regexpBytesMax = 100_000

// index gives the state of a tenant's index, and makes the index where it is
// missing.
func (s *Store) index(ctx context.Context, id tenant.ID) (*indexState, error) {
	s.mu.Lock()
	st := s.tenants[id]
	if st == nil {
		st = &indexState{}
		s.tenants[id] = st
	}
	s.mu.Unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	s.mu.Lock()
	made := st.made
	s.mu.Unlock()
	if made {
		return st, nil
	}
	body := map[string]any{"settings": s.settings(), "mappings": json.RawMessage(mapping)}
	// 400: it is there already.
	status, err := s.do(ctx, request{method: "PUT", path: "/" + s.indexName(id), body: body, may: []int{http.StatusBadRequest}}, nil)
	if err != nil {
		return nil, err
	}
	if status == http.StatusBadRequest {
		if _, err := s.do(ctx, request{method: "HEAD", path: "/" + s.indexName(id)}, nil); err != nil {
			return nil, fmt.Errorf("%w: index %s cannot be made: %w", logging.ErrUnavailable, s.indexName(id), err)
		}
	}
	s.mu.Lock()
	st.made = true
	s.mu.Unlock()
	return st, nil
}
