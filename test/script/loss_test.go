//go:build real

package script

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/oriel-project/oriel/test/debian"
)

// lossAddress is Oriel's in the network namespace of TestSoakLoss.
var lossAddress = net.IPv4(10, 218, 77, 2)

// lossRun is what three kinds of senders send, and what befalls Oriel meanwhile.
type lossRun struct {
	chunks, bulks, journals int // of forward, requests of _bulk, files of journald
	entries                 int // of a file
	kills                   int
	filled                  func(p *program) // fills the disk, waits and empties it; nil: not
	cuts                    int              // of the network
	cut                     func(down bool)
}

const (
	perChunk = 500 // records of a chunk, and of a request of _bulk
	lossKey  = "the key of the loss test"
)

func (r *lossRun) records() int { return (r.chunks+r.bulks)*perChunk + r.journals*r.entries }

// TestLoss kills the process with SIGKILL, again and again, while three kinds of
// senders send: forward with acknowledgements, _bulk with ids, and systemd's uploader
// of journals. All of them repeat what was not answered, as they do. Every record is
// there, once. Then everything is sent that is refused, and every record of that is
// accounted for.
func TestLoss(t *testing.T) {
	dir := t.TempDir()
	p := newLossProgram(t, dir, "127.0.0.1")
	r := &lossRun{chunks: 120, bulks: 60, journals: 2, entries: 5000, kills: 3}
	r.run(p, dir)
	p.balanced(r, dir)
}

// newLossProgram is an Oriel that knows its senders: by a shared key, a token and a
// certificate.
func newLossProgram(t *testing.T, dir, address string) *program {
	t.Helper()
	newCertificates(t, dir).issue("node-1", "node-1.example")
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(lossKey), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "oriel.yaml")
	text := fmt.Sprintf(`auth: {anonymous: none}
limits: {logs: 10GB/s, logs_max: 10GB/s}
forward: {keys: [{shared_key_file: %[1]q, cluster: local}]}
journal:
  tls: {cert_file: %[2]s/server.pem, key_file: %[2]s/server.key, client_ca_file: %[2]s/ca.pem}
  clients: [{name: node-1.example, cluster: local}]
`, key, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "--config="+file)
	if address != "127.0.0.1" {
		p.http, p.forward, p.journal = address+":7480", address+":24224", address+":19532"
	} else {
		p.journal = freeAddress(t)
	}
	p.args = append(p.args, "--listen.http="+p.http, "--listen.forward="+p.forward, "--listen.journal="+p.journal)
	return p
}

// loss is one run under way.
type loss struct {
	lossRun
	p     *program
	dir   string
	token string
	done  atomic.Int64 // records that were acknowledged
	late  atomic.Bool  // the test is given up
}

