//go:build real

package elastic_test

import (
	"testing"

	"github.com/oriel-project/oriel/logging/elastic"
	"github.com/oriel-project/oriel/test/opensearch"
)

// TestOpenSearch holds the store against a real engine: one node for everything,
// since its start takes longest.
func TestOpenSearch(t *testing.T) {
	node := opensearch.Start(t)
	t.Run("contract", func(t *testing.T) { testContract(t, node.URL) })
	t.Run("retention", func(t *testing.T) { testRetention(t, node.URL) })
	t.Run("down", func(t *testing.T) { testDown(t, node.URL) })
	t.Run("tail", func(t *testing.T) { testTail(t, node.URL) })
	t.Run("exact", func(t *testing.T) { testExact(t, node.URL) })
}

func open(t *testing.T, url string, change func(*elastic.Options)) *elastic.Store {
	t.Helper()
	o := elastic.Options{URLs: []string{url}, Prefix: "oriel"}
	if change != nil {
		change(&o)
	}
	s, err := elastic.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
