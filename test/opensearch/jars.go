package opensearch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/internal/filelock"
	"github.com/oriel-project/oriel/test/debian"
)

//go:embed pom.xml
var pom []byte

// sums has a line "<sha256>  <file>" for every jar that pom.xml resolves to.
//
//go:embed jars.sha256
var sums []byte

// copyJars is the goal that resolves and copies what pom.xml asks for.
const copyJars = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

// jars gives the folder with the jars, fetching them by Maven the first time.
// Tests of several processes wait for each other.
func jars(t testing.TB) string {
	t.Helper()
	cache := os.Getenv("ORIEL_CACHE")
	if cache == "" {
		t.Fatal("ORIEL_CACHE is not set: it names the folder where what tests fetch is kept (make sets it)")
	}
	of := sha256.Sum256(append(append([]byte{}, pom...), sums...))
	dir := filepath.Join(cache, "opensearch-"+hex.EncodeToString(of[:6]))
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
	if err := fetch(t, making); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(making, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func fetch(t testing.TB, into string) error {
	mvn := debian.Program(t, "mvn", "maven")
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(t.Context(), mvn, "-q", "-B", "--strict-checksums",
		"-Dmaven.repo.local="+filepath.Join(work, "repository"), copyJars, "-DincludeScope=runtime", "-DoutputDirectory="+into)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return verify(into)
}

// verify holds the folder's jars against sums: all of them and nothing else.
func verify(dir string) error {
	want := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(sums)); lines.Scan(); {
		if sum, name, ok := strings.Cut(lines.Text(), "  "); ok {
			want[name] = sum
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != want[f.Name()] {
			return fmt.Errorf("%s has SHA-256 %s, and jars.sha256 says %q", f.Name(), got, want[f.Name()])
		}
		delete(want, f.Name())
	}
	if len(want) > 0 {
		return fmt.Errorf("maven did not bring %v, which jars.sha256 has", want)
	}
	return nil
}
