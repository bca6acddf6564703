package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/forward"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// What an event does not fill is not in its line.
func TestLogLeavesOutWhatIsEmpty(t *testing.T) {
	for format, want := range map[string]string{
		"text": `msg="log store: opened" files=1 bytes=0`,
		"json": `"msg":"log store: opened","files":1,"bytes":0}`,
	} {
		var out bytes.Buffer
		g := &global{stderr: &out, logLevel: "info", logFormat: format}
		log, closed, err := g.newLogger()
		if err != nil {
			t.Fatal(err)
		}
		var none error
		log.Info("log store: opened", "file", "", "files", 1, "bytes", 0, "error", none)
		if got := strings.TrimSpace(out.String()); !strings.HasSuffix(got, want) {
			t.Errorf("%s, want %s at its end", got, want)
		}
		out.Reset()
		log.Info("sealed", "error", errors.New("disk full"))
		if !strings.Contains(out.String(), "disk full") {
			t.Error(out.String())
		}
		closed()
	}
}

// --log.forward: all that was logged arrives before the end, which waits for
// nobody who is not there.
func TestLogForward(t *testing.T) {
	g := testGateway(t, nil)
	srv := forward.New(forward.Options{
		Scope:    func(forward.Identity) (tenant.Write, bool) { return g.access.LocalWrite("forward"), true },
		Appender: g.intake, Stamper: g.stamper,
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-done })

	const n = 300
	var errs lockedBuffer
	log, closed, err := (&global{stderr: &errs, logLevel: "error", logFormat: "text", logForward: ln.Addr().String()}).newLogger()
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		log.With("part", "store").Error("disk full", "i", i, "file", "")
	}
	closed()
	view, err := g.logs.Snapshot(t.Context(), scopetest.Operator())
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	res, err := view.Search(t.Context(), logging.Query{Limit: 1, Filter: logging.Term{Field: logging.FieldOf("level"), Text: "error"}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Total != n || len(res.Hits) != 1 {
		t.Fatalf("%d records arrived of %d: %s", res.Total, n, errs.String())
	}
	r := res.Hits[0].Record
	if s := string(r.Source); r.Tenant != tenant.Unassigned || r.Message != "disk full" || !strings.Contains(s, `"part":"store"`) || strings.Contains(s, `"file"`) {
		t.Errorf("%s: %s", r.Tenant, r.Source)
	}

	// Nobody is there.
	began := time.Now()
	log, closed, err = (&global{stderr: &errs, logLevel: "error", logFormat: "text", logForward: "127.0.0.1:1"}).newLogger()
	if err != nil {
		t.Fatal(err)
	}
	for range ownLogWaitingMax + 10 {
		log.Error("disk full")
	}
	closed()
	for _, want := range []string{"127.0.0.1:1: dial", "wait for it at most", "Buffer full", "the last "} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("stderr says nothing like %q", want)
		}
	}
	t.Logf("ended %v after the first line", time.Since(began).Round(time.Millisecond))
}

// lockedBuffer takes what several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
