//go:build real

package script

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/internal/filelock"
	"github.com/oriel-project/oriel/test/debian"
)

// fetched gives a folder below ORIEL_CACHE that fetch has filled for exactly
// these packages, once. Tests of several processes wait for each other.
func fetched(t *testing.T, kind string, packages []string, fetch func(dir string)) string {
	t.Helper()
	cache := os.Getenv("ORIEL_CACHE")
	if cache == "" {
		t.Fatal("ORIEL_CACHE is not set: it names the folder where what tests fetch is kept (make sets it)")
	}
	of := sha256.Sum256([]byte(strings.Join(packages, "\n")))
	dir := filepath.Join(cache, kind+"-"+hex.EncodeToString(of[:6]))
	if err := os.MkdirAll(cache, 0o777); err != nil {
		t.Fatal(err)
	}
	unlock, err := filelock.Lock(dir + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	making := dir + ".making"
	if err := os.RemoveAll(making); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(making, 0o777); err != nil {
		t.Fatal(err)
	}
	fetch(making)
	if err := os.Rename(making, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fromNPM gives the folder node_modules that holds the packages.
func fromNPM(t *testing.T, packages ...string) string {
	t.Helper()
	debian.Program(t, "node", "nodejs")
	npm := debian.Program(t, "npm", "npm")
	return filepath.Join(fetched(t, "npm", packages, func(dir string) {
		run(t, dir, nil, npm, append([]string{"install", "--no-save", "--silent", "--no-audit", "--no-fund"}, packages...)...)
	}), "node_modules")
}

// fromPyPI gives a folder for PYTHONPATH that holds the packages.
func fromPyPI(t *testing.T, packages ...string) string {
	t.Helper()
	debian.Package(t, "python3-venv", func() bool { return exec.Command("/usr/bin/python3", "-c", "import ensurepip, venv").Run() == nil })
	return fetched(t, "pypi", packages, func(dir string) {
		venv := filepath.Join(t.TempDir(), "venv")
		run(t, "", nil, "/usr/bin/python3", "-m", "venv", venv)
		run(t, "", nil, filepath.Join(venv, "bin", "pip"), append([]string{"install", "--quiet", "--disable-pip-version-check", "--target=" + dir}, packages...)...)
	})
}

// run runs a program to its end and gives what it wrote.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, tail(string(out), 3000))
	}
	return string(out)
}
