package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// permissive are licences that an Apache-2.0 program may link, each with words
// that only its text has.
var permissive = []struct{ name, words string }{
	{"Apache-2.0", "Apache License"},
	{"MIT", "Permission is hereby granted, free of charge"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software"},
	{"ISC", "Permission to use, copy, modify, and distribute this software"},
	{"BSD", "Redistribution and use in source and binary forms"},
	{"MPL-2.0", "Mozilla Public License"},
	{"Unlicense", "This is free and unencumbered software"},
	{"CC0", "CC0 1.0 Universal"},
}

// TestLicences looks at the licence of every module that is linked into the
// program.
func TestLicences(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Dir}}{{end}}", module+"/cmd/oriel").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	seen := map[string]string{}
	for i := 0; i+1 < len(lines); i += 2 {
		seen[lines[i]] = lines[i+1]
	}
	delete(seen, module)
	if len(seen) < 20 {
		t.Fatalf("only %d modules: is cmd/oriel linked at all?", len(seen))
	}
	for path, dir := range seen {
		if name, ok := licence(dir); !ok {
			t.Errorf("module %s (%s): no licence that this project may link was found", path, dir)
		} else {
			t.Logf("%s: %s", path, name)
		}
	}
}

// licence finds the licence of the module in dir, which may stand in a folder
// above it for modules that share a repository.
func licence(dir string) (name string, ok bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", false
	}
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "UNLICENSE"}, func(p string) bool { return strings.HasPrefix(upper, p) }) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		text := strings.Join(strings.Fields(string(b)), " ")
		for _, l := range permissive {
			if strings.Contains(text, l.words) {
				return l.name, true
			}
		}
	}
	return "", false
}
