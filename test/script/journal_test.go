//go:build real

package script

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/test/debian"
)

// aJournal makes journal files of its own with systemd's own programs.
type aJournal struct {
	t    *testing.T
	dir  string // of the files
	next int
}

func newJournal(t *testing.T) *aJournal { return &aJournal{t: t, dir: t.TempDir()} }

func (j *aJournal) file() string { return filepath.Join(j.dir, "x.journal") }

// add appends entries: plain ones, with bytes that are not UTF-8, with several
// lines, with a field that repeats, and a container's.
func (j *aJournal) add(n int) { j.addKind(n, "") }

// addKind is add with a field KIND, where it is not "".
func (j *aJournal) addKind(n int, kind string) {
	j.t.Helper()
	remote := debian.Program(j.t, "systemd-journal-remote", "systemd-journal-remote")
	const id = "0123456789abcdef0123456789abcdef"
	var b bytes.Buffer
	for i := j.next; i < j.next+n; i++ {
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n_MACHINE_ID=%s\n_HOSTNAME=n1\nPRIORITY=4\nMESSAGE=entry %d\n",
			time.Now().Add(-time.Minute).UnixMicro()+int64(i), i+1, id, id, i)
		if kind != "" {
			fmt.Fprintf(&b, "KIND=%s\n", kind)
		}
		switch i % 4 {
		case 1:
			b.WriteString("BINARY\n\x06\x00\x00\x00\x00\x00\x00\x00a\nb\x00\xff\xfe\nTWICE=1\nTWICE=2\n")
		case 2:
			b.WriteString("_UID=0\nCONTAINER_NAME=k8s_main_web-1_shop-prod_uid_0\n")
		case 3:
			b.WriteString("STACK\n\x0b\x00\x00\x00\x00\x00\x00\x00line\n\tline2\n")
		}
		b.WriteString("\n")
	}
	j.next += n
	export := filepath.Join(j.t.TempDir(), "x.export")
	if err := os.WriteFile(export, b.Bytes(), 0o600); err != nil {
		j.t.Fatal(err)
	}
	run(j.t, j.dir, nil, remote, "-o", j.file(), export)
}

// entries are the journal as journalctl tells it, by message.
func (j *aJournal) entries() map[string]map[string]any {
	j.t.Helper()
	out := map[string]map[string]any{}
	for line := range strings.Lines(run(j.t, j.dir, nil, "journalctl", "--file="+j.file(), "-o", "json", "--all", "--no-pager")) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			j.t.Fatal(err)
		}
		out[e["MESSAGE"].(string)] = e
	}
	return out
}

// gatewayd serves a folder of journals, and ends with the test.
func gatewayd(t *testing.T, dir string) string {
	t.Helper()
	address, _ := startGatewayd(t, "127.0.0.1:0", "", "--directory="+dir)
	return "http://" + address
}

