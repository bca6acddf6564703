package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)

// No page has a dead link to another file, and every page of docs/ is reached
// from docs/ARCHITECTURE.md: by itself or with its folder.
func TestLinks(t *testing.T) {
	root := filepath.Join("..", "..")
	reached := map[string]bool{}
	var pages []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "data"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			pages = append(pages, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	architecture := filepath.Join(root, "docs", "ARCHITECTURE.md")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			to := filepath.Join(filepath.Dir(page), m[1])
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: dead link %s", page, m[1])
			}
			if page == architecture {
				reached[to] = true
			}
		}
	}
	for _, page := range pages {
		if strings.HasPrefix(page, filepath.Join(root, "docs")+string(filepath.Separator)) && page != architecture &&
			!reached[page] && !reached[filepath.Dir(page)] && !reached[filepath.Join(filepath.Dir(page), "README.md")] {
			t.Errorf("%s is not in the index of docs/ARCHITECTURE.md", page)
		}
	}
}
