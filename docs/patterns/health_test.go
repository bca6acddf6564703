package patterns

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/oriel-project/oriel/tenant"
)

// freeAddress gives one of loopback's that nobody listened on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// ask gives 0 where nobody answers.
func ask(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// eventually asks until the status is there.
func eventually(t *testing.T, c *http.Client, url string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		status, body := ask(t, c, url)
		if status == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %d %s, want %d", url, status, body, want)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// startProgram runs the program of health-endpoint.md.
func startProgram(t *testing.T) (address string, cmd *exec.Cmd) {
	t.Helper()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "hello")
	if err := os.WriteFile(source, []byte(blocks(t, "health-endpoint.md", "go")[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address = freeAddress(t)
	cmd = exec.Command(binary)
	cmd.Env = append(os.Environ(), "ADDRESS="+address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended already
	eventually(t, http.DefaultClient, "http://"+address+"/readyz", http.StatusOK)
	return address, cmd
}

func TestHealthEndpoint(t *testing.T) {
	address, cmd := startProgram(t)
	for _, line := range strings.Split(strings.TrimSpace(blocks(t, "health-endpoint.md", "sh")[0]), "\n") {
		url := strings.Replace(line[strings.Index(line, "http://"):], "127.0.0.1:8080", address, 1)
		if status, body := ask(t, http.DefaultClient, url); status != http.StatusOK || body != "ok\n" {
			t.Errorf("%s: %d %q", url, status, body)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// It takes no more work, but it is there and ends well.
	eventually(t, http.DefaultClient, "http://"+address+"/readyz", http.StatusServiceUnavailable)
	if status, _ := ask(t, http.DefaultClient, "http://"+address+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while it ends: %d", status)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("its end: %v", err)
	}
}

// The annotation and the probes of the page name what its program answers.
func TestHealthManifest(t *testing.T) {
	type get struct {
		Get struct {
			Path string
			Port int
		} `yaml:"httpGet"`
	}
	docs := strings.Split(blocks(t, "health-endpoint.md", "yaml")[0], "---\n")
	var ns struct {
		Metadata struct{ Annotations map[string]string }
	}
	var pod struct {
		Spec struct {
			Containers []struct {
				Liveness  get `yaml:"livenessProbe"`
				Readiness get `yaml:"readinessProbe"`
			}
		}
	}
	if len(docs) != 2 || yaml.Unmarshal([]byte(docs[0]), &ns) != nil || yaml.Unmarshal([]byte(docs[1]), &pod) != nil || len(pod.Spec.Containers) != 1 {
		t.Fatalf("want a namespace and a pod with one container: %q", docs)
	}
	claim, ok := tenant.ParseAnnotations("", ns.Metadata.Annotations)
	if !ok || len(claim.Problems) > 0 || len(claim.Probes) != 1 || !strings.HasSuffix(claim.Probes[0], ":8080/readyz") {
		t.Errorf("annotations: %+v", claim)
	}
	c := pod.Spec.Containers[0]
	if c.Liveness.Get.Path != "/healthz" || c.Readiness.Get.Path != "/readyz" || c.Liveness.Get.Port != 8080 || c.Readiness.Get.Port != 8080 {
		t.Errorf("probes: %+v", c)
	}
}
