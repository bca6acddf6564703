//go:build real && soak

package es

import "testing"

// TestSoakConformance compares 20,000 generated requests.
func TestSoakConformance(t *testing.T) {
	const comparisons = 20_000
	start(t).compareWorlds(t, 1_000_000, comparisons/worldRequests)
}