// startGatewayd gives the address of one, and what ends it. Where machine is not "",
// that file is its /etc/machine-id.
func startGatewayd(t *testing.T, address, machine string, args ...string) (listens string, stop func()) {
	t.Helper()
	program := debian.Program(t, "systemd-journal-gatewayd", "systemd-journal-remote")
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`, program}, args...)...)
	if machine != "" {
		cmd = exec.Command("unshare", append([]string{"--mount", "sh", "-c", `mount --bind "$1" /etc/machine-id; shift; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`, program, machine}, args...)...)
	}
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stderr = t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(stop)
	return ln.Addr().String(), stop
}

// TestJournalSources: a gatewayd that speaks TLS, whose process ends; then the entry that was
// read last is gone from its journal, then another machine answers under the same
// address. And journalctl, the child that reads this machine's journal, is killed. Nothing that is still in a journal is missing, nothing is there twice.
func TestJournalSources(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("run this as root: it gives a gatewayd another machine id")
	}
	local, pulled := newJournal(t), newJournal(t)
	dir := t.TempDir()
	newCertificates(t, dir)
	first, second := filepath.Join(dir, "machine-1"), filepath.Join(dir, "machine-2")
	for file, id := range map[string]string{first: "11111111111141118111111111111111", second: "22222222222242228222222222222222"} {
		if err := os.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tls := []string{"--directory=" + pulled.dir, "--key=" + dir + "/server.key", "--cert=" + dir + "/server.pem"} // Debian's asks for no certificates of clients
	address, stop := startGatewayd(t, "127.0.0.1:0", first, tls...)
	cfg := filepath.Join(dir, "oriel.yaml")
	text := fmt.Sprintf(`cluster: {name: eu-1}
journal:
  local: {enabled: true, directory: %[2]s}
  pull: [{url: "https://%[3]s", ca_file: %[1]s/ca.pem}]
`, dir, local.dir, address)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "--config="+cfg)
	local.addKind(200, "local")
	pulled.addKind(200, "pulled")
	p.start()
	found := func(kind string, want int) {
		t.Helper()
		if err := poll(30*time.Second, func() error {
			if out := p.get("/es/_search?size=0&track_total_hits=true&q=KIND:" + kind); !strings.Contains(out, fmt.Sprintf(`"total":{"value":%d,`, want)) {
				return fmt.Errorf("want %d entries of %s: %s", want, kind, tail(out, 200))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	found("local", 200)
	found("pulled", 200)

	// journalctl is killed: it is begun again at the cursor.
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, task := range tasks {
		children, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that is gone
		}
		for _, child := range strings.Fields(string(children)) {
			name, _ := os.ReadFile("/proc/" + child + "/comm") // gone: no name
			pid, err := strconv.Atoi(child)
			if err == nil && strings.TrimSpace(string(name)) == "journalctl" && syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed++
			}
		}
	}
	if killed != 1 {
		t.Fatalf("%d children are journalctl", killed)
	}
	local.addKind(100, "local")
	found("local", 300)

	// The file with the cursor's entry is gone, and a new one there.
	stop()
	if err := os.Remove(pulled.file()); err != nil {
		t.Fatal(err)
	}
	pulled.addKind(50, "pulled")
	_, stop = startGatewayd(t, address, first, tls...)
	found("pulled", 250)

	// Another machine, with a journal of its own.
	stop()
	if err := os.Remove(pulled.file()); err != nil {
		t.Fatal(err)
	}
	pulled.addKind(70, "swapped")
	startGatewayd(t, address, second, tls...)
	found("swapped", 70)
	pulled.addKind(5, "swapped")
	found("swapped", 75)
	found("pulled", 250)
	if !strings.Contains(p.log(), "another machine answers") {
		t.Error("the log does not tell of another machine")
	}
	p.term()
}

// TestJournals takes three journals in: of this machine by journalctl, of another
// by its gatewayd, and of a third by its uploader with a certificate. All entries are
// there once, also after Oriel was killed in between, and every field of the uploaded
// ones is what journalctl says it is.
func TestJournals(t *testing.T) {
	upload := debian.Program(t, "systemd-journal-upload", "systemd-journal-remote")
	local, pulled, pushed := newJournal(t), newJournal(t), newJournal(t)
	dir := t.TempDir()
	certs := newCertificates(t, dir)
	cfg := filepath.Join(dir, "oriel.yaml")
	text := fmt.Sprintf(`cluster: {name: eu-1}
journal:
  tls: {cert_file: %[1]s/server.pem, key_file: %[1]s/server.key, client_ca_file: %[1]s/ca.pem}
  clients: [{name: node-3.example, cluster: eu-3, region: eu}]
  local: {enabled: true, directory: %[2]s}
  pull: [{url: %[3]q}]
`, dir, local.dir, gatewayd(t, pulled.dir))
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "--config="+cfg)
	listener := freeAddress(t)
	p.args = append(p.args, "--listen.journal="+listener)
	p.start()
	p.oriel("tenants", "onboard", "shop", "--namespace", "eu-1/shop-prod", "--namespace", "eu-3/shop-prod")
	for _, j := range []*aJournal{local, pulled, pushed} {
		j.add(500)
	}
	send := func(name string) error {
		_, err := exec.Command(upload, "-u", "https://"+listener, "--key="+filepath.Join(dir, name+".key"), "--cert="+filepath.Join(dir, name+".pem"),
			"--trust="+filepath.Join(dir, "ca.pem"), "--file="+pushed.file(), "--save-state="+filepath.Join(dir, "state"), "--follow=no").CombinedOutput()
		return err
	}
	certs.issue("node-3", "node-3.example")
	certs.issue("node-4", "node-4.example")
	if err := send("node-3"); err != nil {
		t.Fatalf("upload: %v", err)
	}
	if err := send("node-4"); err == nil {
		t.Fatal("a certificate that is not listed may upload")
	}
	total := func(want int) {
		t.Helper()
		if err := poll(30*time.Second, func() error {
			out := p.get("/es/_search?size=0&track_total_hits=true&q=MESSAGE:entry")
			if !strings.Contains(out, fmt.Sprintf(`"total":{"value":%d,`, want)) {
				return fmt.Errorf("want %d records: %s", want, tail(out, 200))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	total(1500)
	p.kill()
	for _, j := range []*aJournal{local, pulled, pushed} {
		j.add(300)
	}
	p.start()
	if err := send("node-3"); err != nil {
		t.Fatalf("upload: %v", err)
	}
	total(2400)
	// While everything runs: followed at once.
	local.add(7)
	pulled.add(7)
	total(2414)

	found, want := p.sourcesOf("eu-3"), pushed.entries()
	if len(found) != len(want) {
		t.Fatalf("%d entries of %d", len(found), len(want))
	}
	for message, entry := range want {
		equalEntry(t, entry, found[message])
	}
	out := p.get("/t/shop/es/_search?size=0&track_total_hits=true")
	if !strings.Contains(out, `"total":{"value":604,`) { // every fourth of 807, 807 and 800
		t.Errorf("the tenant's: %s", tail(out, 200))
	}
	p.term()
}

// sourcesOf gives the documents of a cluster, by message.
func (p *program) sourcesOf(cluster string) map[string]map[string]any {
	p.t.Helper()
	out, ok, err := request("POST", p.http+"/es/_search", fmt.Sprintf(`{"size":10000,"query":{"term":{"cluster":%q}}}`, cluster), "application/json", nil)
	if err != nil || !ok {
		p.t.Fatalf("%v %s", err, out)
	}
	var res struct {
		Hits struct {
			Hits []struct {
				Source map[string]any `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		p.t.Fatal(err)
	}
	found := map[string]map[string]any{}
	for _, h := range res.Hits.Hits {
		found[fmt.Sprint(h.Source["MESSAGE"])] = h.Source
	}
	return found
}

// equalEntry holds a document against journalctl's JSON, in which bytes that are not
// text are an array of numbers.
func equalEntry(t *testing.T, want, got map[string]any) {
	t.Helper()
	binary, _ := got["binary"].(map[string]any)
	for name, v := range want {
		g := got[name]
		if numbers, ok := v.([]any); ok && len(numbers) > 0 {
			if _, ok := numbers[0].(float64); ok {
				var b []byte
				for _, n := range numbers {
					b = append(b, byte(n.(float64)))
				}
				v = string(b)
				if s, ok := binary[name].(string); ok {
					raw, err := base64.StdEncoding.DecodeString(s)
					if err != nil {
						t.Fatal(err)
					}
					g = string(raw)
				}
			} else if gs, ok := g.([]any); ok { // repeats, in any order
				less := func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
				slices.SortFunc(numbers, less)
				slices.SortFunc(gs, less)
			}
		}
		if !reflect.DeepEqual(v, g) {
			t.Fatalf("%s is %v, want %v", name, g, v)
		}
	}
}

// certificates is an authority that signs clients and servers.
type certificates struct {
	t    *testing.T
	dir  string
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

// newCertificates leaves ca.pem, server.pem and server.key in dir.
func newCertificates(t *testing.T, dir string) *certificates {
	t.Helper()
	c := &certificates{t: t, dir: dir}
	c.issue("ca")
	c.issue("server", "localhost")
	return c
}

// issue writes name.pem and name.key; the first is the authority itself.
func (c *certificates) issue(name string, dns ...string) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	c.next++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(c.next), Subject: pkix.Name{CommonName: name}, DNSNames: dns, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), lossAddress},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if c.ca == nil {
		template.IsCA, template.KeyUsage, template.IPAddresses, template.ExtKeyUsage = true, x509.KeyUsageCertSign, nil, nil
		c.ca, c.key = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.ca, &key.PublicKey, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.ca == template {
		if c.ca, err = x509.ParseCertificate(der); err != nil {
			c.t.Fatal(err)
		}
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(filepath.Join(c.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}
