//go:build real && soak

package script

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// rss gives the resident memory of the running program in MiB.
func (p *program) rss() int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		p.t.Fatalf("no VmRSS in %s", b)
	}
	kb, _ := strconv.Atoi(string(m[1]))
	return kb >> 10
}

// openFiles tells how many files and connections the process has open.
func (p *program) openFiles() int {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(names)
}

// TestSoakTenants onboards 2,000 tenants by the operator's API, sends chunks
// with a record of every one of them, starts again, and sends at a steady rate.
func TestSoakTenants(t *testing.T) {
	const tenants, chunks = 2000, 200
	p := newProgram(t)
	p.start()
	t.Logf("empty: %d MiB", p.rss())
	began := time.Now()
	var wg sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				body := fmt.Sprintf(`{"namespaces":[{"cluster":"local","name":"ns-%d"}]}`, i)
				out, ok, err := request("PUT", fmt.Sprintf("%s/admin/v1/tenants/team-%d", p.http, i), body, "application/json", nil)
				if err != nil || !ok {
					t.Errorf("onboard team-%d: %v %s", i, err, out)
				}
			}
		})
	}
	for i := range tenants {
		next <- i
	}
	close(next)
	wg.Wait()
	t.Logf("%d tenants onboarded in %.1f s: %d MiB", tenants, time.Since(began).Seconds(), p.rss())
	conn, err := net.Dial("tcp", p.forward)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := msgp.NewReader(conn)
	var took []float64
	send := func(c int) {
		sent := time.Now()
		if _, err := conn.Write(tenantsChunk(c, tenants)); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		m := map[string]any{}
		if err := r.ReadMapStrIntf(m); err != nil {
			t.Fatalf("chunk %d: %v", c, err)
		}
		took = append(took, time.Since(sent).Seconds())
	}
	for c := range chunks {
		send(c)
	}
	slices.Sort(took)
	t.Logf("%d chunks of %d tenants' records: median %.3f s, most %.3f s; %d MiB", chunks, tenants, took[len(took)/2], took[len(took)-1], p.rss())
	search := func(id int) {
		asked := time.Now()
		out, ok, err := request("GET", fmt.Sprintf("%s/t/team-%d/es/_search?size=0&track_total_hits=true", p.http, id), "", "", nil)
		if err != nil || !ok || !strings.Contains(out, fmt.Sprintf(`"total":{"value":%d,`, chunks)) {
			t.Errorf("team-%d: %v %s", id, err, tail(out, 500))
		}
		t.Logf("search of one tenant: %.3f s", time.Since(asked).Seconds())
	}
	search(7)
	p.kill()
	began = time.Now()
	p.start()
	t.Logf("started again in %.2f s: %d MiB", time.Since(began).Seconds(), p.rss())
	search(1999)
	t.Logf("then %d MiB", p.rss())

	// 10 records a second of each, for three minutes: several flushes and merges.
	if conn, err = net.Dial("tcp", p.forward); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, took = msgp.NewReader(conn), nil
	const sustained = 1800
	rss, files, late := 0, 0, time.Duration(0)
	began = time.Now()
	for c := range sustained {
		due := began.Add(time.Duration(c) * 100 * time.Millisecond)
		time.Sleep(time.Until(due))
		late = max(late, time.Since(due))
		send(chunks + c)
		if c%10 == 0 {
			rss, files = max(rss, p.rss()), max(files, p.openFiles())
		}
	}
	slices.Sort(took)
	t.Logf("10 records a second of each of %d tenants for %.0f s: a chunk takes %.3f s (median), %.3f s (most), is sent %.3f s late at most; at most %d MiB and %d open files",
		tenants, time.Since(began).Seconds(), took[len(took)/2], took[len(took)-1], late.Seconds(), rss, files)
	if rss >= 1024 || files >= 10_000 {
		t.Errorf("%d MiB and %d open files", rss, files)
	}
	p.term()
}

