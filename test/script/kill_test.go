//go:build real

package script

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// eachOnce sees that every record of the kill test is there once: it counts them
// by their number.
func (p *program) eachOnce(records int, headers ...string) {
	t := p.t
	t.Helper()
	const atOnce = 50_000
	lost, doubled := records, 0
	for from := 0; from < records; from += atOnce {
		body := fmt.Sprintf(`{"size":0,"query":{"bool":{"filter":[{"term":{"kind.keyword":"kill-test"}},{"range":{"n":{"gte":%d,"lt":%d}}}]}},
"aggs":{"n":{"terms":{"field":"n","size":65536}}}}`, from, from+atOnce)
		out, ok, err := request("POST", p.http+"/es/_search", body, "application/json", headers)
		if err != nil || !ok {
			t.Fatalf("search: %v %s", err, tail(out, 1000))
		}
		var res struct {
			Aggregations struct {
				N struct {
					Buckets []struct {
						Key   int
						Count int `json:"doc_count"`
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(out), &res); err != nil {
			t.Fatalf("search: %v %s", err, tail(out, 1000))
		}
		for _, b := range res.Aggregations.N.Buckets {
			lost--
			if b.Count > 1 {
				doubled++
			}
		}
	}
	if lost != 0 || doubled > 0 {
		t.Errorf("of %d acknowledged records %d are lost and %d are there more than once", records, lost, doubled)
	}
}

// sendChunks sends what is not acknowledged yet over one connection and returns
// how many chunks are acknowledged when all are, or when the connection breaks.
func sendChunks(t *testing.T, addr string, acked []bool, chunk func(c int) []byte, onAck func(n int)) int {
	t.Helper()
	count := func() (n int) {
		for _, a := range acked {
			if a {
				n++
			}
		}
		return n
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return count()
	}
	defer conn.Close()
	todo := slices.Clone(acked) // before anything changes: the sender has its own view
	go func() {
		w := bufio.NewWriter(conn)
		for c := range todo {
			if !todo[c] {
				w.Write(chunk(c))
			}
		}
		w.Flush()
	}()
	r := msgp.NewReader(conn)
	for c := range acked {
		if todo[c] {
			continue
		}
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		m := map[string]any{}
		if err := r.ReadMapStrIntf(m); err != nil {
			return count()
		}
		if m["ack"] != chunkID(c) {
			t.Fatalf("acknowledged %v, want %s", m["ack"], chunkID(c))
		}
		acked[c] = true
		onAck(count())
	}
	return count()
}

func chunkID(c int) string { return fmt.Sprintf("chunk-%06d\n", c) }

// packedChunk is one PackedForward frame with an acknowledgement asked for.
func packedChunk(c, perChunk int) []byte { return chunkOf(killEntries(c, perChunk), chunkID(c), "") }

// killTime is when the records of the kill test were made: a chunk that is sent
// again is the same to the byte, as Fluentd's are.
var killTime = time.Now()

// killEntries are the records of the kill test in a chunk, as a stream of entries.
func killEntries(c, perChunk int) (entries []byte) {
	for i := range perChunk {
		n := c*perChunk + i
		entries = msgp.AppendArrayHeader(entries, 2)
		entries = msgp.AppendInt64(entries, killTime.Unix())
		entries = msgp.AppendMapHeader(entries, 3)
		entries = msgp.AppendString(msgp.AppendString(entries, "message"), fmt.Sprintf("record %d of the kill test", n))
		entries = msgp.AppendString(msgp.AppendString(entries, "kind"), "kill-test")
		entries = msgp.AppendInt(msgp.AppendString(entries, "n"), n)
	}
	return entries
}

// chunkOf is a PackedForward frame of entries; compressed names how they are, or
// is "".
func chunkOf(entries []byte, id, compressed string) []byte {
	var b []byte
	b = msgp.AppendArrayHeader(b, 3)
	b = msgp.AppendString(b, "kube.test")
	b = msgp.AppendBytes(b, entries)
	if compressed == "" {
		b = msgp.AppendMapHeader(b, 1)
	} else {
		b = msgp.AppendMapHeader(b, 2)
		b = msgp.AppendString(msgp.AppendString(b, "compressed"), compressed)
	}
	return msgp.AppendString(msgp.AppendString(b, "chunk"), id)
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestManyForward keeps 5,000 connections that say nothing and 200 that say one byte
// now and then, and sees that a good sender is served beside them.
func TestManyForward(t *testing.T) {
	const idle, slow = 5000, 200
	p := newProgram(t)
	p.start()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.forward)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for range idle {
		dial()
	}
	frame := packedChunk(1, 10)
	var loris []net.Conn
	for range slow {
		loris = append(loris, dial())
	}
	for at := range 3 {
		for _, c := range loris {
			if _, err := c.Write(frame[at : at+1]); err != nil {
				t.Fatal(err)
			}
		}
		acked := make([]bool, 20)
		began := time.Now()
		if n := sendChunks(t, p.forward, acked, func(c int) []byte { return chunkOf(killEntries(at*100+c, 500), chunkID(c), "") }, func(int) {}); n != len(acked) {
			t.Fatalf("%d of %d chunks are acknowledged", n, len(acked))
		}
		t.Logf("10,000 records beside %d idle and %d slow connections: %.2f s", idle, slow, time.Since(began).Seconds())
	}
	if n := p.counters()["oriel_forward_connections"]; n < idle+slow {
		t.Errorf("%v connections are open", n)
	}
	p.term()
}

// TestBadForward sends what breaks other receivers and sees that nobody else is
// disturbed, and that everything refused is counted with a reason.
func TestBadForward(t *testing.T) {
	p := newProgram(t)
	p.start()
	bad := map[string][]byte{
		"4 GiB string":     {0x93, 0xa1, 't', 0xdb, 0xff, 0xff, 0xff, 0xff, 'x'},
		"4G elements":      {0x92, 0xa1, 't', 0xdd, 0xff, 0xff, 0xff, 0xff, 0x92},
		"4G map in record": {0x93, 0xa1, 't', 0x01, 0xdf, 0xff, 0xff, 0xff, 0xff},
		"never used byte":  {0xc1},
		"http":             []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"nesting":          append([]byte{0x93, 0xa1, 't', 0x01}, bytes.Repeat([]byte{0x91}, 100_000)...),
		"truncated":        packedChunk(1, 10)[:50],
	}
	for name, b := range bad {
		conn, err := net.Dial("tcp", p.forward)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		conn.Write(b)
		defer conn.Close()
	}
	// Somebody else is served all the same.
	acked := make([]bool, 1)
	if n := sendChunks(t, p.forward, acked, func(c int) []byte { return packedChunk(c, 10) }, func(int) {}); n != 1 {
		t.Fatal("a good chunk beside the bad ones was not acknowledged")
	}
	err := poll(15*time.Second, func() error {
		out, _, err := request("GET", p.http+"/metrics", "", "", nil)
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "oriel_forward_") && strings.Contains(line, "reason=") && !strings.HasSuffix(strings.TrimSpace(line), " 0") {
				return nil
			}
		}
		return fmt.Errorf("no refusal was counted:\n%s", out)
	})
	if err != nil {
		t.Error(err)
	}
}
