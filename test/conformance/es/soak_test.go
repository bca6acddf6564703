//go:build real && soak

package es

import (
	"os"
	"testing"
)

// TestSoakConformance compares 20,000 generated requests.
func TestSoakConformance(t *testing.T) {
	if topic := os.Getenv("ORIEL_SOAK"); topic != "all" && topic != "conformance" {
		t.Skipf("ORIEL_SOAK is %q, not conformance or all", topic)
	}
	const comparisons = 20_000
	start(t).compareWorlds(t, 1_000_000, comparisons/worldRequests)
}
