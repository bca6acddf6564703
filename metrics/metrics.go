// Package metrics holds the words of the metric side, in Prometheus' own
// vocabulary (storage, labels) and under a scope: which time series database a
// sample goes to, and which ones a query sees. Isolation is which database is
// opened, never a label in a query's text.
package metrics

import (
	"context"

	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/tenant"
)

// Appender takes samples in. Safe for concurrent use; the appenders it gives
// are not.
//
// Under a tenant's scope every series is that tenant's. Under a cluster's, the
// series' label "namespace" decides: its owner, tenant.System without one,
// tenant.Unassigned without an owner. The labels cluster, region and cloud are
// overwritten from the scope. Commit returns when the samples are in the write-
// ahead log of each tenant's database (not fsynced: they survive the death of
// the process).
type Appender interface {
	Appender(ctx context.Context, w tenant.Write) storage.AppenderV2
}

// Querier gives what a scope may see, and nothing else: several tenants are
// merged, sealed namespaces are left out. Safe for concurrent use.
type Querier interface {
	Queryable(r tenant.Read) Queryable
}

// Queryable embeds interfaces only, so that no optional interface of a concrete
// type can be promoted around the scope.
type Queryable interface {
	storage.Queryable
	storage.ChunkQueryable
	storage.ExemplarQueryable
}

// Metadata is what a metric says of itself, as in Prometheus' /api/v1/metadata.
type Metadata struct {
	Type, Help, Unit string
}

// Store is everything an engine does.
type Store interface {
	Appender
	Querier
	// Metadata gives what is known of the scope's metrics by metric family name.
	Metadata(r tenant.Read) map[string][]Metadata
	Close() error
}