func tenantsChunk(c, tenants int) []byte {
	var entries []byte
	now := time.Now()
	for i := range tenants {
		entries = msgp.AppendArrayHeader(entries, 2)
		entries = msgp.AppendInt64(entries, now.Unix())
		entries = msgp.AppendMapHeader(entries, 2)
		entries = msgp.AppendString(msgp.AppendString(entries, "message"), fmt.Sprintf("record %d of a team, and some words so that it is as long as a line of a log is", c))
		entries = msgp.AppendMapHeader(msgp.AppendString(entries, "kubernetes"), 2)
		entries = msgp.AppendString(msgp.AppendString(entries, "namespace_name"), fmt.Sprintf("ns-%d", i))
		entries = msgp.AppendString(msgp.AppendString(entries, "pod_name"), "web-0")
	}
	return chunkOf(entries, fmt.Sprintf("tenants-%d", c), "")
}

// TestSoakKills kills the process twenty times while it takes a million records
// in, in every mode of the forward protocol, and starts it again.
func TestSoakKills(t *testing.T) {
	const (
		chunks, perChunk = 2000, 500
		kills            = 20
	)
	p := newProgram(t)
	p.start()
	// A record alone has no chunk of many: those of a message are sent one by one.
	chunk := func(c int) []byte {
		entries := killEntries(c, perChunk)
		switch c % 3 {
		case 0:
			return chunkOf(entries, chunkID(c), "")
		case 1:
			return chunkOf(gzipped(entries), chunkID(c), "gzip")
		}
		var b []byte // Forward mode
		b = msgp.AppendArrayHeader(b, 3)
		b = msgp.AppendString(b, "kube.test")
		b = msgp.AppendArrayHeader(b, perChunk)
		b = append(b, entries...)
		b = msgp.AppendMapHeader(b, 1)
		return msgp.AppendString(msgp.AppendString(b, "chunk"), chunkID(c))
	}
	acked := make([]bool, chunks)
	killAt := map[int]bool{}
	for k := range kills {
		killAt[(k+1)*chunks/(kills+1)] = true
	}
	began, done, killed := time.Now(), 0, 0
	for done < chunks {
		done = sendChunks(t, p.forward, acked, chunk, func(n int) {
			if killAt[n] {
				delete(killAt, n)
				killed++
				go p.cmd.Process.Kill() // at any moment of what follows
			}
		})
		if done < chunks {
			p.kill()
			p.start()
		}
	}
	took := time.Since(began).Seconds()
	t.Logf("%d records acknowledged through %d kills in %.1f s, %.0f a second; %d MiB", chunks*perChunk, killed, took, chunks*perChunk/took, p.rss())
	p.kill()
	began = time.Now()
	p.start()
	t.Logf("started again over %d records in %.2f s: %d MiB", chunks*perChunk, time.Since(began).Seconds(), p.rss())
	began = time.Now()
	p.eachOnce(chunks * perChunk)
	t.Logf("all of them read in %.1f s: %d MiB", time.Since(began).Seconds(), p.rss())
	p.searchMillion()
	p.term()
}

