// Package patterns checks what the pages of this folder say.
package patterns

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// blocks gives what stands between fences of that language.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range fence.FindAllStringSubmatch(string(raw), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s has no block of %s", page, language)
	}
	return found
}

func TestGoCompiles(t *testing.T) {
	for _, page := range []string{"expose-metrics.md", "structured-logs.md", "health-endpoint.md"} {
		for _, code := range blocks(t, page, "go") {
			name := filepath.Join(t.TempDir(), "main.go")
			if err := os.WriteFile(name, []byte(code), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("go", "vet", name).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", page, err, out)
			}
		}
	}
}

func TestConfigurationIsValid(t *testing.T) {
	for _, text := range blocks(t, "expose-metrics.md", "yaml") {
		if !strings.HasPrefix(text, "scrape:") {
			continue
		}
		if _, err := config.Parse(config.RoleUp, "oriel.yaml", []byte(text)); err != nil {
			t.Error(err)
		}
	}
}

func TestLinesAreUnderstood(t *testing.T) {
	for _, block := range blocks(t, "structured-logs.md", "json") {
		for line := range strings.Lines(block) {
			rec, err := (&logging.Stamper{}).Stamp(scopetest.Write("shop"), logging.Raw{Source: []byte(line)})
			if err != nil || rec.Level == "" || rec.Message == "" || strings.HasSuffix(rec.Message, "\n") {
				t.Errorf("%s: level %q, message %q, %v", line, rec.Level, rec.Message, err)
			}
		}
	}
}
