package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
)

// Tenants is what the API needs of the directory; a registry.Registry is one.
type Tenants interface {
	States() []registry.State
	State(tenant.ID) (registry.State, bool)
	Refusals() []registry.Refusal
	Clusters() []registry.ClusterState
	Onboard(ctx context.Context, id tenant.ID, groups []string, namespaces []registry.NamespaceRef) error
	Offboard(ctx context.Context, id tenant.ID) error
	SetNamespaces(ctx context.Context, id tenant.ID, namespaces []registry.NamespaceRef) error
}

var _ Tenants = (*registry.Registry)(nil)

// Options of the API. Tenants and Tokens are required.
type Options struct {
	Tenants Tenants
	Tokens  tenant.Tokens
	// MergeLogs brings the log store's segments into as few as there can be. nil:
	// there is no such store here.
	MergeLogs func(context.Context) error
	// Receipt says what a tenant that exists got and what it lacks, as far as the
	// scope sees it. nil: not told.
	Receipt func(context.Context, tenant.Read, tenant.ID) dashboards.Receipt
	Logger  *slog.Logger // of changes, and of what could not be answered; nil: nowhere
}

// New gives the operator's API.
func New(o Options) httpx.API {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := server{o}
	m := httpx.NewMux(httpx.JSONError)
	for _, rt := range []struct {
		method, pattern string
		h               func(http.ResponseWriter, *http.Request) error
	}{
		{http.MethodGet, "/admin/v1/tenants", s.list},
		{http.MethodGet, "/admin/v1/tenants/{tenant}", s.show},
		{http.MethodPut, "/admin/v1/tenants/{tenant}", s.onboard},
		{http.MethodDelete, "/admin/v1/tenants/{tenant}", s.offboard},
		{http.MethodGet, "/admin/v1/tenants/{tenant}/namespaces", s.namespaces},
		{http.MethodPut, "/admin/v1/tenants/{tenant}/namespaces", s.setNamespaces},
		{http.MethodGet, "/admin/v1/tokens", s.tokens},
		{http.MethodPost, "/admin/v1/tokens", s.createToken},
		{http.MethodDelete, "/admin/v1/tokens/{id}", s.revokeToken},
		{http.MethodPost, "/admin/v1/logs/merge", s.mergeLogs},
	} {
		m.Handle(httpx.Route{Methods: []string{rt.method}, Pattern: rt.pattern, Access: httpx.Operator}, s.guarded(rt.h))
	}
	return m
}

type server struct{ o Options }

// guarded asks once more for what the guard before it has checked: this API
// gives away everything, so a wiring without the guard must give nothing.
func (s server) guarded(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !tenant.ReadFrom(r.Context()).All() {
			httpx.JSONError(w, r, http.StatusForbidden, "only an operator may do this: use an operator's token")
			return
		}
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// badRequest carries the status of a body that could not be read.
type badRequest struct {
	status int
	error
}

func (s server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var bad badRequest
	switch {
	case errors.As(err, &bad):
		httpx.JSONError(w, r, bad.status, err.Error())
	case errors.Is(err, registry.ErrInvalid), errors.Is(err, tenant.ErrTokenSpec):
		httpx.JSONError(w, r, http.StatusBadRequest, err.Error())
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, tenant.ErrNoToken):
		httpx.JSONError(w, r, http.StatusNotFound, err.Error())
	case errors.Is(err, registry.ErrConflict):
		httpx.JSONError(w, r, http.StatusConflict, err.Error())
	default:
		id := uuid.NewString()
		s.o.Logger.Error("operator request failed", "id", id, "method", r.Method, "path", r.URL.Path, "error", err)
		httpx.JSONError(w, r, http.StatusInternalServerError, "this could not be done: the log says why under the id "+id)
	}
}

// mergeLogs answers when everything is merged, or the caller has left.
func (s server) mergeLogs(w http.ResponseWriter, r *http.Request) error {
	if s.o.MergeLogs == nil {
		httpx.JSONError(w, r, http.StatusNotFound, "there is no embedded log store here: nothing to merge")
		return nil
	}
	if err := s.o.MergeLogs(r.Context()); err != nil {
		return err
	}
	s.changed(r, "log segments merged")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s server) changed(r *http.Request, what string, args ...any) {
	s.o.Logger.Info(what, append([]any{"by", tenant.ReadFrom(r.Context()).Who()}, args...)...)
}

func noTenant(name string) error {
	return fmt.Errorf("tenant %q: %w", name, registry.ErrNotFound)
}

