package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	cluster = tenant.Cluster{Name: "eu", Region: "r", Cloud: "private"}
	owners  = scopetest.Owners{Of: map[string]tenant.ID{"eu/web": "shop", "eu/cart": "shop", "eu/pay": "billing", "eu/led": "billing"}}
	writer  = scopetest.WriteCluster(cluster, owners)
)

// rec makes a record of a namespace as the cluster's credential may write it.
func rec(namespace string, at time.Time, msg string) logging.Record {
	return logging.Record{
		Tenant: owners.Of["eu/"+namespace], Index: logging.IndexFor("eu", namespace), Time: at, Received: at.Add(time.Millisecond),
		Cluster: "eu", Region: "r", Cloud: "private", Namespace: namespace, Pod: namespace + "-1", Level: "info",
		Message: msg, Source: fmt.Appendf(nil, `{"message":%q,"namespace":%q}`, msg, namespace),
	}
}

// events collects what a store reports.
type events struct {
	mu   sync.Mutex
	list []Event
}

func (e *events) on(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) count(k EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, ev := range e.list {
		if ev.Kind == k {
			n++
		}
	}
	return n
}

func open(t testing.TB, fs vfs.FS, o Options) (*Store, *events) {
	t.Helper()
	ev := &events{}
	o.FS, o.OnEvent = fs, ev.on
	if o.Clock == nil {
		o.Clock = func() time.Time { return noon }
	}
	s, err := Open("logs", o)
	if err != nil {
		t.Fatal(err)
	}
	return s, ev
}

func appendTo(t testing.TB, s logging.Store, b logging.Batch) []logging.ItemResult {
	t.Helper()
	res, err := s.Append(context.Background(), writer, b)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// messages gives the messages a scope sees, in the order of seqs.
func messages(t testing.TB, s logging.Store, r tenant.Read) []string {
	t.Helper()
	v, err := s.Snapshot(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	res, err := v.Search(context.Background(), logging.Query{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, h := range res.Hits {
		out = append(out, h.Record.Message)
	}
	return out
}

// flushed writes what is in memory to a segment.
func flushed(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func merged(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Merge(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