func (r *lossRun) run(p *program, dir string) {
	t := p.t
	l := &loss{lossRun: *r, p: p, dir: dir}
	var files []*aJournal
	for i := range r.journals {
		j := newJournal(t)
		j.addKind(r.entries, fmt.Sprint("file-", i))
		files = append(files, j)
	}
	p.start()
	l.token = strings.TrimSpace(p.oriel("token", "create", "--operator"))
	p.token = l.token
	began := time.Now()
	var wg sync.WaitGroup
	fail := make(chan error, 8)
	wg.Go(func() { fail <- l.sendForward() })
	wg.Go(func() { fail <- l.sendBulk() })
	wg.Go(func() { fail <- l.sendJournals(files) })
	l.chaos()
	wg.Wait()
	close(fail)
	for err := range fail {
		if err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	t.Logf("%d records of three kinds of senders acknowledged through %d kills and %d cuts in %.1f s", r.records(), r.kills, r.cuts, took.Seconds())
	p.kill()
	p.start()
	p.eachOnce((r.chunks+r.bulks)*perChunk, "token="+l.token)
	for i := range r.journals {
		l.journalOnce(fmt.Sprint("file-", i))
	}
}

// chaos kills, fills and cuts, spread over the run, each at a random moment.
func (l *loss) chaos() {
	type event struct {
		at int64 // records that are acknowledged
		do func()
	}
	var events []event
	add := func(part float64, do func()) { events = append(events, event{int64(part * float64(l.records())), do}) }
	for k := range l.kills {
		add(float64(k+1)/float64(l.kills+1), func() {
			l.p.kill()
			l.p.start()
		})
	}
	if l.filled != nil {
		add(0.45, func() { l.filled(l.p) })
	}
	for k := range l.cuts {
		add((float64(k)+0.7)/float64(l.cuts+1), func() {
			l.cut(true)
			<-time.After(6 * time.Second)
			l.cut(false)
		})
	}
	for len(events) > 0 {
		first := 0
		for i := range events {
			if events[i].at < events[first].at {
				first = i
			}
		}
		e := events[first]
		events = append(events[:first], events[first+1:]...)
		err := poll(10*time.Minute, func() error {
			if n := l.done.Load(); n < e.at {
				return fmt.Errorf("%d records are acknowledged after a long time", n)
			}
			return nil
		})
		if err != nil {
			l.late.Store(true)
			l.p.t.Error(err)
			return
		}
		<-time.After(rand.N(100 * time.Millisecond))
		e.do()
	}
}

// sendForward sends chunks in every mode, each until it is answered.
func (l *loss) sendForward() error {
	var conn net.Conn
	var in *msgp.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for c := 0; c < l.chunks && !l.late.Load(); {
		if conn == nil {
			var err error
			if conn, err = net.DialTimeout("tcp", l.p.forward, 5*time.Second); err != nil {
				<-time.After(50 * time.Millisecond)
				conn = nil
				continue
			}
			conn.SetDeadline(time.Now().Add(15 * time.Second))
			if in, err = shakeHands(conn, lossKey); err != nil {
				conn.Close()
				conn = nil
				continue
			}
		}
		conn.SetDeadline(time.Now().Add(15 * time.Second))
		_, err := conn.Write(lossChunk(c))
		m := map[string]any{}
		if err == nil {
			err = in.ReadMapStrIntf(m)
		}
		if err != nil {
			conn.Close()
			conn = nil
			continue
		}
		if m["ack"] != chunkID(c) {
			return fmt.Errorf("acknowledged %v, want %s", m["ack"], chunkID(c))
		}
		c++
		l.done.Add(perChunk)
	}
	return nil
}

// lossChunk is a chunk of the kill test, in one mode or another.
func lossChunk(c int) []byte {
	entries := killEntries(c, perChunk)
	switch c % 3 {
	case 0:
		return chunkOf(entries, chunkID(c), "")
	case 1:
		return chunkOf(gzipped(entries), chunkID(c), "gzip")
	}
	b := msgp.AppendArrayHeader(nil, 3)
	b = msgp.AppendString(b, "kube.test")
	b = msgp.AppendArrayHeader(b, perChunk)
	b = append(b, entries...)
	b = msgp.AppendMapHeader(b, 1)
	return msgp.AppendString(msgp.AppendString(b, "chunk"), chunkID(c))
}

// sendBulk sends documents with ids, each request until every item is there: created
// now, or before.
func (l *loss) sendBulk() error {
	for b := 0; b < l.bulks && !l.late.Load(); {
		out, ok, err := request("POST", l.p.http+"/es/_bulk", lossBulk(l.chunks+b), "application/x-ndjson", []string{"token=" + l.token})
		if err != nil || !ok {
			<-time.After(50 * time.Millisecond)
			continue
		}
		var res struct {
			Items []struct {
				Create struct{ Status int }
			}
		}
		if err := json.Unmarshal([]byte(out), &res); err != nil {
			return err
		}
		if len(res.Items) != perChunk {
			return fmt.Errorf("%d items of %d", len(res.Items), perChunk)
		}
		for _, it := range res.Items {
			if it.Create.Status != 201 && it.Create.Status != 409 {
				return fmt.Errorf("_bulk: %s", tail(out, 1000))
			}
		}
		b++
		l.done.Add(perChunk)
	}
	return nil
}

func lossBulk(part int) string {
	var b strings.Builder
	for i := range perChunk {
		n := part*perChunk + i
		fmt.Fprintf(&b, "{\"create\":{\"_index\":\"x\",\"_id\":\"id-%d\"}}\n{\"message\":\"record %d of the kill test\",\"kind\":\"kill-test\",\"n\":%d}\n", n, n, n)
	}
	return b.String()
}

// sendJournals runs systemd's uploader for each file until it says that all is sent.
func (l *loss) sendJournals(files []*aJournal) error {
	upload := debian.Program(l.p.t, "systemd-journal-upload", "systemd-journal-remote")
	for i, j := range files {
		for !l.late.Load() {
			cmd := exec.Command(upload, "-u", "https://"+l.p.journal, "--key="+filepath.Join(l.dir, "node-1.key"), "--cert="+filepath.Join(l.dir, "node-1.pem"),
				"--trust="+filepath.Join(l.dir, "ca.pem"), "--file="+j.file(), "--save-state="+filepath.Join(l.dir, fmt.Sprint("state-", i)), "--follow=no")
			if err := cmd.Run(); err == nil {
				break
			}
			<-time.After(100 * time.Millisecond)
		}
		l.done.Add(int64(l.entries))
	}
	return nil
}

// journalOnce sees that the entries of a file are there, each once.
func (l *loss) journalOnce(kind string) {
	t := l.p.t
	t.Helper()
	body := fmt.Sprintf(`{"size":0,"track_total_hits":true,"query":{"term":{"KIND.keyword":%q}},"aggs":{"n":{"terms":{"field":"MESSAGE.keyword","size":65536}}}}`, kind)
	out, ok, err := request("POST", l.p.http+"/es/_search", body, "application/json", []string{"token=" + l.token})
	if err != nil || !ok {
		t.Fatalf("search: %v %s", err, tail(out, 1000))
	}
	var res struct {
		Hits         struct{ Total struct{ Value int } }
		Aggregations struct {
			N struct {
				Buckets []struct{ Key string }
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		t.Fatal(err)
	}
	if got := len(res.Aggregations.N.Buckets); got != l.entries || res.Hits.Total.Value != l.entries {
		t.Errorf("%s: %d entries, %d different ones, of %d", kind, res.Hits.Total.Value, got, l.entries)
	}
}