// known gives the tenant of the path. It may be one that does not exist any more.
func (s server) known(r *http.Request) (registry.State, error) {
	name := r.PathValue("tenant")
	id, err := tenant.ParseID(name)
	if err != nil {
		return registry.State{}, noTenant(name)
	}
	st, ok := s.o.Tenants.State(id)
	if !ok {
		return registry.State{}, noTenant(name)
	}
	return st, nil
}

func read(w http.ResponseWriter, r *http.Request, v any) error {
	if status, err := httpx.ReadJSON(w, r, bodyBytesMax, v); err != nil {
		return badRequest{status, err}
	}
	return nil
}

func (s server) list(w http.ResponseWriter, _ *http.Request) error {
	out := List{Tenants: s.o.Tenants.States(), Refusals: s.o.Tenants.Refusals(), Clusters: s.o.Tenants.Clusters()}
	if out.Tenants == nil {
		out.Tenants = []registry.State{}
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (s server) show(w http.ResponseWriter, r *http.Request) error {
	st, err := s.known(r)
	if err != nil {
		return err
	}
	out := Shown{State: st}
	if s.o.Receipt != nil && st.Condition == registry.Live {
		receipt := s.o.Receipt(r.Context(), tenant.ReadFrom(r.Context()).Narrow(st.ID), st.ID)
		out.Receipt = &receipt
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (s server) onboard(w http.ResponseWriter, r *http.Request) error {
	id, err := tenant.ParseID(r.PathValue("tenant"))
	if err != nil {
		return badRequest{http.StatusBadRequest, err}
	}
	var in onboarding
	if err := read(w, r, &in); err != nil {
		return err
	}
	if err := s.o.Tenants.Onboard(r.Context(), id, in.Groups, in.Namespaces); err != nil {
		return err
	}
	s.changed(r, "tenant onboarded by the operator", "tenant", id, "namespaces", len(in.Namespaces))
	return s.show(w, r)
}

func (s server) offboard(w http.ResponseWriter, r *http.Request) error {
	st, err := s.known(r)
	if err != nil {
		return err
	}
	if err := s.o.Tenants.Offboard(r.Context(), st.ID); err != nil {
		return err
	}
	s.changed(r, "tenant offboarded by the operator", "tenant", st.ID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s server) namespaces(w http.ResponseWriter, r *http.Request) error {
	st, err := s.known(r)
	if err != nil {
		return err
	}
	if st.Namespaces == nil {
		st.Namespaces = []tenant.Namespace{}
	}
	httpx.WriteJSON(w, http.StatusOK, namespaceList{st.Namespaces})
	return nil
}

func (s server) setNamespaces(w http.ResponseWriter, r *http.Request) error {
	st, err := s.known(r)
	if err != nil {
		return err
	}
	var in assignment
	if err := read(w, r, &in); err != nil {
		return err
	}
	if err := s.o.Tenants.SetNamespaces(r.Context(), st.ID, in.Namespaces); err != nil {
		return err
	}
	s.changed(r, "namespaces assigned by the operator", "tenant", st.ID, "namespaces", len(in.Namespaces))
	return s.namespaces(w, r)
}

func (s server) tokens(w http.ResponseWriter, _ *http.Request) error {
	out := tokenList{Tokens: s.o.Tokens.List()}
	if out.Tokens == nil {
		out.Tokens = []tenant.TokenInfo{}
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (s server) createToken(w http.ResponseWriter, r *http.Request) error {
	var in tokenRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.ExpiresSeconds < 0 || in.ExpiresSeconds > expiresSecondsMax {
		return badRequest{http.StatusBadRequest, fmt.Errorf("expires_seconds %d: want 1 to %d, or none for a token that lasts until it is revoked", in.ExpiresSeconds, expiresSecondsMax)}
	}
	spec := tenant.TokenSpec{Kind: in.Kind, Tenant: in.Tenant, Cluster: in.Cluster, Access: in.Access, Name: in.Name,
		Expires: time.Duration(in.ExpiresSeconds) * time.Second}
	if err := spec.Validate(); err != nil {
		return err
	}
	if spec.Kind == tenant.TokenTenant {
		if st, ok := s.o.Tenants.State(spec.Tenant); !ok || st.Condition != registry.Live {
			return noTenant(string(spec.Tenant))
		}
	}
	secret, info, err := s.o.Tokens.Create(spec)
	if err != nil {
		return err
	}
	s.changed(r, "token created", "id", info.ID, "kind", info.Kind, "tenant", info.Tenant, "cluster", info.Cluster.Name)
	w.Header().Set("Cache-Control", "no-store")
	httpx.WriteJSON(w, http.StatusCreated, NewToken{Secret: secret, Token: info})
	return nil
}

func (s server) revokeToken(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.o.Tokens.Revoke(id); err != nil {
		return err
	}
	s.changed(r, "token revoked", "id", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
