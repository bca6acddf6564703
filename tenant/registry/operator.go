package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/oriel-project/oriel/tenant"
)

// NamespaceRef names a namespace of a cluster, whatever its life.
type NamespaceRef struct {
	Cluster string `json:"cluster"`
	Name    string `json:"name"`
}

// String gives "cluster/name".
func (n NamespaceRef) String() string { return n.Cluster + "/" + n.Name }

// Errors of the operator's calls that callers branch on.
var (
	ErrNotFound = errors.New("no such tenant or namespace")
	ErrConflict = errors.New("conflict")
	ErrInvalid  = errors.New("bad request")
)

// Onboard makes the tenant exist until it is offboarded, fixes its groups, and
// adds the namespaces to those it has; nil groups leave those of a tenant that
// is known. It may be repeated. While anything is kept of a tenant that is gone,
// it comes back with its own groups: they are who it is. The error wraps
// ErrInvalid for a bad name, and ErrConflict for a namespace of another tenant or
// a name of which another team's telemetry is kept.
func (r *Registry) Onboard(ctx context.Context, id tenant.ID, groups []string, namespaces []NamespaceRef) error {
	if _, err := tenant.ParseID(string(id)); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(groups) > groupsMax || tooLong(groups, groupLenMax) {
		return fmt.Errorf("%w: %d groups: want at most %d of at most %d bytes each", ErrInvalid, len(groups), groupsMax, groupLenMax)
	}
	return r.change(ctx, func(tx *tx) error {
		now := r.now()
		t := team{ID: id, Groups: normalGroups(groups), Since: now, Operator: true}
		if old := tx.tenant(id); old != nil {
			if groups == nil {
				t.Groups = old.Groups
			}
			switch kept := len(old.keys) > 0 || !old.Left.IsZero(); {
			case tx.exists(id):
				t.Since = old.Since
			case kept && !slices.Equal(t.Groups, old.Groups):
				return fmt.Errorf("%w: tenant %q was another team's, whose telemetry is kept for %s after its end and would be seen: choose another name, or wait; if it is the same team, onboard it without groups and change them then", ErrConflict, id, r.opts.ArchiveFor)
			}
		}
		if old := tx.tenant(id); old == nil || !old.Operator || old.Offboarded || !slices.Equal(old.Groups, t.Groups) {
			if err := tx.do(change{Op: opTenant, Team: &t}); err != nil {
				return err
			}
		}
		for _, ref := range namespaces {
			if err := tx.assign(id, ref, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Offboard ends the tenant and all its namespaces, and refuses claims on its
// name until it is onboarded again. The error wraps ErrNotFound where it does
// not exist.
func (r *Registry) Offboard(ctx context.Context, id tenant.ID) error {
	return r.change(ctx, func(tx *tx) error {
		if !tx.exists(id) {
			return fmt.Errorf("tenant %q: %w", id, ErrNotFound)
		}
		now := r.now()
		for _, l := range tx.lives(id) {
			if err := tx.end(l, now, l.OnDelete); err != nil {
				return err
			}
		}
		gone := *tx.tenant(id)
		gone.Operator, gone.Offboarded, gone.Left = false, true, now
		return tx.do(change{Op: opTenant, Team: &gone})
	})
}

// AddNamespaces assigns namespaces to a tenant that exists, under random UIDs.
// Those that are its own already stay as they are.
func (r *Registry) AddNamespaces(ctx context.Context, id tenant.ID, namespaces []NamespaceRef) error {
	return r.change(ctx, func(tx *tx) error {
		if !tx.exists(id) {
			return fmt.Errorf("tenant %q: %w", id, ErrNotFound)
		}
		for _, ref := range namespaces {
			if err := tx.assign(id, ref, r.now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveNamespace takes a namespace from a tenant that the operator gave it to.
// One that is there by its annotation must lose the annotation instead.
func (r *Registry) RemoveNamespace(ctx context.Context, id tenant.ID, ref NamespaceRef) error {
	return r.change(ctx, func(tx *tx) error { return tx.unassign(id, ref, r.now()) })
}

// SetNamespaces makes the namespaces that the operator gave to the tenant
// exactly these. Those that are there by their annotation stay.
func (r *Registry) SetNamespaces(ctx context.Context, id tenant.ID, namespaces []NamespaceRef) error {
	return r.change(ctx, func(tx *tx) error {
		if !tx.exists(id) {
			return fmt.Errorf("tenant %q: %w", id, ErrNotFound)
		}
		now := r.now()
		for _, ref := range namespaces {
			if err := tx.assign(id, ref, now); err != nil {
				return err
			}
		}
		for _, l := range tx.lives(id) {
			ref := NamespaceRef{l.Cluster, l.Life.Namespace}
			if l.By == byOperator && !slices.Contains(namespaces, ref) {
				if err := tx.unassign(id, ref, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (x *tx) assign(id tenant.ID, ref NamespaceRef, now time.Time) error {
	for _, name := range []string{ref.Cluster, ref.Name} {
		if _, err := tenant.ParseID(name); err != nil { // both are labels of the same rule
			return fmt.Errorf("%w: namespace %q: want cluster/name, each 1 to 63 of a-z, 0-9 and '-'", ErrInvalid, ref)
		}
	}
	k := key{ref.Cluster, ref.Name}
	l := life{Tenant: id, By: byOperator}
	l.Life = tenant.Life{Cluster: ref.Cluster, Namespace: ref.Name, UID: uuid.NewString(), From: now}
	l.OnDelete = tenant.Archive
	if h := x.history(k); h != nil {
		if cur := h.living(); cur != nil {
			if cur.Tenant == id {
				return nil
			}
			return fmt.Errorf("%w: namespace %s belongs to tenant %q: take it from there first", ErrConflict, ref, cur.Tenant)
		}
		if n := len(h.Lives); n > 0 && l.From.Before(h.Lives[n-1].To) {
			l.From = h.Lives[n-1].To // the clock went back
		}
	}
	x.events = append(x.events, Event{Kind: Began, At: now, Tenant: id, Life: l.Life})
	return x.do(change{Op: opLife, Life: &l})
}

func (x *tx) unassign(id tenant.ID, ref NamespaceRef, now time.Time) error {
	h := x.history(key{ref.Cluster, ref.Name})
	if h == nil || h.living() == nil || h.living().Tenant != id {
		return fmt.Errorf("namespace %s of tenant %q: %w", ref, id, ErrNotFound)
	}
	cur := *h.living()
	if cur.By == byClaim {
		return fmt.Errorf("%w: namespace %s belongs to tenant %q by its annotation: remove the annotation from the namespace", ErrConflict, ref, id)
	}
	return x.end(cur, now, cur.OnDelete)
}

// lives gives the tenant's living lives by cluster and name.
func (x *tx) lives(id tenant.ID) []life {
	var out []life
	if t := x.tenant(id); t != nil {
		for k := range t.keys {
			if l := x.history(k).living(); l != nil && l.Tenant == id {
				out = append(out, *l)
			}
		}
	}
	slices.SortFunc(out, func(a, b life) int { return compareLives(a.Life, b.Life) })
	return out
}

// Condition is where a tenant is in its own life.
type Condition string

// The conditions.
const (
	Live    Condition = "live"
	Gone    Condition = "gone"    // no window any more; the name is kept for its groups while archives are
	Stopped Condition = "stopped" // offboarded by the operator: claims are refused
)

// State is what the operator sees of a tenant.
type State struct {
	tenant.Tenant
	Condition Condition          `json:"condition"`
	Operator  bool               `json:"operator"` // onboarded by the operator, not by a claim
	Status    string             `json:"status"`   // "ready", "pending: ..."; "" where not live
	Stages    map[string]float64 `json:"stages,omitempty"`
	Sealed    []tenant.Life      `json:"sealed,omitempty"` // ended lives whose archive is kept
}

// States gives everything that is kept of every tenant, by ID.
func (r *Registry) States() []State {
	r.view.RLock()
	out := make([]State, 0, len(r.st.tenants))
	for _, t := range r.st.tenants {
		out = append(out, t.state())
	}
	r.view.RUnlock()
	for i := range out {
		r.fill(&out[i])
	}
	slices.SortFunc(out, func(a, b State) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// State gives what is kept of one tenant; ok is false where nothing is.
func (r *Registry) State(id tenant.ID) (s State, ok bool) {
	r.view.RLock()
	t := r.st.tenants[id]
	if t != nil {
		s = t.state()
	}
	r.view.RUnlock()
	if t != nil {
		r.fill(&s)
	}
	return s, t != nil
}

func (t *team) state() State {
	s := State{Tenant: t.snap, Condition: Gone, Operator: t.Operator, Sealed: t.sealed}
	switch {
	case t.exists:
		s.Condition = Live
	case t.Offboarded:
		s.Condition = Stopped
	}
	return s
}

// fill asks for the stages without holding the lock: who answers may ask back.
func (r *Registry) fill(s *State) {
	if s.Condition == Live {
		s.Status, s.Stages = r.status(s.ID)
	}
}

// Refusal is a claim that does not hold.
type Refusal struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	UID       string `json:"uid"`
	Tenant    string `json:"tenant"` // as annotated
	Reason    string `json:"reason"`
}

// Refusals gives the claims that are refused now, as the agents last told, by
// cluster and namespace.
func (r *Registry) Refusals() []Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Refusal
	for name, c := range r.clusters {
		for ns, cl := range c.claims {
			if cl.refusal != "" {
				out = append(out, Refusal{Cluster: name, Namespace: ns, UID: cl.UID, Tenant: cl.Tenant, Reason: cl.refusal})
			}
		}
	}
	slices.SortFunc(out, func(a, b Refusal) int {
		return strings.Compare(a.Cluster+"/"+a.Namespace, b.Cluster+"/"+b.Namespace)
	})
	return out
}

// ClusterState is an agent that has spoken since the start.
type ClusterState struct {
	tenant.Cluster
	Version    uint64    `json:"version"`
	Seen       time.Time `json:"seen"` // when its last roster came
	Namespaces int       `json:"namespaces"`
}

// Clusters gives the clusters whose agents have spoken since the start, by name.
func (r *Registry) Clusters() []ClusterState {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []ClusterState
	for _, c := range r.clusters {
		out = append(out, ClusterState{Cluster: c.info, Version: c.version, Seen: c.seen, Namespaces: len(c.claims)})
	}
	slices.SortFunc(out, func(a, b ClusterState) int { return strings.Compare(a.Name, b.Name) })
	return out
}
