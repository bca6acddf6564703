// Package httpx is what the HTTP edges share: routes that can be listed (so
// that a test can walk over every one of them) and bounded request bodies.
package httpx

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// Access is what a route asks of its caller.
type Access string

// What a route can ask for. The guard in tenant/access enforces it before the
// handler runs.
const (
	Open     Access = "open"     // nothing: liveness, product greeting
	Known    Access = "known"    // a credential of any kind; a read scope where that may read
	Read     Access = "read"     // a read scope; the handler sees that scope only
	Write    Access = "write"    // a write scope
	Agent    Access = "agent"    // a cluster's credential
	Operator Access = "operator" // the operator
)

// Route is one way in. Pattern is a path with {name} for a segment and {name...}
// for the rest, relative to the API's mount ("/" or "/es/", say).
type Route struct {
	Methods []string // e.g. GET, HEAD; empty: any
	Pattern string
	Access  Access
}

// String gives "GET,POST /api/v1/query".
func (r Route) String() string {
	if len(r.Methods) == 0 {
		return "* " + r.Pattern
	}
	return strings.Join(r.Methods, ",") + " " + r.Pattern
}

// An API is a set of routes under one mount, with the error shape its clients
// understand.
type API interface {
	http.Handler
	// Routes lists every route that ServeHTTP answers with more than its 404.
	Routes() []Route
	// Access tells what the request's route asks for; Open with ok false where
	// no route matches, which ServeHTTP then answers itself.
	Access(*http.Request) (a Access, ok bool)
	// Error writes an error in the API's own shape. status is an HTTP status;
	// reason is one sentence that may be shown to the caller.
	Error(w http.ResponseWriter, r *http.Request, status int, reason string)
}

// Mux is an API made of http.ServeMux patterns. Fill it before serving.
type Mux struct {
	mux    http.ServeMux
	routes map[string]Route // by ServeMux pattern
	order  []Route
	onErr  func(w http.ResponseWriter, r *http.Request, status int, reason string)
}

// NewMux makes an empty one that writes errors with onErr.
func NewMux(onErr func(w http.ResponseWriter, r *http.Request, status int, reason string)) *Mux {
	return &Mux{routes: map[string]Route{}, onErr: onErr}
}

// Handle adds a route. It panics on a pattern that conflicts with another one.
func (m *Mux) Handle(rt Route, h http.HandlerFunc) {
	m.order = append(m.order, rt)
	methods := rt.Methods
	if len(methods) == 0 {
		methods = []string{""}
	}
	for _, method := range methods {
		p := strings.TrimSpace(method + " " + rt.Pattern)
		m.routes[p] = rt
		m.mux.HandleFunc(p, h)
	}
}

// Routes implements API.
func (m *Mux) Routes() []Route { return slices.Clone(m.order) }

// Access implements API.
func (m *Mux) Access(r *http.Request) (Access, bool) {
	_, rt, ok := m.lookup(r)
	if !ok {
		return Open, false
	}
	return rt.Access, true
}

// lookup finds the route. A path that is not in its canonical form has none:
// ServeMux would redirect it, which clients that send a body do not follow.
func (m *Mux) lookup(r *http.Request) (http.Handler, Route, bool) {
	h, p := m.mux.Handler(r)
	rt, ok := m.routes[p]
	clean := path.Clean(r.URL.Path)
	return h, rt, ok && strings.TrimSuffix(r.URL.Path, "/") == strings.TrimSuffix(clean, "/")
}

// Error implements API.
func (m *Mux) Error(w http.ResponseWriter, r *http.Request, status int, reason string) {
	m.onErr(w, r, status, reason)
}

// ServeHTTP implements API.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, _, ok := m.lookup(r)
	if !ok {
		// ServeMux's own 404, 405 or path-cleaning redirect: ask it which.
		rec := &statusOnly{header: http.Header{}}
		h.ServeHTTP(rec, r)
		switch rec.status {
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", rec.header.Get("Allow"))
			m.onErr(w, r, http.StatusMethodNotAllowed, "method "+r.Method+" is not allowed here; allowed: "+rec.header.Get("Allow"))
		default:
			m.onErr(w, r, http.StatusNotFound, "no such page or endpoint: "+r.URL.Path)
		}
		return
	}
	m.mux.ServeHTTP(w, r)
}

type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(code int)        { s.status = code }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

var _ API = (*Mux)(nil)
