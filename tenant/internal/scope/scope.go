// Package scope holds the types that say what one caller may touch. They have
// no exported fields and their constructors are out of reach for everybody but
// tenant/access (requests, listeners, the system's own work) and
// tenant/scopetest (tests); test/arch checks that. Other packages name the
// types through package tenant. The zero value of both reads and writes
// nothing, so a path that forgot its scope fails closed.
package scope

import (
	"slices"
	"strings"
	"time"
)

// ID names a tenant: an RFC 1123 label, or one of the reserved names that
// begin with an underscore. Make one with tenant.ParseID.
type ID string

// System and Unassigned are the operator's own tenants. They cannot be named
// from outside.
const (
	System     ID = "_system"     // hosts, nodes, Oriel itself
	Unassigned ID = "_unassigned" // nobody's yet: bounded, kept 24 h
)

// Reserved reports whether the ID is one of the operator's own.
func (id ID) Reserved() bool { return strings.HasPrefix(string(id), "_") }

// Cluster is where data come from. Its labels are stamped on all of them.
type Cluster struct {
	Name   string `json:"name"`
	Region string `json:"region,omitempty"`
	Cloud  string `json:"cloud,omitempty"`
}

// Life is one life of a namespace: from its onboarding until its end. Lives of
// one (cluster, namespace) never overlap.
type Life struct {
	Cluster   string    `json:"cluster"`
	Namespace string    `json:"namespace"`
	UID       string    `json:"uid"`
	From      time.Time `json:"from"`        // inclusive
	To        time.Time `json:"to,omitzero"` // exclusive; zero while it lives
}

// Covers reports whether t lies within the life.
func (l Life) Covers(t time.Time) bool {
	return !t.Before(l.From) && (l.To.IsZero() || t.Before(l.To))
}

// Owners answers whose data something is. A Directory is one.
// Implementations are safe for concurrent use.
type Owners interface {
	// Owner gives the tenant that the namespace of that cluster belonged to at t.
	Owner(cluster, namespace string, at time.Time) (ID, bool)
	// Sealed gives the ended lives of the tenant whose telemetry is out of live
	// views. The caller must not change the slice.
	Sealed(ID) []Life
}

// Read says whose data may be read. It is immutable and may be shared.
type Read struct{ v *view }

type view struct {
	who    string
	all    bool
	ids    []ID // sorted; meaningless with all
	owners Owners
}

// NewRead makes a scope over the given tenants.
func NewRead(who string, o Owners, ids ...ID) Read {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return Read{&view{who: who, owners: o, ids: slices.Compact(ids)}}
}

// NewReadAll makes the operator's scope: every tenant, the reserved ones too.
func NewReadAll(who string, o Owners) Read {
	return Read{&view{who: who, owners: o, all: true}}
}

// Who names the caller, for logs and for what belongs to one caller (a scroll,
// a point in time). It is not a secret and not unique over scopes: see Key.
func (r Read) Who() string {
	if r.v == nil {
		return ""
	}
	return r.v.who
}

// All reports whether the scope is the operator's.
func (r Read) All() bool { return r.v != nil && r.v.all }

// Tenants gives the tenants in order; nil for the operator's scope (see All)
// and for an empty one. The caller must not change the slice.
func (r Read) Tenants() []ID {
	if r.v == nil || r.v.all {
		return nil
	}
	return r.v.ids
}

// Empty reports whether nothing may be read.
func (r Read) Empty() bool { return r.v == nil || (!r.v.all && len(r.v.ids) == 0) }

// Includes reports whether the tenant may be read.
func (r Read) Includes(id ID) bool {
	if r.v == nil {
		return false
	}
	if r.v.all {
		return true
	}
	_, ok := slices.BinarySearch(r.v.ids, id)
	return ok
}

// Sealed gives the lives of the tenant whose data must not show: engines leave
// out what lies in one of them (cluster, namespace, and a time within [From, To)).
// Asked anew at every query, since a namespace may have ended since.
func (r Read) Sealed(id ID) []Life {
	if r.v == nil || r.v.owners == nil {
		return nil
	}
	return r.v.owners.Sealed(id)
}

// Narrow gives the scope's part that lies in ids. It never widens.
func (r Read) Narrow(ids ...ID) Read {
	if r.v == nil {
		return r
	}
	keep := make([]ID, 0, len(ids))
	for _, id := range ids {
		if r.Includes(id) {
			keep = append(keep, id)
		}
	}
	return NewRead(r.v.who, r.v.owners, keep...)
}

// Key is equal for two scopes exactly if they belong to the same caller and
// hold the same tenants. Caches, scrolls and points in time are kept under it.
func (r Read) Key() string {
	if r.v == nil {
		return ""
	}
	if r.v.all {
		return r.v.who + "\x00*"
	}
	var b strings.Builder
	b.WriteString(r.v.who)
	for _, id := range r.v.ids {
		b.WriteByte(0)
		b.WriteString(string(id))
	}
	return b.String()
}

// Write says whose data may be written, and decides whose each record or
// sample is. It is immutable and may be shared.
type Write struct{ w *writer }

type writer struct {
	who     string
	tenant  ID // the one tenant; "" for a cluster's scope
	cluster Cluster
	owners  Owners
}

// NewWriteTenant makes a scope that writes one tenant, whatever the data say.
func NewWriteTenant(who string, c Cluster, id ID) Write {
	return Write{&writer{who: who, tenant: id, cluster: c}}
}

// NewWriteCluster makes a scope that writes the namespaces of one cluster, to
// whoever owns them.
func NewWriteCluster(who string, c Cluster, o Owners) Write {
	return Write{&writer{who: who, cluster: c, owners: o}}
}

// Valid reports whether the scope writes anything at all.
func (w Write) Valid() bool { return w.w != nil }

// Who names the credential: part of every batch key.
func (w Write) Who() string {
	if w.w == nil {
		return ""
	}
	return w.w.who
}

// Cluster is what is stamped on everything written under this scope.
func (w Write) Cluster() Cluster {
	if w.w == nil {
		return Cluster{}
	}
	return w.w.cluster
}

// Tenant gives the one tenant of a tenant's credential; ok is false for a
// cluster's.
func (w Write) Tenant() (id ID, ok bool) {
	if w.w == nil || w.w.tenant == "" {
		return "", false
	}
	return w.w.tenant, true
}

// Owner decides whose data something of that namespace and time is. A
// namespace that nobody owns, and no namespace at all, give Unassigned. ok is
// false for a scope that writes nothing.
func (w Write) Owner(namespace string, at time.Time) (id ID, ok bool) {
	switch {
	case w.w == nil:
		return "", false
	case w.w.tenant != "":
		return w.w.tenant, true
	case namespace != "":
		if id, ok := w.w.owners.Owner(w.w.cluster.Name, namespace, at); ok {
			return id, true
		}
	}
	return Unassigned, true
}

// NodeOwner decides whose data something of a node is, outside any namespace:
// System for a cluster's credential.
func (w Write) NodeOwner() (id ID, ok bool) {
	switch {
	case w.w == nil:
		return "", false
	case w.w.tenant != "":
		return w.w.tenant, true
	}
	return System, true
}
