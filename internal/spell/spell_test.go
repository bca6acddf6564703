package spell

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"groups", "limits", "retention", "tenant"}
	for _, tc := range []struct {
		name, want string
		edits      int
	}{
		{"tenant", "tenant", 0},
		{"tennant", "tenant", 1},
		{"group", "groups", 1},
		{"limti", "limits", 2},
		{"", "groups", 6},
		{strings.Repeat("x", 1<<20), "groups", 64},
	} {
		if got, edits := Nearest(tc.name, known); got != tc.want || edits != tc.edits {
			t.Errorf("%.20q: %q after %d edits, want %q after %d", tc.name, got, edits, tc.want, tc.edits)
		}
	}
	if got, _ := Nearest("x", nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}
