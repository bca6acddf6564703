//go:build real

package prometheus

import (
	"os/exec"
	"testing"

	"github.com/oriel-project/oriel/test/peers"
)

// TestRules has Prometheus' own tool load the alert rules over Oriel, and run
// their unit tests.
func TestRules(t *testing.T) {
	bin, err := peers.Prometheus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "rules", "../../../deploy/prometheus-rules.yaml"},
		{"test", "rules", "../../../deploy/prometheus-rules.test.yaml"},
	} {
		if out, err := exec.CommandContext(t.Context(), bin.Tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
