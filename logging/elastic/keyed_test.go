package elastic

import (
	"testing"

	"github.com/oriel-project/oriel/logging"
)

// What a record without an id is called when its batch comes again, of which a part
// was stored the first time. As places in the batch, two would meet in one id, and
// the one that is not there would count as a duplicate.
func TestKeyedIDs(t *testing.T) {
	of := func(key string, sources ...string) (out []string) {
		ids := keyedIDs{key: key}
		for _, s := range sources {
			out = append(out, ids.of(&logging.Record{Tenant: "shop", Index: "logs-eu-1-web", Source: []byte(s)}))
		}
		return out
	}
	all := of("k", "a", "b", "b", "c")
	rest := of("k", "b", "b", "c") // "a" went into another record, or is over its quota
	for i := range rest {
		if rest[i] != all[i+1] {
			t.Errorf("%d has another id", i)
		}
	}
	seen := map[string]bool{}
	for _, id := range append(all, of("k2", "a", "b")...) {
		if seen[id] {
			t.Errorf("two are %s", id)
		}
		seen[id] = true
	}
}