// searchMillion asks what a panel asks, and goes away from what takes long.
func (p *program) searchMillion() {
	t := p.t
	ask := func(what, body string) {
		t.Helper()
		began := time.Now()
		out, ok, err := request("POST", p.http+"/es/_search", body, "application/json", nil)
		if err != nil || !ok {
			t.Errorf("%s: %v %s", what, err, tail(out, 500))
		}
		t.Logf("%s: %.2f s; %d MiB", what, time.Since(began).Seconds(), p.rss())
	}
	ask("newest 500", `{"size":500,"sort":[{"@timestamp":"desc"}]}`)
	ask("a word, the newest 500", `{"size":500,"sort":[{"@timestamp":"desc"}],"query":{"match":{"message":"777777"}}}`)
	ask("count of all by a histogram and terms", `{"size":0,"track_total_hits":true,"aggs":{"t":{"date_histogram":{"field":"@timestamp","fixed_interval":"1s"},"aggs":{"n":{"terms":{"field":"level"}}}}}}`)
	ask("sorted by a field", `{"size":100,"sort":[{"n":"desc"}]}`)
	ask("10,000 hits by a field", `{"size":10000,"sort":[{"n":"asc"}]}`)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+p.http+"/es/_search", strings.NewReader(`{"size":0,"aggs":{"n":{"terms":{"field":"n","size":10000}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Logf("the long search was quicker than its client")
	}
	// Who has gone away costs nothing any more: processor time stands still.
	err = poll(5*time.Second, func() error {
		before := p.cpu()
		<-time.After(500 * time.Millisecond)
		if used := p.cpu() - before; used > 0.1 {
			return fmt.Errorf("%.2f s of processor time in half a second after the client went away", used)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("a search whose client went away has ended; %d MiB", p.rss())
}

// cpu gives the seconds of processor time that the program has used.
func (p *program) cpu() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return float64(user+system) / 100 // USER_HZ
}

// TestSoakFlood sends what costs a server memory or places, all at once, and
// sees that others are served meanwhile and that memory stays bounded.
func TestSoakFlood(t *testing.T) {
	const rssMax = 1500 // MiB
	p := newProgram(t)
	p.start()
	t.Logf("at rest: %d MiB", p.rss())
	most := 0
	served := func(what string) {
		t.Helper()
		began := time.Now()
		if n := sendChunks(t, p.forward, make([]bool, 1), func(c int) []byte { return packedChunk(c, 10) }, func(int) {}); n != 1 {
			t.Errorf("%s: a good chunk was not acknowledged", what)
		}
		p.get("/-/ready")
		rss := p.rss()
		most = max(most, rss)
		t.Logf("%s: another sender is served in %.2f s; %d MiB", what, time.Since(began).Seconds(), rss)
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.forward)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	var idle []net.Conn
	for range 9_900 {
		idle = append(idle, dial())
	}
	served("9,900 idle connections")
	for _, c := range idle {
		c.Close()
	}

	// A frame that claims 64 MiB and brings them, and one that says it goes on.
	var wg sync.WaitGroup
	flood := func(n int, b []byte) {
		for range n {
			wg.Go(func() {
				c := dial()
				defer c.Close()
				c.SetDeadline(time.Now().Add(20 * time.Second))
				c.Write(b) // the server may end it
				_, _ = c.Read(make([]byte, 64))
			})
		}
	}
	line := strings.Repeat("x", 10<<20)
	entry := func(message string) []byte {
		var b []byte
		b = msgp.AppendArrayHeader(b, 2)
		b = msgp.AppendInt64(b, time.Now().Unix())
		b = msgp.AppendMapHeader(b, 1)
		return msgp.AppendString(msgp.AppendString(b, "message"), message)
	}
	for _, f := range []struct {
		what string
		n    int
		b    []byte
	}{
		{"a 60 MiB frame of records", 20, chunkOf(bytes.Repeat(entry(strings.Repeat("y", 1000)), 60_000), "big", "")},
		{"an unfinished frame of 63 MiB", 20, chunkOf(bytes.Repeat(entry(strings.Repeat("y", 1000)), 62_000), "big", "")[:60<<20]},
		{"10 MiB lines", 20, chunkOf(entry(line), "line", "")},
		{"gzip bomb of 1 GiB", 50, chunkOf(gzipped(make([]byte, 1<<30)), "bomb", "gzip")},
		{"gzip of 200 MiB of records", 20, chunkOf(gzipped(bytes.Repeat(entry(strings.Repeat("z", 1000)), 200_000)), "rich", "gzip")},
		{"claims of 4 GiB", 500, []byte{0x93, 0xa1, 't', 0xdb, 0xff, 0xff, 0xff, 0xff, 'x'}},
		{"invalid UTF-8", 50, chunkOf(bytes.Repeat(entry("\xff\xfe\xc3\x28"), 1000), "utf8", "")},
	} {
		flood(f.n, f.b)
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		for going := true; going; {
			select {
			case <-done:
				going = false
			case <-time.After(500 * time.Millisecond):
				most = max(most, p.rss())
			}
		}
		served(fmt.Sprintf("%d × %s", f.n, f.what))
	}
	// Senders that never read their acknowledgements.
	var deaf []net.Conn
	for range 100 {
		c := dial()
		c.(*net.TCPConn).SetReadBuffer(4096)
		deaf = append(deaf, c)
		go func() {
			b := packedChunk(1, 1)
			for range 20_000 {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}()
	}
	for range 10 {
		<-time.After(time.Second)
		most = max(most, p.rss())
	}
	served("100 senders that do not read")
	for _, c := range deaf {
		c.Close()
	}
	t.Logf("the most was %d MiB", most)
	if most > rssMax {
		t.Errorf("%d MiB of memory, want at most %d", most, rssMax)
	}
	for line := range strings.Lines(p.get("/metrics")) {
		if strings.HasPrefix(line, "oriel_forward_") && strings.Contains(line, "reason=") {
			t.Log(strings.TrimSpace(line))
		}
	}
	p.term()
}
