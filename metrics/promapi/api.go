// Package promapi serves Prometheus' HTTP API over what a scope may see:
// Prometheus' own handlers behind an allow-list, one instance per cached scope,
// and of our own what Prometheus answers from its own scraping and its one
// database: metadata, targets, status/tsdb, and federation.
//
//	api, err := promapi.New(promapi.Options{Querier: store, Metadata: store.Metadata})
//	http.ListenAndServe(addr, guard(api))
//
// What is not on the list (configuration, flags, admin, search, ...)
// does not exist: 404 in Prometheus' error shape. The handlers are written
// against a storage that can see the scope and nothing else, so there is nothing
// in a query's text, a parameter or a header that could widen it.
package promapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/httputil"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

const (
	timeoutDefault    = 2 * time.Minute
	lookback          = 5 * time.Minute // how old a sample may be to count as the present one
	samplesMaxDefault = 50_000_000      // as Prometheus
	queriesMax        = 20              // at once, as Prometheus; the others wait
	queriesDefault    = 10              // at once of one scope's tenants
	waitingMax        = 200             // beyond those, before 429: ten dashboards
	bodyBytesDefault  = 4 << 20
	// limitMax caps the answers of series, labels and label values. Grafana asks
	// for 40,000.
	limitMax     = 100_000
	instancesMax = 1024 // of some 16 KB
)

// Options of an API.
type Options struct {
	Querier metrics.Querier
	// Metadata gives what is known of the scope's metrics by family name;
	// nil: nothing.
	Metadata func(tenant.Read) map[string][]metrics.Metadata
	// Cardinality counts what the scope has most of; nil: status/tsdb is empty.
	Cardinality func(ctx context.Context, r tenant.Read, limit int) (metrics.Cardinality, error)

	Timeout      time.Duration // of one query; 0: two minutes
	Queries      int           // of one scope's tenants at once; 0: ten
	QueryLog     *slog.Logger  // a line for every query; nil: none
	SamplesMax   int           // that one query may hold at once; 0: 50 million
	BodyBytesMax int64         // 0: 4 MiB

	Version    string // Oriel's, shown as the build's revision
	Clock      clock.Clock
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// API is an httpx.API with the routes /api/v1/... and /federate.
type API struct {
	*httpx.Mux
	opts      Options
	engine    *promql.Engine
	parser    parser.Parser
	slots     slots
	gate      *gate
	streams   *streams
	prototype *v1.API
	cache     *instances
	requests  *prometheus.CounterVec
}

var _ httpx.API = (*API)(nil)

// New makes an API.
func New(o Options) (*API, error) {
	if o.Querier == nil {
		return nil, errors.New("make the Prometheus API: Options.Querier is not set")
	}
	o.defaults()
	a := &API{
		opts:    o,
		parser:  newParser(),
		slots:   make(slots, queriesMax),
		gate:    newGate(o.Queries, waitingMax),
		streams: &streams{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_promapi_requests_total", Help: "Requests to the Prometheus API by route and HTTP status.",
		}, []string{"route", "code"}),
	}
	var engineReg prometheus.Registerer
	if o.Registerer != nil {
		if err := o.Registerer.Register(a.requests); err != nil {
			return nil, err
		}
		engineReg = prometheus.WrapRegistererWithPrefix("oriel_", o.Registerer)
	}
	a.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   o.Logger,
		Reg:                      engineReg,
		MaxSamples:               o.SamplesMax,
		Timeout:                  o.Timeout,
		LookbackDelta:            lookback,
		ActiveQueryTracker:       a.slots,
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   a.parser,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
	a.prototype = a.newPrototype()
	a.cache = newInstances(instancesMax, a.newInstance)
	a.Mux = httpx.NewMux(writeError)
	a.routes()
	return a, nil
}

