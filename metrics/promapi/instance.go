package promapi

import (
	"container/list"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"

	"github.com/grafana/regexp"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// engineVersion is what status/buildinfo answers: clients choose features by it.
// It is the version of the Prometheus whose engine and handlers these are.
const engineVersion = "3.16.0"

// Remote read, within the slots that all requests share.
const (
	readPath        = "/api/v1/read"
	readSamplesMax  = 50_000_000 // as Prometheus
	readConcurrency = 10
	readFrameBytes  = 1 << 20
)

// instances keeps the handlers of the scopes used last. Which databases a scope
// opens and what is sealed in them is asked at every query, so an instance is
// valid as long as its scope's key is.
type instances struct {
	make func(tenant.Read) http.Handler
	max  int

	mu    sync.Mutex // guards of, order
	of    map[string]*list.Element
	order *list.List // of *instance, the one used last first
}

type instance struct {
	key string
	h   http.Handler
}

func newInstances(n int, make func(tenant.Read) http.Handler) *instances {
	return &instances{make: make, max: n, of: map[string]*list.Element{}, order: list.New()}
}

func (c *instances) lookup(key string) (http.Handler, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.of[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*instance).h, true
}

// get gives the scope's handler, made if need be.
func (c *instances) get(r tenant.Read) http.Handler {
	key := r.Key()
	if h, ok := c.lookup(key); ok {
		return h
	}
	h := c.make(r) // outside the lock: two at once do no harm
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[key] = c.order.PushFront(&instance{key, h})
	for c.order.Len() > c.max {
		last := c.order.Back()
		c.order.Remove(last)
		if key := last.Value.(*instance).key; c.of[key] == last {
			delete(c.of, key)
		}
	}
	return h
}

// newPrototype makes Prometheus' API over nothing. Nothing that the allow-list
// leaves out is given to it.
func (a *API) newPrototype() *v1.API {
	nothing := guarded{a.opts.Querier.Queryable(tenant.Read{}), a}
	return v1.NewAPI(
		a.engine, nothing, nil, nothing,
		nil, nil, nil, // scrape pools, targets, alertmanagers
		emptyConfig,
		nil, v1.GlobalURLOptions{},
		func(h http.HandlerFunc) http.HandlerFunc { return h },
		nil, "", false, // no database to administrate
		false, 0, // no search
		a.opts.Logger,
		func(context.Context) v1.RulesRetriever { return noRules{} },
		readSamplesMax, readConcurrency, readFrameBytes,
		false, regexp.MustCompile("^$"), // no foreign origins
		nil, &v1.PrometheusVersion{Version: engineVersion, Revision: a.opts.Version, GoVersion: runtime.Version()},
		nil, nil, nil, nil, nil,
		false, nil, false, false, false,
		lookback, false, false,
		nil, nil,
		v1.OpenAPIOptions{IncludePaths: []string{"/none"}},
		a.parser, false, a.opts.Timeout,
	)
}

func emptyConfig() config.Config { return config.Config{} }

// newInstance gives the handlers over one scope. It is a copy of the prototype
// with another storage: making one takes 30 ms, most of them for a description
// that is not served. What the copy does not replace still sees nothing.
func (a *API) newInstance(r tenant.Read) http.Handler {
	q := guarded{a.opts.Querier.Queryable(r), a}
	api := *a.prototype
	api.Queryable, api.ExemplarQueryable = q, q
	api.QueryEngine = scopedEngine{a, r}
	api.ClearCodecs()
	api.InstallCodec(a.streams)
	router := route.New().WithPrefix("/api/v1")
	api.Register(router)
	read := remote.NewReadHandler(a.opts.Logger, nil, q, emptyConfig, readSamplesMax, readConcurrency, readFrameBytes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == readPath {
			read.ServeHTTP(w, r)
			return
		}
		router.ServeHTTP(w, r)
	})
}

// guarded keeps the storage's own errors, which may name files, from the caller:
// they go to the log under an id that the answer names.
type guarded struct {
	metrics.Queryable
	a *API
}

func (g guarded) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := g.Queryable.Querier(mint, maxt)
	return q, g.a.hide(err)
}

func (g guarded) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	q, err := g.Queryable.ChunkQuerier(mint, maxt)
	return q, g.a.hide(err)
}

func (g guarded) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	q, err := g.Queryable.ExemplarQuerier(ctx)
	return q, g.a.hide(err)
}

func (a *API) hide(err error) error {
	if err == nil {
		return nil
	}
	id := fmt.Sprintf("%x", a.opts.Clock().UnixNano())
	a.opts.Logger.Error("metrics_not_readable", "id", id, "err", err)
	return fmt.Errorf("the metrics cannot be read at the moment; the operator finds the reason in Oriel's log under id %s: %w", id, tsdb.ErrNotReady)
}

// noRules is what rules and alerts answer from: there are none here, and the
// shape is right.
type noRules struct{}

func (noRules) RuleGroups() []*rules.Group           { return nil }
func (noRules) AlertingRules() []*rules.AlertingRule { return nil }

// slots bounds how many queries run at once. It is the engine's query tracker,
// without the file in which Prometheus leaves the texts of running queries.
type slots chan struct{}

func (s slots) GetMaxConcurrent() int { return cap(s) }

// Insert waits for a slot.
func (s slots) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case s <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Delete gives a slot back.
func (s slots) Delete(int) { <-s }

// Close implements io.Closer.
func (slots) Close() error { return nil }
