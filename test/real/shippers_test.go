//go:build real

package real

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/esapi"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/bulk"
	"github.com/oriel-project/oriel/logging/forward"
	"github.com/oriel-project/oriel/logging/journal"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
	"github.com/oriel-project/oriel/test/debian"
)

// intake is a store with the edges that shippers talk to.
type intake struct {
	store *mem.Store
	scope tenant.Write
}

func newIntake() *intake {
	owners := scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop-prod": "shop"}}
	return &intake{mem.New(mem.Options{}), scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, owners)}
}

// serveForward gives the port.
func (in *intake) serveForward(t *testing.T, keys ...forward.Key) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := forward.New(forward.Options{
		Scope:    func(forward.Identity) (tenant.Write, bool) { return in.scope, true },
		Appender: in.store, Stamper: &logging.Stamper{}, Keys: keys, Hostname: "central",
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (in *intake) serveHTTP(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(tenant.WithWrite(r.Context(), in.scope)))
	}))
	t.Cleanup(srv.Close)
	return srv
}

func (in *intake) records(t *testing.T) (out []logging.Record) {
	t.Helper()
	v, err := in.store.Snapshot(t.Context(), scopetest.Operator())
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.Search(t.Context(), logging.Query{Limit: 10_000, Sort: []logging.SortKey{{Field: logging.Field{Name: logging.FieldSeq}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range res.Hits {
		out = append(out, h.Record)
	}
	return out
}

func (in *intake) wait(t *testing.T, n int) []logging.Record {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got := in.records(t)
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d records of %d", len(got), n)
		}
		<-tick.C
	}
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestJournalUpload sends a journal with systemd's own uploader: all of it once,
// then from its cursor on, which repeats the last entry.
func TestJournalUpload(t *testing.T) {
	remote := debian.Program(t, "systemd-journal-remote", "systemd-journal-remote")
	upload := debian.Program(t, "systemd-journal-upload", "systemd-journal-remote")
	in := newIntake()
	srv := in.serveHTTP(t, journal.New(journal.Options{Appender: in.store, Stamper: &logging.Stamper{}}).API())
	dir := t.TempDir()
	file := filepath.Join(dir, "x.journal")
	state := filepath.Join(dir, "state")
	const boot = "0123456789abcdef0123456789abcdef"
	add := func(from, to int) {
		var b bytes.Buffer
		for i := from; i < to; i++ {
			at := time.Now().Add(-time.Hour).UnixMicro() + int64(i)
			fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n_MACHINE_ID=%s\n_HOSTNAME=n1\nPRIORITY=4\nMESSAGE=message %d\n", at, i+1, boot, boot, i)
			switch i % 4 {
			case 1:
				fmt.Fprintf(&b, "BINARY\n\x05\x00\x00\x00\x00\x00\x00\x00a\nb\x00\xff\nTWICE=1\nTWICE=2\n")
			case 2:
				fmt.Fprintf(&b, "_UID=0\nCONTAINER_NAME=k8s_main_web-1_shop-prod_uid_0\n")
			}
			b.WriteString("\n")
		}
		export := filepath.Join(dir, "x.export")
		if err := os.WriteFile(export, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, dir, remote, "-o", file, export)
	}
	send := func() {
		command(t, dir, upload, "-u", srv.URL, "--file="+file, "--save-state="+state, "--follow=no")
	}
	add(0, 1000)
	send()
	got := in.records(t)
	if len(got) != 1000 {
		t.Fatalf("%d records", len(got))
	}
	for i, r := range got {
		owner := tenant.System
		if i%4 == 2 {
			owner = "shop"
		}
		if r.Message != fmt.Sprint("message ", i) || r.Tenant != owner || r.Level != "warn" || r.Node != "n1" || time.Since(r.Time) < 50*time.Minute {
			t.Fatalf("%d: %+v %s", i, r, r.Source)
		}
		if i%4 == 1 && !strings.Contains(string(r.Source), `"TWICE":["1","2"]`) && !strings.Contains(string(r.Source), `"TWICE":["2","1"]`) {
			t.Fatalf("%s", r.Source)
		}
	}
	send()
	add(1000, 1010)
	send()
	if n := len(in.records(t)); n != 1010 {
		t.Fatalf("%d records", n)
	}
	// Without the state everything comes again.
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	send()
	if n := len(in.records(t)); n != 1010 {
		t.Fatalf("%d records after all was sent again", n)
	}
}

// TestForwardOfNode sends with the two loggers that Node.js programs use, in
// every mode, with acknowledgements and the handshake.
func TestForwardOfNode(t *testing.T) {
	debian.Program(t, "node", "nodejs")
	debian.Program(t, "npm", "npm")
	dir := t.TempDir()
	command(t, dir, "npm", "install", "--no-save", "--silent", "--no-audit", "--no-fund", "fluent-logger@3.4.1", "@fluent-org/logger@1.0.10")
	script, err := filepath.Abs("testdata/forward.js")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "forward.js"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"classic", "Message", "Forward", "PackedForward", "CompressedPackedForward"} {
		for _, key := range []string{"", "secret"} {
			t.Run(mode+key, func(t *testing.T) {
				in := newIntake()
				var keys []forward.Key
				if key != "" {
					keys = []forward.Key{{Name: "k", SharedKey: key}, {Name: "u", SharedKey: "other", Username: "u", Password: "p"}}
				}
				port := in.serveForward(t, keys...)
				command(t, dir, "node", "forward.js", mode, port, key, "100")
				got := in.records(t)
				if len(got) != 100 {
					t.Fatalf("%d records are acknowledged, not 100", len(got))
				}
				for i, r := range got {
					if r.Message != fmt.Sprint("message ", i) || r.Tenant != "shop" || time.Since(r.Time) > time.Minute {
						t.Fatalf("%d: %+v %s", i, r, r.Source)
					}
				}
			})
		}
	}
}

// TestForwardOfPython sends with the logger of Python, which asks for nothing back.
func TestForwardOfPython(t *testing.T) {
	debian.Program(t, "python3", "python3")
	debian.Package(t, "python3-venv", func() bool {
		return exec.Command("python3", "-c", "import venv, ensurepip").Run() == nil
	})
	dir := t.TempDir()
	command(t, dir, "python3", "-m", "venv", "v")
	command(t, dir, "v/bin/pip", "install", "-q", "fluent-logger==0.11.1")
	in := newIntake()
	port := in.serveForward(t)
	command(t, dir, "v/bin/python", "-c", `
import sys
from fluent import sender
s = sender.FluentSender('app', host='127.0.0.1', port=int(sys.argv[1]), nanosecond_precision=True)
for i in range(100):
    assert s.emit('web', {'message': 'message %d' % i, 'n': i, 'f': 1.5, 'big': 2**63, 'bytes': b'\xff\x00', 'namespace': 'shop-prod'}), s.last_error
s.close()
`, port)
	for i, r := range in.wait(t, 100) {
		if r.Message != fmt.Sprint("message ", i) || r.Tenant != "shop" || !strings.Contains(string(r.Source), `"big":9223372036854775808`) || !strings.Contains(string(r.Source), `"tag":"app.web"`) {
			t.Fatalf("%d: %+v %s", i, r, r.Source)
		}
	}
}

// TestBulkOfRsyslog lets rsyslog send to _bulk, with what it makes of bodies. With
// several servers it asks each for its health before it sends.
func TestBulkOfRsyslog(t *testing.T) {
	rsyslogd := debian.Program(t, "rsyslogd", "rsyslog")
	debian.Package(t, "rsyslog-elasticsearch", func() bool {
		found, _ := filepath.Glob("/usr/lib/*/rsyslog/omelasticsearch.so")
		return found != nil
	})
	in := newIntake()
	b := bulk.New(bulk.Options{Appender: in.store, Repeater: in.store, Stamper: &logging.Stamper{}})
	var asked sync.Map // "METHOD /path": the status of the answer
	api := esapi.New(esapi.Options{Searcher: in.store, Bulk: b})
	srv := in.serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		api.ServeHTTP(rec, r)
		asked.Store(r.Method+" "+r.URL.Path, rec.Code)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	dir := t.TempDir()
	logs := filepath.Join(dir, "in.log")
	host, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`module(load="imfile" PollingInterval="1")
module(load="omelasticsearch")
global(workDirectory=%[1]q)
input(type="imfile" file=%[2]q tag="app:")
template(name="doc" type="list" option.json="on") {
  constant(value="{\"@timestamp\":\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\",\"namespace\":\"shop-prod\",\"message\":\"") property(name="msg") constant(value="\"}")
}
action(type="omelasticsearch" server=[%[3]q, "localhost"] serverport=%[4]q template="doc" searchIndex="logs" bulkmode="on" errorFile=%[5]q)
`, dir, logs, host, port, filepath.Join(dir, "errors"))
	if err := os.WriteFile(filepath.Join(dir, "c.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i := range 500 {
		fmt.Fprintf(&lines, "message %d \"quoted\"\n", i)
	}
	if err := os.WriteFile(logs, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rsyslogd, "-n", "-f", filepath.Join(dir, "c.conf"), "-i", filepath.Join(dir, "pid"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s", out.String())
		}
	})
	for i, r := range in.wait(t, 500) {
		if strings.TrimSpace(r.Message) != fmt.Sprintf("message %d \"quoted\"", i) || r.Tenant != "shop" {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "errors")); err == nil && len(b) > 0 {
		t.Fatalf("rsyslog found errors: %s", b)
	}
	for _, request := range []string{"GET /_cat/health", "POST /_bulk"} {
		if code, _ := asked.Load(request); code != 200 {
			t.Errorf("%s was answered %v", request, code)
		}
	}
	asked.Range(func(request, code any) bool {
		t.Logf("%v: %v", request, code)
		return true
	})
}
