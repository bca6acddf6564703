package elastic

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// retainEvery is the time between two removals of what is past its retention.
const retainEvery = time.Hour

// Run removes what is past its retention, every hour, until ctx ends. Views
// leave it out before that.
func (s *Store) Run(ctx context.Context) error {
	for {
		s.retain(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retainEvery):
		}
	}
}

// retain goes once over all tenants.
func (s *Store) retain(ctx context.Context) {
	ids, err := []tenant.ID(nil), s.prepare(ctx)
	if err == nil {
		ids, err = s.list(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			s.opts.OnEvent(Event{Kind: EventRetainError, Err: err})
		}
		return
	}
	for _, id := range ids {
		old := s.past(id, s.opts.Clock())
		if len(old) == 0 {
			continue
		}
		n, err := s.deleteBy(ctx, id, es.NewBoolQuery().Should(old...).MinimumNumberShouldMatch(1))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.opts.OnEvent(Event{Kind: EventRetainError, Tenant: id, Err: err})
		case n > 0:
			s.opts.OnEvent(Event{Kind: EventRetained, Tenant: id, Records: n})
		}
	}
}

// keep gives how long a tenant's records show; 0: for ever.
func (s *Store) keep(id tenant.ID) time.Duration {
	if s.opts.Retention == nil {
		return 0
	}
	return s.opts.Retention(id)
}

// past gives queries of which a tenant's record matches one where it is past its
// retention.
func (s *Store) past(id tenant.ID, now time.Time) []es.Query {
	out := s.pastInNamespaces(id, now)
	if keep := s.keep(id); keep > 0 {
		out = append(out, before(now.Add(-keep)))
	}
	return out
}

func (s *Store) pastInNamespaces(id tenant.ID, now time.Time) (out []es.Query) {
	if s.opts.Namespaces == nil {
		return nil
	}
	for _, n := range s.opts.Namespaces(id) {
		out = append(out, lifeQuery(tenant.Life{Cluster: n.Cluster, Namespace: n.Namespace, To: now.Add(-n.Keep)}))
	}
	return out
}

func before(t time.Time) es.Query { return es.NewRangeQuery("ns").Lt(nanos(t)) }

// expired says of a record what past says to the engine.
func (s *Store) expired(r *logging.Record, now time.Time) bool {
	if keep := s.keep(r.Tenant); keep > 0 && r.Time.Before(now.Add(-keep)) {
		return true
	}
	if s.opts.Namespaces != nil {
		for _, n := range s.opts.Namespaces(r.Tenant) {
			if n.Cluster == r.Cluster && n.Namespace == r.Namespace && r.Time.Before(now.Add(-n.Keep)) {
				return true
			}
		}
	}
	return false
}

// lifeQuery matches what logging.Covered says of one life.
func lifeQuery(l tenant.Life) es.Query {
	q := es.NewBoolQuery()
	for field, value := range map[string]string{"cluster": l.Cluster, "namespace": l.Namespace} {
		if value == "" {
			q.MustNot(es.NewExistsQuery(field))
			continue
		}
		q.Filter(es.NewTermQuery(field, value))
	}
	at := es.NewRangeQuery("ns")
	if !l.From.IsZero() {
		at.Gte(nanos(l.From))
	}
	if !l.To.IsZero() {
		at.Lt(nanos(l.To))
	}
	return q.Filter(at)
}

// Purge removes the records of a tenant's namespace with times in [from, to)
// that are there now; a zero to is open. Without cluster and namespace it removes
// all that there is of the tenant.
func (s *Store) Purge(ctx context.Context, id tenant.ID, cluster, namespace string, from, to time.Time) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if cluster == "" && namespace == "" && from.IsZero() && to.IsZero() {
		s.mu.Lock()
		st := s.tenants[id]
		s.mu.Unlock()
		if st != nil {
			st.mu.Lock() // nobody makes it meanwhile
			defer st.mu.Unlock()
		}
		if _, err := s.do(ctx, request{method: "DELETE", path: "/" + s.indexName(id), may: []int{http.StatusNotFound}}, nil); err != nil {
			return err
		}
		if st != nil {
			s.mu.Lock()
			st.made = false
			s.mu.Unlock()
		}
		s.opts.OnEvent(Event{Kind: EventPurged, Tenant: id})
		return nil
	}
	n, err := s.deleteBy(ctx, id, lifeQuery(tenant.Life{Cluster: cluster, Namespace: namespace, From: from, To: to}))
	if err == nil {
		s.opts.OnEvent(Event{Kind: EventPurged, Tenant: id, Records: n})
	}
	return err
}

// deleteBy removes the records of a tenant that match, and returns when they are
// gone.
func (s *Store) deleteBy(ctx context.Context, id tenant.ID, q es.Query) (int64, error) {
	of, err := q.Source()
	if err != nil {
		return 0, err
	}
	// What searches do not see yet is to be removed, too.
	if _, err := s.do(ctx, request{method: "POST", path: "/" + s.indexName(id) + "/_refresh", may: []int{http.StatusNotFound}}, nil); err != nil {
		return 0, err
	}
	var answer struct {
		Deleted  int64 `json:"deleted"`
		Failures []any `json:"failures"`
	}
	_, err = s.do(ctx, request{
		method: "POST", path: "/" + s.indexName(id) + "/_delete_by_query", body: map[string]any{"query": of},
		params: url.Values{"conflicts": {"proceed"}, "refresh": {"true"}}, may: []int{http.StatusNotFound},
	}, &answer)
	if err == nil && len(answer.Failures) > 0 {
		err = errors.New("the engine could not remove all of it")
	}
	return answer.Deleted, err
}
