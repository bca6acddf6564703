//go:build real && soak

package prometheus

import "testing"

// TestSoakConformance asks both 2,000 generated queries, over four sets of series.
func TestSoakConformance(t *testing.T) {
	for seed := range uint64(4) {
		compareQueries(t, 100+seed, 500)
	}
}
