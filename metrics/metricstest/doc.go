// Package metricstest makes random queries of PromQL and series for them, by
// seed, for tests: those that hold Oriel against Prometheus, and those that try
// to see another tenant's series.
//
//	g := metricstest.NewGenerator(seed)
//	query := g.Query()
package metricstest
