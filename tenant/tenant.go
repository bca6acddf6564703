// Package tenant holds the words that everything else is said in: a tenant and
// its ID, a namespace's life, the Directory that knows them, the scopes that
// every read and every write takes, and the loop that brings outside systems in
// line with the Directory.
//
//	id, err := tenant.ParseID("payments")
//	owner, ok := dir.Owner("eu-1", "payments-prod", time.Now())
//
// A scope cannot be made here: tenant/access makes them from credentials, and
// tenant/scopetest for tests.
package tenant

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/oriel-project/oriel/tenant/internal/scope"
)

type (
	// ID names a tenant. Parse outside input with ParseID.
	ID = scope.ID
	// Read says whose data a caller may read. The zero value: nobody's.
	Read = scope.Read
	// Write says whose data a caller may write. The zero value: nobody's.
	Write = scope.Write
	// Cluster is where data come from.
	Cluster = scope.Cluster
	// Life is one life of a namespace.
	Life = scope.Life
)

// The operator's own tenants.
const (
	System     = scope.System
	Unassigned = scope.Unassigned
)

const idLenMax = 63

// ParseID takes a DNS label (RFC 1123): 1 to 63 of a-z, 0-9 and '-', beginning
// and ending with a letter or digit. Reserved names (leading underscore) are
// refused like any other bad label: they cannot be named from outside.
func ParseID(s string) (ID, error) {
	if !isLabel(s) {
		return "", fmt.Errorf("tenant name %q: want 1 to %d of a-z, 0-9 and '-', beginning and ending with a letter or digit (RFC 1123 label), such as \"payments\"", clip(s), idLenMax)
	}
	return ID(s), nil
}

func isLabel(s string) bool {
	if len(s) == 0 || len(s) > idLenMax || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// Limits bound one tenant. Zero means the operator's default.
type Limits struct {
	SeriesMax         int   `json:"series_max,omitempty"`
	LogBytesPerSecond int64 `json:"log_bytes_per_second,omitempty"`
}

// Retention says how long telemetry is kept. Zero means the operator's default.
type Retention struct {
	Logs    time.Duration `json:"logs,omitempty"`
	Metrics time.Duration `json:"metrics,omitempty"`
}

// OnDelete says what becomes of a namespace's telemetry when the namespace ends.
type OnDelete string

// Archive keeps it sealed for a while; Purge removes it at once.
const (
	Archive OnDelete = "archive"
	Purge   OnDelete = "purge"
)

// Namespace is one life of a namespace with what its annotations ask for.
type Namespace struct {
	Life
	Retention Retention `json:"retention,omitzero"`
	Limits    Limits    `json:"limits,omitzero"`
	OnDelete  OnDelete  `json:"on_delete,omitempty"`
	Probes    []string  `json:"probes,omitempty"`
	DependsOn []string  `json:"depends_on,omitempty"`
}

// Tenant is a team with its namespaces over all clusters.
type Tenant struct {
	ID         ID          `json:"id"`
	Groups     []string    `json:"groups,omitempty"` // sorted; fixed by the first claim or the operator
	Since      time.Time   `json:"since"`            // of the onboarding
	Namespaces []Namespace `json:"namespaces"`       // the living ones, ordered by cluster and name
}

// Directory knows every tenant. It is safe for concurrent use; what it returns
// is a snapshot that the caller must not change.
type Directory interface {
	// Lookup gives a tenant that exists now; an offboarded one does not.
	Lookup(ID) (Tenant, bool)
	// All gives the existing tenants in the order of their IDs, without the
	// operator's own.
	All() iter.Seq[Tenant]
	// Owner gives the tenant that the namespace of that cluster belonged to at t.
	Owner(cluster, namespace string, at time.Time) (ID, bool)
	// Sealed gives the ended lives of a tenant whose telemetry is out of live views.
	Sealed(ID) []Life
}

// A Reconciler brings one outside system in line with the Directory for one
// tenant. It is told which tenant, never what happened: it looks. It is
// idempotent, and a tenant that is gone means: remove what we made. Reconcile
// is called from one goroutine a tenant at a time, but for several tenants at once.
type Reconciler interface {
	// Name is the stage this reconciler is, as in oriel_onboarding_seconds{stage}.
	Name() string
	Reconcile(ctx context.Context, id ID) error
}
