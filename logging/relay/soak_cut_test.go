//go:build soak

package relay

import "testing"

// TestSoakCut is a night without the WAN: 5,000,000 records while the queue holds
// 64 MiB.
func TestSoakCut(t *testing.T) { cutAndCount(t, 5_000_000, 64<<20) }
