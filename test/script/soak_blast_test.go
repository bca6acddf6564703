//go:build real && soak

package script

import "testing"

// TestSoakBlastRadius is the full bar: a million series.
func TestSoakBlastRadius(t *testing.T) { blast(t, 1_000_000) }
