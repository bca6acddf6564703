package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCompatibility holds the tables of docs/es-compat.md against the tests that
// they name: each row of a table with a column for tests names some, those exist,
// and what a row of aggregations or queries calls by name is in the files of
// scenarios, where it names files alone.
func TestCompatibility(t *testing.T) {
	const root = "../../"
	funcs := map[string]bool{}
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			funcs[m[1]] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(root + "docs/es-compat.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	for _, m := range quoted.FindAllStringSubmatch(string(doc), -1) {
		if name := m[1]; strings.HasPrefix(name, "Test") && !funcs[name] {
			t.Errorf("docs/es-compat.md names %s, which no test is", name)
		}
	}
	tests, rows := -1, 0
	for line := range strings.SplitSeq(string(doc), "\n") {
		if !strings.HasPrefix(line, "|") {
			tests = -1
			continue
		}
		cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "/"), "|")
		last := strings.TrimSpace(cells[len(cells)-1])
		switch {
		case last == "tests" || last == "test":
			tests = len(cells) - 1
			continue
		case tests < 0 || strings.HasPrefix(line, "|---"):
			continue
		case len(cells) != tests+1:
			t.Errorf("%d cells, want %d: %s", len(cells), tests+1, line)
			continue
		}
		rows++
		var scenarios strings.Builder
		named, filesAlone := 0, true
		for _, m := range quoted.FindAllStringSubmatch(last, -1) {
			named++
			if !strings.HasSuffix(m[1], ".txt") {
				filesAlone = false
				continue
			}
			text, err := os.ReadFile(root + "test/conformance/es/testdata/" + m[1])
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			scenarios.Write(text)
		}
		if named == 0 {
			t.Errorf("a row names no test: %s", line)
		}
		if !filesAlone {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
			if !strings.ContainsAny(m[1], "/{ ") && !strings.Contains(scenarios.String(), m[1]) {
				t.Errorf("`%s` is in none of %s", m[1], last)
			}
		}
	}
	if rows < 50 {
		t.Errorf("%d rows name tests, there were 50", rows)
	}
}
