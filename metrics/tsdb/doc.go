// Package tsdb keeps metrics: one Prometheus TSDB per tenant, under a directory
// named for the tenant's ID. Isolation is which database is opened; there is no
// tenant label that a query could get around.
//
//	store, err := tsdb.Open(dir, tsdb.Options{Retention: retentionOf})
//	app := store.Appender(ctx, w)          // routes each series to its owner
//	q, err := store.Queryable(r).Querier(mint, maxt)
//
// A database is opened at start where its directory exists, else at the first
// write. Under a scope of several tenants their series are merged; series carry
// cluster and namespace, and no namespace has two owners at a time, so label
// sets differ between tenants. Where two tenants did write the very same label
// set (under tenants' own credentials, which need not name a namespace), a scope
// over both sees them as one series; a scope over one of them never does.
//
// Whose a sample is, under a cluster's scope, is asked for the sample's own
// time, so that what an agent sends late is not given to a namespace's next
// owner. A recent sample (freshMax) from before the namespace's first known
// owner goes to the present one, since clocks differ.
package tsdb
