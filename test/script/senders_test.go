//go:build real

package script

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"

	"github.com/oriel-project/oriel/test/debian"
)

// found waits until so many records have that kind, and gives up on more.
func (p *program) found(kind string, want int) {
	p.t.Helper()
	p.foundBy("kind:"+kind, want)
}

// foundBy does so for what a query finds.
func (p *program) foundBy(query string, want int) {
	p.t.Helper()
	err := poll(30*time.Second, func() error {
		out := p.get("/t/shop/es/_search?size=0&track_total_hits=true&q=" + query)
		if !strings.Contains(out, fmt.Sprintf(`"total":{"value":%d,`, want)) {
			return fmt.Errorf("want %d records of %s: %s", want, query, tail(out, 200))
		}
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
}

// postAll sends n records by fluent-logger-golang, and waits until all are sent.
func postAll(t *testing.T, kind string, n int, c fluent.Config) {
	t.Helper()
	c.Timeout, c.WriteTimeout, c.ReadTimeout, c.MaxRetry, c.SubSecondPrecision = 10*time.Second, 10*time.Second, 10*time.Second, 3, true
	logger, err := fluent.New(c)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	for i := range n {
		if err := logger.Post("app.web", map[string]any{"message": fmt.Sprint("message ", i), "kind": kind, "namespace": "shop-prod"}); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	if err := logger.Close(); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
}

func (p *program) forwardPort() (host string, port int) {
	p.t.Helper()
	a, err := net.ResolveTCPAddr("tcp", p.forward)
	if err != nil {
		p.t.Fatal(err)
	}
	return a.IP.String(), a.Port
}

// newSenders is a program with the tenant shop and more of a configuration.
func newSenders(t *testing.T, dir, config string) *program {
	t.Helper()
	file := filepath.Join(dir, "oriel.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "--config="+file)
	p.start()
	p.oriel("tenants", "onboard", "shop", "--namespace", "local/shop-prod", "--namespace", "eu-1/shop-prod")
	return p
}

// TestForwardSenders lets real loggers send to the real program: over TCP and a
// unix socket, with and without acknowledgements.
func TestForwardSenders(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "forward.sock")
	p := newSenders(t, dir, fmt.Sprintf("forward: {socket: %q}\n", socket))
	host, port := p.forwardPort()
	postAll(t, "sync", 100, fluent.Config{FluentHost: host, FluentPort: port})
	postAll(t, "acked", 100, fluent.Config{FluentHost: host, FluentPort: port, RequestAck: true})
	postAll(t, "async", 1000, fluent.Config{FluentHost: host, FluentPort: port, Async: true})
	postAll(t, "asyncacked", 200, fluent.Config{FluentHost: host, FluentPort: port, Async: true, RequestAck: true})
	postAll(t, "unix", 100, fluent.Config{FluentNetwork: "unix", FluentSocketPath: socket, RequestAck: true})

	debian.Package(t, "python3-fluent-logger", func() bool {
		return exec.Command("/usr/bin/python3", "-c", "import fluent.sender").Run() == nil
	})
	run(t, dir, nil, "/usr/bin/python3", "-c", `
import sys
from fluent import sender
s = sender.FluentSender('app', host='127.0.0.1', port=int(sys.argv[1]), nanosecond_precision=True)
for i in range(100):
    assert s.emit('web', {'message': 'message %d' % i, 'kind': 'python', 'namespace': 'shop-prod'}), s.last_error
s.close()
`, fmt.Sprint(port))

	for kind, n := range map[string]int{"sync": 100, "acked": 100, "async": 1000, "asyncacked": 200, "unix": 100, "python": 100} {
		p.found(kind, n)
	}
	// What a killed process left does not keep it from starting.
	p.kill()
	p.start()
	postAll(t, "again", 10, fluent.Config{FluentNetwork: "unix", FluentSocketPath: socket, RequestAck: true})
	p.found("again", 10)
	p.term()
}

// TestForwardTLS: by TLS, and by certificates that say which cluster it is.
func TestForwardTLS(t *testing.T) {
	dir := t.TempDir()
	certs := newCertificates(t, dir)
	certs.issue("node-1", "node-1.example")
	certs.issue("node-2", "node-2.example")
	plain := newSenders(t, dir, fmt.Sprintf("forward: {tls: {cert_file: %[1]s/server.pem, key_file: %[1]s/server.key}}\n", dir))
	host, port := plain.forwardPort()
	postAll(t, "tls", 100, fluent.Config{FluentNetwork: "tls", FluentHost: host, FluentPort: port, RequestAck: true, TlsInsecureSkipVerify: true})
	plain.found("tls", 100)
	plain.term()

	p := newSenders(t, dir, fmt.Sprintf(`forward:
  tls: {cert_file: %[1]s/server.pem, key_file: %[1]s/server.key, client_ca_file: %[1]s/ca.pem}
  clients: [{name: node-1.example, cluster: eu-1, region: eu}]
`, dir))
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal("ca.pem: ", err)
	}
	for name, ok := range map[string]bool{"node-1": true, "node-2": false, "": false} {
		c := &tls.Config{RootCAs: roots}
		if name != "" {
			cert, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{cert}
		}
		if acked := acknowledged(p.forward, c, chunkOf(killEntries(0, 10), "one", "")); acked != ok {
			t.Errorf("certificate %q: acknowledged: %v", name, acked)
		}
	}
	out := p.get("/es/_search?q=cluster:eu-1")
	if !strings.Contains(out, `"total":{"value":10,`) || !strings.Contains(out, `"region":"eu"`) {
		t.Errorf("%s", tail(out, 1000))
	}
	p.term()
}

// acknowledged reports whether a frame got an answer.
func acknowledged(addr string, c *tls.Config, frame []byte) bool {
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write(frame); err != nil {
		return false
	}
	var b [64]byte
	n, err := conn.Read(b[:])
	return err == nil && strings.Contains(string(b[:n]), "ack")
}

// TestBulkOfSyslogNG lets syslog-ng's http destination send to _bulk. Debian's package
// cannot be installed beside rsyslog, and need not be.
func TestBulkOfSyslogNG(t *testing.T) {
	packages := []string{"syslog-ng-core", "syslog-ng-mod-http", "libivykis0", "libnet1", "libpcre3", "libwrap0", "libcurl4", "libjson-c5"}
	root := fetched(t, "deb", packages, func(dir string) {
		run(t, dir, nil, "apt-get", append([]string{"download", "-q", "-o", "APT::Sandbox::User=root"}, packages...)...)
		debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
		if err != nil {
			t.Fatal(err)
		}
		for _, deb := range debs {
			run(t, dir, nil, "dpkg", "-x", deb, dir)
		}
	})
	p := newSenders(t, t.TempDir(), "cluster: {name: local}\n")
	dir := t.TempDir()
	logs := filepath.Join(dir, "in.log")
	var lines strings.Builder
	for i := range 500 {
		fmt.Fprintf(&lines, "message %d \"quoted\"\n", i)
	}
	if err := os.WriteFile(logs, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`@version: 3.38
source s { file(%q follow-freq(1) flags(no-parse)); };
destination d { http(url("http://%s/_bulk") method("POST") headers("Content-Type: application/x-ndjson")
  batch-lines(100) batch-timeout(200) delimiter("\n") body-suffix("\n") workers(2)
  body('{"create":{"_index":"logs"}}
$(format-json message=$MESSAGE kind=syslogng namespace=shop-prod)')); };
log { source(s); destination(d); };
`, logs, p.es)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	libs, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	if err != nil || len(libs) == 0 {
		t.Fatalf("no libraries below %s: %v", root, err)
	}
	more, _ := filepath.Glob(filepath.Join(root, "lib/*-linux-gnu")) // where a library still lies
	modules, _ := filepath.Glob(filepath.Join(root, "usr/lib/syslog-ng/3.*"))
	cmd := exec.Command(filepath.Join(root, "usr/sbin/syslog-ng"), "-F", "-f", filepath.Join(dir, "conf"), "--module-path="+strings.Join(modules, ":"),
		"--persist-file="+filepath.Join(dir, "persist"), "--control="+filepath.Join(dir, "ctl"), "--pidfile="+filepath.Join(dir, "pid"), "--no-caps", "-e")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(append(append(libs, more...), filepath.Join(root, "usr/lib/syslog-ng")), ":"))
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if b, err := os.ReadFile(said.Name()); err == nil && t.Failed() {
			t.Logf("syslog-ng: %s", tail(string(b), 3000))
		}
	})
	p.found("syslogng", 500)
	p.term()
}
