//go:build real

package script

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/test/debian"
)

// TestDashboardsBySchema holds the dashboards of the golden files against the
// types that Grafana publishes: dashboards as a whole, and the options of each
// kind of panel.
func TestDashboardsBySchema(t *testing.T) {
	modules := fromNPM(t, "schema13@npm:@grafana/schema@13.2.3", "schema12@npm:@grafana/schema@12.4.11", "schema11@npm:@grafana/schema@11.6.7", "schema10@npm:@grafana/schema@10.4.19",
		"ts-json-schema-generator@2.10.0", "ajv@8.20.0")
	boards, err := filepath.Glob("../../dashboards/testdata/*-*.json")
	if err != nil || len(boards) < 8 {
		t.Fatalf("golden dashboards %v, %v", boards, err)
	}
	// Broken ones are among them, to see that it sees.
	raw, err := os.ReadFile("../../dashboards/testdata/everything-overview.json")
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string][2]string{
		"version.json": {`"schemaVersion": 39`, `"schemaVersion": "39"`},
		"options.json": {`"graphMode": "none"`, `"graphMode": "circle"`},
		"steps.json":   {`"mode": "absolute"`, `"mode": "absolut"`},
	}
	dir := t.TempDir()
	for name, c := range broken {
		text := strings.Replace(string(raw), c[0], c[1], 1)
		if text == string(raw) {
			t.Fatalf("no %s in the dashboard", c[0])
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		boards = append(boards, file)
	}
	for _, schema := range []string{"schema10", "schema11", "schema12", "schema13"} {
		args := append([]string{"testdata/validate.cjs", modules, schema}, boards...)
		out, err := exec.CommandContext(t.Context(), debian.Program(t, "node", "nodejs"), args...).CombinedOutput()
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatalf("%s: %v\n%s", schema, err, out)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			name, _, _ := strings.Cut(line, " ")
			if _, ok := broken[name]; !ok {
				t.Errorf("%s: %s", schema, line)
			}
			seen[name] = true
		}
		if len(seen) != len(broken) {
			t.Errorf("%s sees only %v", schema, seen)
		}
	}
}
