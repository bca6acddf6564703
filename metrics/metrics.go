// Package metrics holds the words of the metric side, in Prometheus' own
// vocabulary (storage, labels) and under a scope: which time series database a
// sample goes to, and which ones a query sees. Isolation is which database is
// opened, never a label in a query's text.
package metrics

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/metadata"
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

type accountKey struct{}

// ErrNoDatabase refuses what is appended under Account to a tenant whose database is
// not open.
var ErrNoDatabase = errors.New("the tenant's metrics database is not open, and what Oriel tells it of itself does not open it")

// Account marks what Oriel tells a tenant of itself, all the time and whether
// somebody looks or not: appended under it, samples are no sign that the tenant
// sends any, do not keep its database open, and do not open it (ErrNoDatabase).
func Account(ctx context.Context) context.Context { return context.WithValue(ctx, accountKey{}, true) }

// IsAccount reports whether ctx comes from Account.
func IsAccount(ctx context.Context) bool { return ctx.Value(accountKey{}) != nil }

// RefAppender is what a Store's transactions are, beside the interface that they
// are given as: it saves a receiver the labels of series that it knows.
type RefAppender interface {
	storage.ExemplarAppenderV2
	// AppendRef appends to the series that an earlier Append, of this transaction
	// or another one under the same scope, gave ref for. namespace is the value of
	// its label of that name. known is false where that series cannot be found by
	// its reference, or is not of whom the sample is: give its labels to Append.
	AppendRef(ref storage.SeriesRef, namespace string, st, t int64, v float64) (known bool, err error)
	// PutMetadata keeps what a metric family says of itself apart from any series.
	// Under a cluster's scope nobody knows whose it is: it is dropped.
	PutMetadata(family string, md metadata.Metadata)
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
	// Cardinality counts the scope's active series and what they consist of.
	Cardinality(ctx context.Context, r tenant.Read, limit int) (Cardinality, error)
	Close() error
}