func (o *Options) defaults() {
	if o.Timeout <= 0 {
		o.Timeout = timeoutDefault
	}
	if o.Queries <= 0 {
		o.Queries = queriesDefault
	}
	if o.Cardinality == nil {
		o.Cardinality = func(context.Context, tenant.Read, int) (metrics.Cardinality, error) {
			return metrics.Cardinality{}, nil
		}
	}
	if o.SamplesMax <= 0 {
		o.SamplesMax = samplesMaxDefault
	}
	if o.BodyBytesMax <= 0 {
		o.BodyBytesMax = bodyBytesDefault
	}
	if o.Metadata == nil {
		o.Metadata = func(tenant.Read) map[string][]metrics.Metadata { return nil }
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// routes is the allow-list.
func (a *API) routes() {
	both := []string{http.MethodGet, http.MethodPost, http.MethodOptions}
	get := []string{http.MethodGet, http.MethodOptions}
	post := []string{http.MethodPost, http.MethodOptions}
	handle := func(methods []string, pattern string, h http.HandlerFunc) {
		a.Handle(httpx.Route{Methods: methods, Pattern: pattern, Access: httpx.Read}, a.wrap(pattern, methods, h))
	}
	for _, name := range []string{"format_query", "parse_query"} {
		handle(both, "/api/v1/"+name, a.theirs)
	}
	for _, name := range []string{"query", "query_range", "query_exemplars"} {
		handle(both, "/api/v1/"+name, a.queued(a.theirs))
	}
	for _, name := range []string{"labels", "series"} {
		handle(both, "/api/v1/"+name, a.gated(a.limited))
	}
	handle(get, "/api/v1/label/{name}/values", a.gated(a.labelValues))
	handle(get, "/api/v1/status/buildinfo", a.theirs)
	handle(get, "/api/v1/rules", a.theirs)
	handle(get, "/api/v1/alerts", a.theirs)
	handle(post, readPath, a.gated(a.theirs))
	handle(get, "/api/v1/metadata", a.metadata)
	handle(get, "/api/v1/targets", a.gated(a.targets))
	handle(get, "/api/v1/status/tsdb", a.gated(a.statusTSDB))
	handle(get, "/federate", a.gated(a.federate))
}

// wrap bounds the body, reads the parameters and answers what is the same
// everywhere.
func (a *API) wrap(pattern string, methods []string, h http.HandlerFunc) http.HandlerFunc {
	allow := strings.Join(append([]string{http.MethodHead}, methods...), ", ")
	if methods[0] == http.MethodPost {
		allow = strings.Join(methods, ", ")
	}
	return func(w http.ResponseWriter, r *http.Request) {
		cw := &codeWriter{ResponseWriter: w, code: http.StatusOK}
		defer func() { a.requests.WithLabelValues(pattern, strconv.Itoa(cw.code)).Inc() }()
		if r.Method == http.MethodOptions {
			cw.Header().Set("Allow", allow)
			cw.WriteHeader(http.StatusNoContent)
			return
		}
		if tenant.ReadFrom(r.Context()).Empty() {
			// The guard lets nobody through without a scope; who comes here without
			// one sees nothing rather than an empty success.
			writeError(cw, r, http.StatusForbidden, "the caller may read no tenant's metrics")
			return
		}
		r.Body = http.MaxBytesReader(cw, r.Body, a.opts.BodyBytesMax)
		if pattern != readPath {
			if err := r.ParseForm(); err != nil {
				status := http.StatusBadRequest
				if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
					status = http.StatusRequestEntityTooLarge
				}
				writeError(cw, r, status, "read the request's parameters: "+err.Error())
				return
			}
		}
		if r.Method == http.MethodHead {
			// Prometheus' router knows no HEAD; the server leaves the body away.
			r = r.Clone(r.Context())
			r.Method = http.MethodGet
		}
		h(cw, r)
	}
}

// queued lets as many through at a time as the scope's tenants may run queries.
func (a *API) queued(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := a.gate.enter(r.Context(), tenant.ReadFrom(r.Context()))
		if err != nil {
			w.Header().Set("Retry-After", "5")
			writeError(w, r, http.StatusTooManyRequests, fmt.Sprintf("%d queries are running and %d waiting, which is what the tenant may have (limits.queries is %d): ask for less at a time", a.opts.Queries, waitingMax, a.opts.Queries))
			return
		}
		defer leave()
		h(w, r)
	}
}

// gated is queued for what does not go through the engine, which has slots of
// its own for what does: it lets as many through at a time as queries may run.
func (a *API) gated(h http.HandlerFunc) http.HandlerFunc {
	return a.queued(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.slots.Insert(r.Context(), ""); err != nil {
			writeError(w, r, http.StatusServiceUnavailable, "too many requests are under way; try again")
			return
		}
		defer a.slots.Delete(0)
		h(w, r)
	})
}

// theirs hands the request to Prometheus' handlers over the caller's scope. They
// compress what they write, which is done here instead: a ticket for a large answer
// is cashed in before.
func (a *API) theirs(w http.ResponseWriter, r *http.Request) {
	h := a.cache.get(tenant.ReadFrom(r.Context()))
	if r.URL.Path == readPath { // has a compression of its own
		h.ServeHTTP(w, r)
		return
	}
	httputil.CompressionHandler{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("Accept-Encoding")
		w.Header().Del("Vary") // which theirs say again
		h.ServeHTTP(a.streams.writer(w), r)
	})}.ServeHTTP(w, r)
}

// limited is theirs with a bounded answer; Prometheus' handler tells of a cut in
// the warnings.
func (a *API) limited(w http.ResponseWriter, r *http.Request) {
	if n, err := strconv.Atoi(r.Form.Get("limit")); r.Form.Get("limit") == "" || (err == nil && (n == 0 || n > limitMax)) {
		r.Form.Set("limit", strconv.Itoa(limitMax))
	}
	a.theirs(w, r)
}

func (a *API) labelValues(w http.ResponseWriter, r *http.Request) {
	if name := r.PathValue("name"); !model.LegacyValidation.IsValidLabelName(name) {
		// Names with slashes and the like travel through Prometheus' router escaped.
		r = r.Clone(r.Context())
		if !strings.HasPrefix(name, "U__") {
			name = model.EscapeName(name, model.ValueEncodingEscaping)
		}
		r.URL.Path, r.URL.RawPath = "/api/v1/label/"+name+"/values", ""
	}
	a.limited(w, r)
}

// codeWriter remembers the status for the counter.
type codeWriter struct {
	http.ResponseWriter
	code int
}

func (w *codeWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Flush implements http.Flusher: remote read streams.
func (w *codeWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController through.
func (w *codeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writeError writes Prometheus' error shape.
func writeError(w http.ResponseWriter, _ *http.Request, status int, reason string) {
	typ := "internal"
	switch {
	case status == http.StatusNotFound:
		typ = "not_found"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		typ = "forbidden"
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		typ = "unavailable"
	case status < 500:
		typ = "bad_data"
	}
	writeJSON(w, status, struct {
		Status    string `json:"status"`
		ErrorType string `json:"errorType"`
		Error     string `json:"error"`
	}{"error", typ, reason})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that went away is the only error here, and needs no answer.
	_ = json.NewEncoder(w).Encode(v)
}
