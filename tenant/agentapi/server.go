package agentapi

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/google/uuid"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
)

// Options of the server.
type Options struct {
	Roster tenant.Roster // central's directory; required
	Logger *slog.Logger  // of what could not be answered; nil: nowhere
}

// New gives the agent API.
func New(o Options) httpx.API {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := server{o}
	m := httpx.NewMux(httpx.JSONError)
	m.Handle(httpx.Route{Methods: []string{http.MethodPut}, Pattern: pathSnapshot, Access: httpx.Agent}, s.snapshot)
	m.Handle(httpx.Route{Methods: []string{http.MethodPost}, Pattern: pathChanges, Access: httpx.Agent}, s.changes)
	return m
}

type server struct{ o Options }

func (s server) snapshot(w http.ResponseWriter, r *http.Request) {
	var in snapshot
	c, ok := s.read(w, r, &in)
	if !ok {
		return
	}
	out, err := s.o.Roster.Snapshot(r.Context(), c, in.Version, in.Claims)
	s.answer(w, r, out, err)
}

func (s server) changes(w http.ResponseWriter, r *http.Request) {
	var in changes
	c, ok := s.read(w, r, &in)
	if !ok {
		return
	}
	out, err := s.o.Roster.Changes(r.Context(), c, in.Version, in.Set, in.Ended)
	s.answer(w, r, out, err)
}

// read gives the cluster that speaks and its request; otherwise it has answered.
// The cluster is the credential's, never the body's.
func (s server) read(w http.ResponseWriter, r *http.Request, in any) (tenant.Cluster, bool) {
	scope := tenant.WriteFrom(r.Context())
	_, one := scope.Tenant()
	if !scope.Valid() || one || scope.Cluster().Name == "" {
		httpx.JSONError(w, r, http.StatusForbidden, "only a cluster's token speaks for its namespaces: make one with oriel token create --cluster NAME")
		return tenant.Cluster{}, false
	}
	if status, err := httpx.ReadJSON(w, r, bodyBytesMax, in); err != nil {
		httpx.JSONError(w, r, status, err.Error())
		return tenant.Cluster{}, false
	}
	return scope.Cluster(), true
}

func (s server) answer(w http.ResponseWriter, r *http.Request, out []tenant.Decision, err error) {
	switch {
	case err == nil:
		if out == nil {
			out = []tenant.Decision{}
		}
		httpx.WriteJSON(w, http.StatusOK, reply{Decisions: out})
	case errors.Is(err, tenant.ErrStaleRoster):
		httpx.JSONError(w, r, http.StatusConflict, tenant.ErrStaleRoster.Error())
	default:
		id := uuid.NewString()
		s.o.Logger.Error("roster not taken", "id", id, "cluster", tenant.WriteFrom(r.Context()).Cluster().Name, "error", err)
		httpx.JSONError(w, r, http.StatusInternalServerError, "central could not take the roster: try again, and tell the operator the id "+id)
	}
}
