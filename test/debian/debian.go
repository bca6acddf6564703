// Package debian gives tests the programs of other people that they talk to,
// installing Debian's packages where they are missing:
//
//	chromium := debian.Program(t, "chromium", "chromium")
//
// It needs root, or sudo without a password.
package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oriel-project/oriel/internal/filelock"
)

// folders are where programs lie that are not in every user's PATH.
var folders = []string{"", "/usr/sbin/", "/lib/systemd/"}

// Program gives the path of a program, after installing the package that has
// it where there is none.
func Program(t testing.TB, name, pkg string) string {
	t.Helper()
	path := find(name)
	Package(t, pkg, func() bool { path = find(name); return path != "" })
	return path
}

func find(program string) string {
	for _, dir := range folders {
		if path, err := exec.LookPath(dir + program); err == nil {
			return path
		}
	}
	return ""
}

// Package installs a package unless present says that what is wanted of it is
// there already, and fails the test if it is not there afterwards. Tests of
// several processes wait for each other.
func Package(t testing.TB, pkg string, present func() bool) {
	t.Helper()
	if present() {
		return
	}
	unlock, err := filelock.Lock(filepath.Join(os.TempDir(), fmt.Sprintf("oriel-apt-%d.lock", os.Getuid())))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if present() { // somebody else installed it meanwhile
		return
	}
	if err := update(); err != nil {
		t.Fatal(err)
	}
	if err := apt("install", "-y", "--no-install-recommends", pkg); err != nil {
		t.Fatal(err)
	}
	if !present() {
		t.Fatalf("Debian's package %s is installed and does not bring what the test needs", pkg)
	}
}

// update fetches the lists of packages, once in a process: the lists of a
// container image are absent, those of a machine may be too old to be fetched by.
var update = sync.OnceValue(func() error { return apt("update") })

func apt(args ...string) error {
	// Others may be installing too: the machine itself, just after its start.
	line := append([]string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q",
		"-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"}, args...)
	if os.Getuid() != 0 {
		line = slices.Insert(line, 0, "sudo", "-n")
	}
	if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w (root or sudo without a password is needed)\n%s", strings.Join(line, " "), err, out)
	}
	return nil
}
