//go:build real

package script

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/test/debian"
)

// TestPythonClients uses the Elasticsearch listener by elasticsearch-py, of each
// major version that is about: they differ in what they ask at the start and in
// their media types.
func TestPythonClients(t *testing.T) {
	debian.Package(t, "python3-venv", func() bool { return exec.Command("/usr/bin/python3", "-c", "import ensurepip, venv").Run() == nil })
	dir := t.TempDir()
	do := func(env string, args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), env)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args[:2], " "), err, tail(string(out), 3000))
		}
	}
	venv := filepath.Join(dir, "venv")
	do("", "/usr/bin/python3", "-m", "venv", venv)

	p := newProgram(t)
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "local/payments")
	token := strings.TrimSpace(p.oriel("token", "create", "--tenant", "payments", "--access", "write"))
	for _, version := range []string{"7.17.12", "8.19.3", "9.5.1"} {
		library := filepath.Join(dir, version)
		do("", filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "--target="+library, "elasticsearch=="+version)
		do("PYTHONPATH="+library, filepath.Join(venv, "bin", "python"), "-Wignore", "testdata/pyclient.py", "http://"+p.es, token)
	}
}
