package forward

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging/multiline"
)

// lines is a frame with lines of a pod's container, one a second; with an id it asks
// for an answer.
func lines(id, namespace, pod string, second int, text ...string) []byte {
	var entries arr
	for i, l := range text {
		entries = append(entries, arr{int(now()) + second + i, rec{"log", l, "stream", "stderr", "kubernetes", rec{"namespace_name", namespace, "pod_name", pod, "container_name", "main"}}})
	}
	f := arr{"t", entries}
	if id != "" {
		f = append(f, rec{"chunk", id})
	}
	return pack(f)
}

var trace = []string{"java.lang.IllegalStateException: no", "\tat a.B.c(B.java:1)", "\tat a.B.d(B.java:2)", "\tat a.B.e(B.java:3)"}

const joined = "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)\n\tat a.B.e(B.java:3)"

// joining is a server whose batches are held back for wait.
func joining(t *testing.T, wait time.Duration) *rig {
	b := &box{}
	r := start(t, Options{Appender: multiline.New(multiline.Options{Appender: b, Wait: wait})})
	r.box = b
	return r
}

func (r *rig) messages() (out []string) {
	for _, rec := range r.all() {
		out = append(out, rec.Message)
	}
	return out
}

// answers reads answers until each of the chunks has one, in any order.
func answers(t *testing.T, got []byte, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if bytes.Count(got, ackOf(id)) != 1 {
			t.Errorf("%s has not one answer: %q", id, got)
		}
	}
}

// A stack trace in two chunks of one connection, on which the second one is sent
// before the first one is answered, is one record; and a chunk between them, of another
// tenant, is answered at once.
func TestTraceOverChunksOfOneConnection(t *testing.T) {
	r := joining(t, time.Minute)
	c := r.dial(t)
	two := ackOf("two")
	send := append(lines("one", "shop", "web-0", 0, trace[:2]...), lines("two", "pay", "api-0", 0, "all is well")...)
	if got, err := exchange(t, c, send, len(two)); err != nil || !bytes.Equal(got, two) {
		t.Fatalf("%q, %v", got, err)
	}
	rest := lines("three", "shop", "web-0", 2, trace[2], trace[3], "ready")
	got, err := exchange(t, c, rest, len(ackOf("one"))+len(ackOf("three")))
	if err != nil {
		t.Fatal(err)
	}
	answers(t, got, "one", "three")
	if got, want := r.messages(), []string{"all is well", joined, "ready"}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	balanced(t, r, 6)
}

// A trace that is over several chunks, the last of which ends with it, is one record
// when nothing came for as long as a batch is held back; the end of the connection's
// input is no reason to leave a chunk without its answer.
func TestTraceThatNothingEnds(t *testing.T) {
	r := joining(t, 300*time.Millisecond)
	c := r.dial(t)
	send := slices.Concat(lines("one", "shop", "web-0", 0, trace[:2]...), lines("two", "shop", "web-0", 2, trace[2]), lines("three", "shop", "web-0", 3, trace[3]))
	if _, err := c.Write(send); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := exchange(t, c, nil, len(ackOf("one"))+len(ackOf("two"))+len(ackOf("three")))
	if err != nil {
		t.Fatal(err)
	}
	answers(t, got, "one", "two", "three")
	if got, want := r.messages(), []string{joined}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	balanced(t, r, 4)
}

// Frames without a chunk are joined likewise, and stored though the client is gone.
func TestTraceOverFramesWithoutChunk(t *testing.T) {
	r := joining(t, 300*time.Millisecond)
	c := r.dial(t)
	if _, err := c.Write(lines("", "shop", "web-0", 0, trace[:2]...)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return r.metric(t, "oriel_forward_frames_total", "") == 1 }, func() string { return "not read" })
	if _, err := c.Write(lines("", "shop", "web-0", 2, trace[2:]...)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	r.wait(t, 1)
	if got, want := r.messages(), []string{joined}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	balanced(t, r, 4)
}

// Lines of a stream whose times are the same keep their order, though the first of
// them wait.
func TestOrderBehindWhatWaits(t *testing.T) {
	r := joining(t, 300*time.Millisecond)
	c := r.dial(t)
	var send []byte
	var want []string
	size := 0
	for i := range 20 {
		id := fmt.Sprint("c-", i)
		line := fmt.Sprint("line ", i)
		// The second container's trace holds the chunk of the first one's line back.
		send = append(send, pack(arr{"t", arr{
			arr{int(now()), rec{"log", line, "stream", "stdout", "kubernetes", rec{"namespace_name", "shop", "pod_name", "web-0", "container_name", "main"}}},
			arr{int(now()), rec{"log", trace[0], "stream", "stdout", "kubernetes", rec{"namespace_name", "shop", "pod_name", fmt.Sprint("web-", i+1), "container_name", "main"}}},
			arr{int(now()), rec{"log", trace[1], "stream", "stdout", "kubernetes", rec{"namespace_name", "shop", "pod_name", fmt.Sprint("web-", i+1), "container_name", "main"}}},
		}, rec{"chunk", id}})...)
		want = append(want, line)
		size += len(ackOf(id))
	}
	if _, err := exchange(t, c, send, size); err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(r.messages(), func(m string) bool { return m[0] != 'l' })
	if !slices.Equal(got, want) {
		t.Errorf("stored in the order %q", got)
	}
	balanced(t, r, 60)
}

// More than may wait aside of one connection is waited for: memory stays bounded, and
// nothing is lost.
func TestMoreThanMayWaitAside(t *testing.T) {
	r := joining(t, 50*time.Millisecond)
	c := r.dial(t)
	long := "\tat " + string(bytes.Repeat([]byte("x"), 100<<10))
	n, size := 3*asideBytesConn/len(long)/2, 0
	done := make(chan error, 1)
	go func() {
		for i := range n {
			if _, err := c.Write(lines(fmt.Sprint("c-", i), "shop", fmt.Sprint("web-", i), 0, trace[0], trace[1], long)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range n {
		size += len(ackOf(fmt.Sprint("c-", i)))
	}
	got, err := exchange(t, c, nil, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i := range n {
		answers(t, got, fmt.Sprint("c-", i))
	}
	if got := len(r.all()); got != n {
		t.Errorf("%d records, want %d", got, n)
	}
	if left := r.srv.asideBytes.Load(); left != 0 {
		t.Errorf("%d bytes are still aside", left)
	}
	balanced(t, r, float64(3*n))
}
