package forward

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// Fluent Bit's chunk ids are hashes of what is in them. The same lines within one
// second, flushed twice, are two chunks with one id; a chunk that is sent again
// because its answer was lost has that id, too.
func TestContentIDs(t *testing.T) {
	const fluentbit, fluentd = "1B2M2Y8AsgTpgAmY7PhCfg==", "1B2M2Y8AsgTpgAmY7PhCfg==\n"
	send := func(t *testing.T, r *rig, c net.Conn, id string) {
		t.Helper()
		want := ackOf(id)
		frame := pack(arr{"t", arr{arr{int(now()), rec{"message", "tick"}}}, rec{"chunk", id}})
		if got, err := exchange(t, c, frame, len(want)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q, %v", got, err)
		}
	}
	for name, tc := range map[string]struct {
		id      string
		do      func(t *testing.T, r *rig, send func(net.Conn))
		records int
	}{
		"a client that goes on sends new chunks": {fluentbit, func(t *testing.T, r *rig, send func(net.Conn)) {
			c := r.dial(t)
			send(c)
			send(c)
			send(c)
		}, 3},
		"on another connection": {fluentbit, func(t *testing.T, r *rig, send func(net.Conn)) {
			c := r.dial(t)
			send(c)
			send(c) // proves the first
			send(r.dial(t))
		}, 2},
		"sent again after the answer was lost": {fluentbit, func(t *testing.T, r *rig, send func(net.Conn)) {
			c := r.dial(t)
			send(c)
			c.Close()
			send(r.dial(t))
		}, 1},
		"a heartbeat goes on, too": {fluentbit, func(t *testing.T, r *rig, send func(net.Conn)) {
			c := r.dial(t)
			send(c)
			if _, err := c.Write([]byte{0xc0}); err != nil {
				t.Fatal(err)
			}
			send(c)
		}, 2},
		"unique ids are never new": {fluentd, func(t *testing.T, r *rig, send func(net.Conn)) {
			c := r.dial(t)
			send(c)
			send(c)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Options{})
			tc.do(t, r, func(c net.Conn) { send(t, r, c, tc.id) })
			if n := len(r.all()); n != tc.records {
				t.Fatalf("%d records", n)
			}
		})
	}
	t.Run("who does not wait for answers proves nothing", func(t *testing.T) {
		r := start(t, Options{})
		frame := pack(arr{"t", arr{arr{int(now()), rec{"message", "tick"}}}, rec{"chunk", fluentbit}})
		c := r.dial(t)
		if _, err := c.Write(bytes.Repeat(frame, 3)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 3*len(ackOf(fluentbit)))); err != nil {
			t.Fatal(err)
		}
		if n := len(r.all()); n != 1 {
			t.Fatalf("%d records", n)
		}
	})
}
