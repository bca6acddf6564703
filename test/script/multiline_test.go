//go:build real

package script

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// outputLine is what a container's runtime wrote of one line: all of it or, with the
// tag P of CRI, a piece.
type outputLine struct{ pod, tag, text string }

// TestMultiline: the stack traces of two pods come line by line, in two chunks that end
// and begin within them, one even within a line that its container's runtime cut. The
// second one comes while the first one is not answered: on another connection, as from
// Fluent Bit, or behind it on the same one, as from Fluentd. Each trace is one record, acknowledged when it is durable: also for a
// process that is killed right after its last answer, and when the sender, who may not
// have got the answers, sends all of it again.
func TestMultiline(t *testing.T) {
	long := strings.Repeat("x", 16<<10)
	chunks := [][]outputLine{
		{
			{"web-0", "F", "GET /pay"},
			{"web-0", "F", "java.lang.IllegalStateException: cart is empty"},
			{"jobs-0", "F", "starting"},
			{"web-0", "F", "\tat shop.Cart.pay(Cart.java:42)"},
			{"jobs-0", "F", "Traceback (most recent call last):"},
			{"jobs-0", "F", `  File "/app/jobs.py", line 3, in charge`},
			{"web-0", "P", "Caused by: java.sql.SQLException: " + long},
		},
		{
			{"jobs-0", "F", "    pay(card)"},
			{"web-0", "P", long},
			{"web-0", "F", " timed out"},
			{"jobs-0", "F", "KeyError: 'card'"},
			{"web-0", "F", "\tat org.postgresql.Driver.connect(Driver.java:1)"},
			{"web-0", "F", "\t... 12 more"},
			{"web-0", "F", "GET /health"},
			{"jobs-0", "F", "listening"},
		},
	}
	want := map[string]int{
		"web-0: GET /pay": 1,
		"web-0: java.lang.IllegalStateException: cart is empty\n\tat shop.Cart.pay(Cart.java:42)\nCaused by: java.sql.SQLException: " +
			long + long + " timed out\n\tat org.postgresql.Driver.connect(Driver.java:1)\n\t... 12 more": 1,
		"web-0: GET /health": 1,
		"jobs-0: starting":   1,
		"jobs-0: Traceback (most recent call last):\n  File \"/app/jobs.py\", line 3, in charge\n    pay(card)\nKeyError: 'card'": 1,
		"jobs-0: listening": 1,
	}
	for name, connections := range map[string]int{"one connection": 1, "two connections": 2} {
		t.Run(name, func(t *testing.T) {
			// The most there is: on a slow machine, too, the second chunk comes in time.
			p := newSenders(t, t.TempDir(), "logs: {multiline: {wait: 5s}}\n")
			send := func() {
				t.Helper()
				conns, answers := make([]net.Conn, connections), make([]*msgp.Reader, connections)
				for i := range conns {
					conns[i] = p.forwardConn()
					answers[i] = msgp.NewReader(conns[i])
				}
				for c := range chunks {
					if c > 0 {
						if err := poll(5*time.Second, func() error {
							if n := p.counters()["oriel_multiline_waiting"]; n != 1 {
								return fmt.Errorf("%v batches are held back", n)
							}
							return nil
						}); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := conns[c%connections].Write(fluentBitChunk(c, chunks[c])); err != nil {
						t.Fatal(err)
					}
				}
				acked := map[string]bool{}
				for c := range chunks {
					m := map[string]any{}
					if err := answers[c%connections].ReadMapStrIntf(m); err != nil {
						t.Fatalf("an answer: %v", err)
					}
					id, _ := m["ack"].(string)
					acked[id] = true
				}
				for c := range chunks {
					if !acked[chunkID(c)] {
						t.Fatalf("%q has no answer: %v", chunkID(c), acked)
					}
				}
			}
			send()
			p.kill()
			p.start()
			if got := p.messages(); !maps.Equal(got, want) {
				t.Errorf("after SIGKILL:\n got %s\nwant %s", shown(got), shown(want))
			}
			send()
			if got := p.messages(); !maps.Equal(got, want) {
				t.Errorf("sent again:\n got %s\nwant %s", shown(got), shown(want))
			}
			p.term()
		})
	}
}

// forwardConn is a connection to the forward listener, for half a minute.
func (p *program) forwardConn() net.Conn {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.forward)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	return conn
}

// fluentBitChunk is a chunk as Fluent Bit sends it since 5.0.5, with the fields of its
// parser of CRI and its kubernetes filter. A chunk that is sent again is the same to
// the byte.
func fluentBitChunk(c int, lines []outputLine) []byte {
	b := msgp.AppendString(msgp.AppendArrayHeader(nil, 3), "kube.app")
	b = msgp.AppendArrayHeader(b, uint32(len(lines)))
	for i, l := range lines {
		b = msgp.AppendArrayHeader(msgp.AppendArrayHeader(b, 2), 2)
		b = append(b, 0xd7, 0) // EventTime: 8 bytes of the extension type 0
		b = binary.BigEndian.AppendUint32(b, uint32(killTime.Unix()))
		b = binary.BigEndian.AppendUint32(b, uint32(c*1000+i))
		b = msgp.AppendMapHeader(b, 0)
		b = msgp.AppendMapHeader(b, 4)
		for _, f := range [][2]string{{"stream", "stderr"}, {"logtag", l.tag}, {"log", l.text}} {
			b = msgp.AppendString(msgp.AppendString(b, f[0]), f[1])
		}
		b = msgp.AppendMapHeader(msgp.AppendString(b, "kubernetes"), 3)
		for _, f := range [][2]string{{"namespace_name", "shop-prod"}, {"pod_name", l.pod}, {"container_name", "main"}} {
			b = msgp.AppendString(msgp.AppendString(b, f[0]), f[1])
		}
	}
	b = msgp.AppendMapHeader(b, 3)
	b = msgp.AppendString(msgp.AppendString(b, "chunk"), chunkID(c))
	b = msgp.AppendInt(msgp.AppendString(b, "size"), len(lines))
	return msgp.AppendInt(msgp.AppendString(b, "fluent_signal"), 0)
}

// messages counts all the records of the tenant shop by "POD: MESSAGE".
func (p *program) messages() map[string]int {
	p.t.Helper()
	var res struct {
		Hits struct {
			Hits []struct {
				Source struct {
					Message    string
					Kubernetes struct {
						Pod string `json:"pod_name"`
					}
				} `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal([]byte(p.get("/t/shop/es/_search?size=1000")), &res); err != nil {
		p.t.Fatal(err)
	}
	out := map[string]int{}
	for _, h := range res.Hits.Hits {
		out[h.Source.Kubernetes.Pod+": "+h.Source.Message]++
	}
	return out
}

// shown is for reading: what is long is cut.
func shown(messages map[string]int) string {
	var b strings.Builder
	for _, m := range slices.Sorted(maps.Keys(messages)) {
		fmt.Fprintf(&b, "\n  %d x %.300q, %d bytes", messages[m], m, len(m))
	}
	return b.String()
}
