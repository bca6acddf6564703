//go:build real

package patterns

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant/scopetest"
	"github.com/oriel-project/oriel/test/debian"
)

// TestNginx runs Debian's NGINX with the page's configuration and the page's
// certificate in front of the program of health-endpoint.md. Only the addresses
// are others.
func TestNginx(t *testing.T) {
	const page = "tls-with-nginx.md"
	nginx := debian.Program(t, "nginx", "nginx")
	debian.Program(t, "openssl", "openssl")
	program, _ := startProgram(t)
	plain, secure := freeAddress(t), freeAddress(t)

	dir := t.TempDir()
	conf := strings.NewReplacer("127.0.0.1:8080", program, "127.0.0.1:8081", plain, "127.0.0.1:8443", secure).Replace(blocks(t, page, "nginx")[0])
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	prepare, _, _ := strings.Cut(blocks(t, page, "sh")[0], "nginx -p")
	sh := exec.Command("sh", "-ec", prepare)
	sh.Dir = dir
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	certificate, err := os.ReadFile(filepath.Join(dir, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		t.Fatal("tls.crt holds no certificate")
	}

	var stderr strings.Builder
	access, err := os.Create(filepath.Join(dir, "access"))
	if err != nil {
		t.Fatal(err)
	}
	defer access.Close()
	cmd := exec.Command(nginx, "-p", dir, "-c", "nginx.conf", "-g", "daemon off;")
	cmd.Stdout, cmd.Stderr = access, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if ended {
			return
		}
		ended = true
		_ = cmd.Process.Signal(syscall.SIGQUIT) // it may have ended already
		if err := cmd.Wait(); err != nil {
			t.Errorf("nginx: %v\n%s", err, stderr.String())
		}
	}
	t.Cleanup(end)

	c := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	eventually(t, c, "https://"+secure+"/readyz", http.StatusOK)
	res, err := c.Get("https://" + secure + "/?token=secret")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.TLS.Version < tls.VersionTLS12 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("over TLS: %s %s %v", res.Proto, res.Status, res.Header)
	}
	res, err = c.Get("http://" + plain + "/orders?id=7")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusPermanentRedirect || to != "https://127.0.0.1/orders?id=7" {
		t.Errorf("without TLS: %s to %q", res.Status, to)
	}
	for _, inside := range []string{"/metrics", "/healthz"} {
		if status, _ := ask(t, c, "https://"+secure+inside); status != http.StatusNotFound {
			t.Errorf("%s from outside: %d", inside, status)
		}
	}
	if status, _ := ask(t, c, "https://"+secure+`/%22,%22level%22:%22fatal`); status != http.StatusOK {
		t.Errorf("a path with quotes: %d", status)
	}
	c.CloseIdleConnections()
	end()

	raw, err := os.ReadFile(access.Name())
	if err != nil {
		t.Fatal(err)
	}
	var levels []string
	for line := range strings.Lines(string(raw)) {
		rec, err := (&logging.Stamper{}).Stamp(scopetest.Write("shop"), logging.Raw{Source: []byte(line)})
		if err != nil || rec.Message != "request" || rec.Time.Equal(rec.Received) || strings.Contains(line, "secret") {
			t.Errorf("%s: message %q, time %v, %v", line, rec.Message, rec.Time, err)
		}
		levels = append(levels, rec.Level)
	}
	// The request, the redirect, the two that are for those inside, the quotes;
	// nothing of /readyz.
	if got := strings.Join(levels, " "); got != "info info warn warn info" {
		t.Errorf("levels %s of\n%s", got, raw)
	}
}
