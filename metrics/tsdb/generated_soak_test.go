//go:build soak

package tsdb

import "testing"

// TestSoakIsolationOfQueries is the full bar: 10,000 generated queries.
func TestSoakIsolationOfQueries(t *testing.T) {
	for seed := range uint64(10) {
		generated(t, 100+2*seed, 1000)
	}
}
