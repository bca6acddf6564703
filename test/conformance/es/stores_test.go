//go:build real

package es

import (
	"testing"

	"github.com/oriel-project/oriel/logging/elastic"
)

// storesShare is of how many scenarios one is asked: a search over the engine is
// several requests.
const storesShare = 4

// stores asks Oriel over its own log store and Oriel over the real engine, as
// its log store, the same things: the answers must be equal, without exceptions.
// It comes last, since the engine then has indices that nobody else expects.
func (s sides) stores(t *testing.T) {
	logs, err := elastic.Open(elastic.Options{URLs: []string{s.node}, Prefix: "oriel"})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	own, cluster := side{"embedded", serveOriel(t)}, side{"elastic", serve(t, logs)}
	for _, body := range bulks(documents()) {
		own.must(t, "POST", "/_bulk?refresh=true", body)
		cluster.must(t, "POST", "/_bulk?refresh=true", body)
	}
	asked := 0
	for i, sc := range allScenarios(t) {
		if i%storesShare != 0 {
			continue
		}
		asked++
		same(t, sc.at+": "+sc.String(), own.do(t, sc.method, sc.path, sc.body), cluster.do(t, sc.method, sc.path, sc.body))
	}
	t.Logf("%d scenarios", asked)
	sides{oriel: cluster, real: own}.scroll(t)
	sides{oriel: cluster, real: own}.pages(t)
}
