//go:build real

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/test/opensearch"
)

// TestIsolationElastic is TestIsolation of some routes that read and write logs,
// with the logs in a real engine's cluster.
func TestIsolationElastic(t *testing.T) {
	node := opensearch.Start(t)
	g := seededGateway(t, func(c *config.Config) {
		c.Logs.Store, c.Logs.Elastic.URLs, c.Logs.Elastic.Replicas = config.StoreElastic, []string{node.URL}, 0
	})
	of := []string{"/{index}/_search", "/_search/scroll", "/{index}/_doc/", "/es/_bulk", "/{index}/_pit", "logs/tail"}
	isolation(t, g, func(rt httpx.Route) bool {
		return slices.ContainsFunc(of, func(part string) bool { return strings.Contains(rt.Pattern, part) })
	})
}
