// Package esapi answers Elasticsearch's HTTP API over the caller's logs, as far
// as Grafana, olivere/elastic, shippers and people with curl need it. It speaks
// for a logging.Searcher; what a request means is package dsl's.
//
//	api := esapi.New(esapi.Options{Searcher: store, Bulk: bulk})
//	http.ListenAndServe(":9200", guard(api))
//
// Everything is seen through one logging.View of the caller's scope, so that
// what is not the caller's is not there: an index of somebody else's and one
// that never was get the same answer. docs/es-compat.md lists what is supported.
package esapi

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// VersionDefault is the Elasticsearch version that is announced where no other
// one is configured: new enough for Grafana, old enough for shippers.
const VersionDefault = "8.19.0"

// Bulk serves the requests that write: it reads the body, stores and answers,
// and reads those parameters of the URL that say how.
type Bulk interface {
	// ServeBulk serves _bulk. index is the one in the path, "" where there is none.
	ServeBulk(w http.ResponseWriter, r *http.Request, s tenant.Write, index string)
	// ServeDocument serves the writing of one document, of which raw names index
	// and id ("": one is made). create makes an id that is taken a conflict.
	ServeDocument(w http.ResponseWriter, r *http.Request, s tenant.Write, raw logging.Raw, create bool)
}

// Options of the API.
type Options struct {
	Searcher logging.Searcher
	Bulk     Bulk // nil: what writes answers that nothing is taken in
	// Version is announced to clients; "" means VersionDefault.
	Version string
	// PublishAddress is told to clients that ask for nodes: host:port, or
	// host/ip:port. "" means the host that the request named.
	PublishAddress string
	// BodyBytesMax bounds the bodies of searches, unpacked, below what they are
	// bounded by anyway (16 MiB); 0 does not.
	BodyBytesMax int64
	// AnswersBytesMax bounds the memory that all answers take together until they are
	// sent; 0: 1 GiB.
	AnswersBytesMax int64
	// SearchTime is how long a request that reads may take; 0: for ever.
	SearchTime time.Duration
	Clock      clock.Clock
	Logger     *slog.Logger // nil: discard
	Registerer prometheus.Registerer
}

// API is the facade. Safe for concurrent use.
type API struct {
	o        Options
	routes   []route
	contexts contexts
	answers  answers
	zippers  sync.Pool
	buffers  sync.Pool // of *[]byte

	requests *prometheus.CounterVec   // route, code
	refused  *prometheus.CounterVec   // reason
	seconds  *prometheus.HistogramVec // route
}

var _ httpx.API = (*API)(nil)

// New makes the API.
func New(o Options) *API {
	if o.Version == "" {
		o.Version = VersionDefault
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{
		o: o, answers: answers{max: cmp.Or(o.AnswersBytesMax, answersDefault)},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_es_requests_total", Help: "Requests to the Elasticsearch API, by route and the status of the answer.",
		}, []string{"route", "code"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_es_refused_total", Help: "Requests and parts of multi-searches that were answered with an error, by its type.",
		}, []string{"reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oriel_es_request_seconds", Help: "Time to answer, by route.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"route"}),
	}
	a.contexts.open = map[string]*searchContext{}
	a.zippers.New = func() any { z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return z }
	if o.Registerer != nil {
		o.Registerer.MustRegister(a.requests, a.refused, a.seconds)
	}
	a.routes = allRoutes()
	return a
}

// Routes implements httpx.API.
func (a *API) Routes() []httpx.Route {
	out := make([]httpx.Route, len(a.routes))
	for i, r := range a.routes {
		out[i] = r.Route
	}
	return out
}

// Access implements httpx.API. It looks at the method and the path alone.
func (a *API) Access(r *http.Request) (httpx.Access, bool) {
	rt, _, _ := a.match(r)
	if rt == nil {
		return httpx.Open, false
	}
	return rt.Access, true
}

// Error implements httpx.API.
func (a *API) Error(w http.ResponseWriter, r *http.Request, status int, reason string) {
	c := &call{api: a, w: w, r: r, params: r.URL.Query()}
	drain(r)
	c.finish(reply{status: status, body: statusError(status, reason).AppendBody(nil)})
}

// errTooLong ends a request that takes longer than Options.SearchTime.
var errTooLong = errors.New("the request takes longer than it may")

// ServeHTTP implements httpx.API.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	c := &call{api: a, w: w, r: r, params: r.URL.Query(), scope: tenant.ReadFrom(r.Context())}
	defer func() { c.give(c.held.Load()) }()
	rt, vars, allowed := a.match(r)
	name := "none"
	var out reply
	switch {
	case rt != nil:
		name = rt.Pattern
		c.vars = vars
		if a.o.SearchTime > 0 && rt.Access == httpx.Read {
			ctx, cancel := context.WithTimeoutCause(r.Context(), a.o.SearchTime, errTooLong)
			defer cancel()
			c.r = r.WithContext(ctx)
		}
		err := c.checkParams(rt)
		if err == nil {
			out, err = rt.handle(c)
		}
		if err != nil {
			out = c.failure(err)
		}
	case len(allowed) > 0:
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		out = textError(http.StatusMethodNotAllowed, "Incorrect HTTP method for uri ["+clip(r.URL.RequestURI())+"] and method ["+clip(r.Method)+"], allowed: ["+strings.Join(allowed, ", ")+"]", true)
		a.refused.WithLabelValues("method_not_allowed").Inc()
	default:
		out = textError(http.StatusBadRequest, "no handler found for uri ["+clip(r.URL.RequestURI())+"] and method ["+clip(r.Method)+"]", false)
		a.refused.WithLabelValues("no_handler").Inc()
	}
	if out.status >= http.StatusBadRequest {
		drain(r)
	}
	a.requests.WithLabelValues(name, strconv.Itoa(c.finish(out))).Inc()
	a.seconds.WithLabelValues(name).Observe(time.Since(begin).Seconds())
}

// drain reads what a request still sends. Shippers that are answered before see
// a broken connection instead of the answer, and send again. What is beyond the
// bound is cut off.
func drain(r *http.Request) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, drainBytesMax))
	}
}

const drainBytesMax = 64 << 20

func clip(s string) string {
	const most = 500
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// call is one request on its way.
type call struct {
	api    *API
	w      http.ResponseWriter
	r      *http.Request
	params url.Values
	vars   map[string]string // of the path
	scope  tenant.Read
	held   atomic.Int64 // of the API's answers
}

// param gives a parameter of the URL, "" where absent.
func (c *call) param(key string) string { return c.params.Get(key) }

// on reports whether a parameter is there and not false: ?pretty and ?pretty=true.
func (c *call) on(key string) bool { return c.params.Has(key) && c.params.Get(key) != "false" }
