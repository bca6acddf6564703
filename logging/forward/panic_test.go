package forward

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// What of a chunk waits aside as reading its rest panics is stored and counted, its
// room is given back, and the chunk has no answer.
func TestPanicWhileAPartIsAside(t *testing.T) {
	const part = 64
	r := joining(t, 20*time.Millisecond)
	var n atomic.Int64
	r.srv.o.Stamper = &logging.Stamper{Clock: func() time.Time {
		if n.Add(1) > part {
			panic("a fault of ours")
		}
		return time.Now()
	}}
	long := strings.Repeat("x", partBytesMax/part)
	var entries arr
	for i := range part + 1 {
		entries = append(entries, arr{int(now()) - part + i, rec{"log", trace[i%2], "pad", long, "kubernetes", rec{"namespace_name", "shop", "pod_name", "web", "container_name", "main"}}})
	}
	c := r.dial(t)
	if _, err := c.Write(pack(arr{"t", entries, rec{"chunk", "c"}})); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(c); len(got) != 0 {
		t.Errorf("answered %q", got)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := r.metric(t, "oriel_forward_records_total", ""); got != part || len(r.all()) != part/2 {
		t.Errorf("%v records are counted and %d stored, want %d in pairs", got, len(r.all()), part)
	}
	if left := r.srv.asideBytes.Load(); left != 0 {
		t.Errorf("%d bytes are still aside", left)
	}
}
