package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func TestOpenRefusals(t *testing.T) {
	if _, err := Open("logs", Options{Durability: "often", FS: vfs.NewMem()}); err == nil || !strings.Contains(err.Error(), "want sync, interval or none") {
		t.Errorf("durability: %v", err)
	}
	reg := prometheus.NewRegistry()
	s, _ := open(t, vfs.NewMem(), Options{Registerer: reg})
	defer closeStore(t, s)
	if n, err := testutil.GatherAndCount(reg); err != nil || n == 0 {
		t.Errorf("%d metrics, %v", n, err)
	}
}

func TestRecordsComeBackWhole(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs, Options{})
	full := logging.Record{
		Tenant: "shop", Index: "named", ID: "given", Time: noon.Add(123456789), Received: noon.Add(-time.Hour),
		Original: "1999", Cluster: "eu", Region: "r", Cloud: "c", Namespace: "web", Pod: "p", Container: "co", Node: "n",
		Level: "warn", Stream: "stderr", Message: "say \"hi\"\n", Source: []byte(`{"message":"say \"hi\"\n","é":"\u00e9"}`),
	}
	empty := logging.Record{Tenant: "shop", Index: "i", Cluster: "eu", Namespace: "web", Time: time.Unix(-5, 5).UTC(), Received: time.Unix(0, 0).UTC(), Source: []byte(`{}`)}
	res := appendTo(t, s, logging.Batch{Records: []logging.Record{full, empty, full}})
	if res[0].Seq != 1 || res[1].ID != "00000000002" || res[2].Status != logging.Duplicate || res[2].Seq != 1 {
		t.Errorf("results: %+v", res)
	}
	for range 2 {
		v, _ := s.Snapshot(context.Background(), scopetest.Read("shop"))
		full.Seq, empty.Seq, empty.ID = 1, 2, "00000000002"
		for _, want := range []logging.Record{full, empty} {
			got, ok, err := v.Get(context.Background(), want.Index, want.ID)
			var a, b any // sources come back JSON-equal
			if json.Unmarshal(got.Source, &a) != nil || json.Unmarshal(want.Source, &b) != nil || !reflect.DeepEqual(a, b) {
				t.Errorf("got source %s, want %s", got.Source, want.Source)
			}
			got.Source, want.Source = nil, nil
			if err != nil || !ok || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("got %+v %v %v\nwant %+v", got, ok, err, want)
			}
		}
		_ = v.Close()
		closeStore(t, s)
		s, _ = open(t, fs, Options{})
	}
	closeStore(t, s)
}

// TestTenantsApart has two tenants with the same indices and ids, and tries to
// see one with the scope of the other through every method of a view.
func TestTenantsApart(t *testing.T) {
	ctx := context.Background()
	s, _ := open(t, vfs.NewMem(), Options{})
	defer closeStore(t, s)
	var recs []logging.Record
	for _, ns := range []string{"web", "pay"} {
		r := rec(ns, noon, "secret of "+ns)
		r.Index, r.ID = "same", "same"
		r.Source = fmt.Appendf(nil, `{"message":%q,"only_%s":1}`, r.Message, ns)
		recs = append(recs, r, rec(ns, noon, "more of "+ns))
	}
	tailCtx, stop := context.WithCancel(ctx)
	defer stop()
	tail := s.Tail(tailCtx, scopetest.Read("shop"), nil)
	none := s.Tail(tailCtx, tenant.Read{}, nil)
	res := appendTo(t, s, logging.Batch{Records: recs})
	for i, r := range res {
		if r.Status != logging.Stored {
			t.Fatalf("item %d: %+v", i, r)
		}
	}
	for _, c := range []struct {
		scope tenant.Read
		own   string
		seen  int
	}{
		{scopetest.Read("shop"), "web", 2}, {scopetest.Read("billing"), "pay", 2}, {tenant.Read{}, "nothing", 0}, {scopetest.Read("nobody"), "nothing", 0},
		{scopetest.Read(tenant.System, tenant.Unassigned), "nothing", 0}, {scopetest.Read("shop", "billing").Narrow("shop"), "web", 2},
	} {
		v, err := s.Snapshot(ctx, c.scope)
		if err != nil {
			t.Fatal(err)
		}
		mine := func(r logging.Record) {
			if r.Namespace != c.own {
				t.Errorf("%v sees %q of %s", c.scope.Tenants(), r.Message, r.Tenant)
			}
		}
		q := logging.Query{Limit: 100, Aggs: []logging.Agg{{Name: "ns", Of: logging.Terms{Field: logging.FieldOf("namespace")}}, {Name: "hits", Of: logging.TopHits{Limit: 10}}}}
		r, err := v.Search(ctx, q)
		if err != nil || len(r.Hits) != c.seen || r.Total != int64(c.seen) || len(r.Aggs["hits"].Hits) != c.seen {
			t.Errorf("%v: %d hits of %d, %v", c.scope.Tenants(), len(r.Hits), r.Total, err)
		}
		for _, h := range append(r.Hits, r.Aggs["hits"].Hits...) {
			mine(h.Record)
		}
		for _, b := range r.Aggs["ns"].Buckets {
			mine(logging.Record{Namespace: b.Key.Str, Message: "bucket"})
		}
		for _, q := range []logging.Query{{Limit: 9, Filter: logging.IDs{"same"}}, {Limit: 9, Indices: []string{"same"}}, {Limit: 9, Filter: logging.Term{Field: logging.FieldOf("*"), Text: "secret"}}} {
			r, err := v.Search(ctx, q)
			if err != nil || len(r.Hits) != c.seen/2 {
				t.Errorf("%v %+v: %d hits, %v", c.scope.Tenants(), q, len(r.Hits), err)
			}
			for _, h := range r.Hits {
				mine(h.Record)
			}
		}
		got, ok, err := v.Get(ctx, "same", "same")
		if ok != (c.seen > 0) || err != nil {
			t.Errorf("%v: get %v %v", c.scope.Tenants(), ok, err)
		}
		if ok {
			mine(got)
		}
		for i, r := range res { // derived ids of all
			if got, ok, _ := v.Get(ctx, recs[i].Index, r.ID); ok {
				mine(got)
			}
		}
		indices, _ := v.Indices(ctx)
		for _, i := range indices {
			if i.Name != "same" && i.Name != "logs-eu-"+c.own || i.Docs != 1 {
				t.Errorf("%v sees index %+v", c.scope.Tenants(), i)
			}
		}
		fields, _ := v.Fields(ctx, nil)
		for _, f := range fields {
			if strings.HasPrefix(f.Name, "only_") && f.Name != "only_"+c.own {
				t.Errorf("%v sees field %s", c.scope.Tenants(), f.Name)
			}
		}
		if len(indices) != c.seen || (len(fields) > 0) != (c.seen > 0) {
			t.Errorf("%v: %d indices, %d fields", c.scope.Tenants(), len(indices), len(fields))
		}
		_ = v.Close()
	}
	n := 0
	for r, err := range tail {
		if err != nil || r.Tenant != "shop" {
			t.Errorf("tail: %+v %v", r, err)
		}
		if n++; n == 2 {
			stop()
		}
	}
	for r := range none {
		t.Errorf("an empty scope follows %q", r.Message)
	}
	// Nor may a scope write what is not its own.
	foreign, err := s.Append(ctx, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{rec("pay", noon, "x")}})
	if err != nil || foreign[0].Status != logging.Refused {
		t.Errorf("foreign write: %+v %v", foreign, err)
	}
	if zero, err := s.Append(ctx, tenant.Write{}, logging.Batch{Records: recs[:1]}); err != nil || zero[0].Status != logging.Refused {
		t.Errorf("write without a scope: %+v %v", zero, err)
	}
}

func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the sleep below is the bubble's
		var syncs atomic.Int64
		fs := &vfs.Faulty{FS: vfs.NewMem(), Fail: func(op vfs.Op, _ string) error {
			if op == vfs.OpSync {
				syncs.Add(1)
				time.Sleep(time.Millisecond) // a disk that takes its time
			}
			return nil
		}}
		s, _ := open(t, fs, Options{})
		defer closeStore(t, s)
		var wg sync.WaitGroup
		const senders, each = 32, 20
		for i := range senders {
			wg.Go(func() {
				for j := range each {
					if _, err := s.Append(context.Background(), writer, logging.Batch{Records: []logging.Record{rec("web", noon, fmt.Sprintf("%d-%d", i, j))}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if got := messages(t, s, scopetest.Read("shop")); len(got) != senders*each {
			t.Errorf("%d records, want %d", len(got), senders*each)
		}
		if n := syncs.Load(); n > senders*each/8 {
			t.Errorf("%d syncs for %d appends", n, senders*each)
		}
	})
}

func TestDiskFull(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpSync} {
		t.Run(string(op), func(t *testing.T) {
			var full atomic.Bool
			mem := vfs.NewMem()
			fs := &vfs.Faulty{FS: mem, Fail: func(o vfs.Op, _ string) error {
				if full.Load() && (o == op || o == vfs.OpCreate) {
					return syscall.ENOSPC
				}
				return nil
			}}
			s, ev := open(t, fs, Options{})
			appendTo(t, s, logging.Batch{Key: "a", Records: []logging.Record{rec("web", noon, "before")}})
			full.Store(true)
			lost := logging.Batch{Key: "b", Records: []logging.Record{rec("web", noon, "lost")}}
			for range 3 {
				if _, err := s.Append(context.Background(), writer, lost); !errors.Is(err, logging.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("append to a full disk: %v", err)
				}
			}
			if err := s.Purge(context.Background(), "shop", "eu", "web", time.Time{}, time.Time{}); !errors.Is(err, logging.ErrUnavailable) {
				t.Errorf("purge on a full disk: %v", err)
			}
			if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, []string{"before"}) {
				t.Errorf("while the disk is full, reads give %q", got)
			}
			full.Store(false)
			if res := appendTo(t, s, lost); res[0].Status != logging.Stored {
				t.Errorf("sent again: %+v", res)
			}
			appendTo(t, s, logging.Batch{Key: "c", Records: []logging.Record{rec("web", noon, "after")}})
			if ev.count(EventUnavailable) != 1 || ev.count(EventAvailable) != 1 {
				t.Errorf("events: %+v", ev.list)
			}
			closeStore(t, s)
			s, _ = open(t, mem.Crash(nil), Options{})
			defer closeStore(t, s)
			if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, []string{"before", "lost", "after"}) {
				t.Errorf("after a restart: %q", got)
			}
			if res := appendTo(t, s, lost); res[0].Status != logging.Duplicate {
				t.Errorf("sent once more: %+v", res)
			}
		})
	}
}

func TestDurabilities(t *testing.T) {
	for _, d := range []Durability{Interval, None} {
		mem := vfs.NewMem()
		s, _ := open(t, mem, Options{Durability: d})
		first := appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "one")}})
		cut := mem.Crash(nil)
		closeStore(t, s)
		s, _ = open(t, mem.Crash(nil), Options{Durability: d})
		if got := messages(t, s, scopetest.Read("shop")); len(got) != 1 {
			t.Errorf("%s: closed in order, and %q is left", d, got)
		}
		next := appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "two")}})
		if next[0].Seq <= first[0].Seq+1000 {
			t.Errorf("%s: seq %d after %d may be one that was lost", d, next[0].Seq, first[0].Seq)
		}
		closeStore(t, s)
		s, _ = open(t, cut, Options{Durability: d})
		if got := messages(t, s, scopetest.Read("shop")); len(got) > 1 {
			t.Errorf("%s: after a power cut: %q", d, got)
		}
		closeStore(t, s)
	}
}

func TestRetentionAndPurge(t *testing.T) {
	now := noon
	keep := map[tenant.ID]time.Duration{"shop": 48 * time.Hour, "billing": 96 * time.Hour}
	o := Options{LogBytesMax: 600, Clock: func() time.Time { return now }, Retention: func(id tenant.ID) time.Duration { return keep[id] }, idle: true}
	fs := vfs.NewMem()
	s, ev := open(t, fs, o)
	for i := range 10 {
		r := rec("web", now, fmt.Sprint("web", i))
		r.ID = fmt.Sprint("id", i)
		appendTo(t, s, logging.Batch{Key: fmt.Sprint("k", i), Records: []logging.Record{r}})
	}
	flushed(t, s)
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("pay", now, "pay")}})
	both := scopetest.Read("shop", "billing")
	if err := s.Purge(context.Background(), "shop", "eu", "web", noon.Add(time.Hour), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, s, both); len(got) != 11 {
		t.Errorf("a purge of other times left %q", got)
	}
	if err := s.Purge(context.Background(), "shop", "us", "web", time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	old, _ := s.Snapshot(context.Background(), both)
	flushed(t, s)
	files := len(s.segments)
	now = now.Add(47 * time.Hour)
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", now, "new")}})
	if err := s.Sweep(context.Background()); err != nil || ev.count(EventDeleted) != 0 {
		t.Errorf("too early: %v, %+v", err, ev.list)
	}
	now = now.Add(2 * time.Hour)
	if got := messages(t, s, both); !slices.Equal(got, []string{"pay", "new"}) {
		t.Errorf("past the retention: %q", got) // hidden at once, before any sweep
	}
	if err := s.Sweep(context.Background()); err != nil || ev.count(EventDeleted) != 0 || len(s.segments) >= files {
		t.Errorf("sweep: %v, %d files of %d, %+v", err, len(s.segments), files, ev.list)
	}
	if got := messages(t, s, both); !slices.Equal(got, []string{"pay", "new"}) {
		t.Errorf("after the sweep: %q", got)
	}
	// The old moment is whole until it is closed.
	if r, err := old.Search(context.Background(), logging.Query{Limit: 20}); err != nil || len(r.Hits) != 11 {
		t.Errorf("old view: %+v %v", r, err)
	}
	_ = old.Close() // and its files go with it
	if ev.count(EventDeleted) == 0 {
		t.Errorf("no file is deleted: %+v", ev.list)
	}
	r := rec("web", now, "id again")
	r.ID = "id1"
	if res := appendTo(t, s, logging.Batch{Key: "k1", Records: []logging.Record{r}}); res[0].Status != logging.Stored {
		t.Errorf("an expired id and key: %+v", res)
	}
	if err := s.Purge(context.Background(), "shop", "eu", "web", time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := messages(t, s, both); !slices.Equal(got, []string{"pay"}) {
			t.Errorf("after the purge: %q", got)
		}
		closeStore(t, s)
		s, _ = open(t, fs.Crash(nil), o)
	}
	if res := appendTo(t, s, logging.Batch{Records: []logging.Record{r}}); res[0].Status != logging.Stored {
		t.Errorf("a purged id: %+v", res)
	}
	closeStore(t, s)
}

func TestClosed(t *testing.T) {
	s, _ := open(t, vfs.NewMem(), Options{})
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "one")}})
	v, _ := s.Snapshot(context.Background(), scopetest.Read("shop"))
	tail := s.Tail(context.Background(), scopetest.Read("shop"), nil)
	closeStore(t, s)
	closeStore(t, s)
	if _, err := s.Append(context.Background(), writer, logging.Batch{}); !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("append: %v", err)
	}
	if _, err := s.Snapshot(context.Background(), scopetest.Read("shop")); !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("snapshot: %v", err)
	}
	for _, err := range tail {
		if !errors.Is(err, logging.ErrUnavailable) {
			t.Errorf("tail: %v", err)
		}
	}
	if r, err := v.Search(context.Background(), logging.Query{Limit: 1}); err != nil || len(r.Hits) != 1 {
		t.Errorf("open view: %+v %v", r, err)
	}
	_ = v.Close()
	_ = v.Close()
}

func TestBatchLimits(t *testing.T) {
	s, _ := open(t, vfs.NewMem(), Options{})
	defer closeStore(t, s)
	big := rec("web", noon, "x")
	big.Source = make([]byte, logging.SourceBytesMax+1)
	long, far, nameless := rec("web", noon, "x"), rec("web", noon, "x"), rec("web", noon, "x")
	long.ID = strings.Repeat("x", logging.IDBytesMax+1)
	far.Time = time.Unix(math.MaxInt32*1000, 0)
	nameless.Index = ""
	for i, r := range appendTo(t, s, logging.Batch{Records: []logging.Record{big, long, far, nameless}}) {
		if r.Status != logging.Refused || r.Reason == "" {
			t.Errorf("item %d: %+v", i, r)
		}
	}
	huge := logging.Batch{}
	for range batchBytesMax/(8<<20) + 1 {
		r := rec("web", noon, "x")
		r.Source = big.Source[:8<<20]
		huge.Records = append(huge.Records, r)
	}
	if _, err := s.Append(context.Background(), writer, huge); err == nil || !strings.Contains(err.Error(), "split it") {
		t.Errorf("huge batch: %v", err)
	}
	// A long key is kept as its hash, and known again.
	b := logging.Batch{Key: strings.Repeat("k", 5000), Records: []logging.Record{rec("web", noon, "x")}}
	appendTo(t, s, b)
	if r := appendTo(t, s, b); r[0].Status != logging.Duplicate || r[0].ID == "" {
		t.Errorf("long key: %+v", r)
	}
}

// A namespace may keep its records for a shorter time than its tenant does:
// in the log, in memory and in segments, and its ids are free again.
func TestNamespaceRetention(t *testing.T) {
	var hours atomic.Int64 // after noon
	s, _ := open(t, vfs.NewMem(), Options{
		idle:      true, // the clock goes back: nothing may be dropped before it does
		Clock:     func() time.Time { return noon.Add(time.Duration(hours.Load()) * time.Hour) },
		Retention: func(tenant.ID) time.Duration { return 48 * time.Hour },
		Namespaces: func(id tenant.ID) []NamespaceRetention {
			if id != "shop" {
				return nil
			}
			return []NamespaceRetention{{Cluster: "eu", Namespace: "web", Keep: 2 * time.Hour}}
		},
	})
	defer closeStore(t, s)
	short, long := rec("web", noon, "short"), rec("cart", noon, "long")
	short.ID, long.ID = "a", "b"
	fresh := rec("web", noon.Add(3*time.Hour), "fresh")
	appendTo(t, s, logging.Batch{Records: []logging.Record{short, long, fresh}})
	scope := scopetest.Read("shop")
	for i, step := range []func() error{
		func() error { return nil },
		func() error { return s.Flush(context.Background()) },
		func() error { return s.Merge(context.Background()) },
	} {
		hours.Store(1)
		if err := step(); err != nil {
			t.Fatal(err)
		}
		if got := messages(t, s, scope); !slices.Equal(got, []string{"short", "long", "fresh"}) {
			t.Errorf("step %d: before its time %q", i, got)
		}
		hours.Store(3)
		if got := messages(t, s, scope); !slices.Equal(got, []string{"long", "fresh"}) {
			t.Errorf("step %d: after its time %q", i, got)
		}
	}
	res := appendTo(t, s, logging.Batch{Records: []logging.Record{short, long}})
	if res[0].Status != logging.Stored || res[1].Status != logging.Duplicate {
		t.Errorf("again: %+v", res)
	}
}

// TestRepeats asks whether records that came again are the same, from memory and
// from segments, and under scopes that may not know.
func TestRepeats(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs, Options{})
	one := rec("web", noon, "one")
	one.ID, one.Source = "1", []byte(`{"message":"one","n":1}`)
	appendTo(t, s, logging.Batch{Records: []logging.Record{one}})
	again, other, absent := one, one, one
	again.Source, other.Source, absent.ID = []byte(`{"n":1.0,"message":"one"}`), []byte(`{"message":"one","n":2}`), "2"
	for range 2 {
		for _, c := range []struct {
			w    tenant.Write
			want string
		}{
			{scopetest.Write("shop"), "[true true false false]"},
			{scopetest.Write("billing"), "[false false false false]"},
			{tenant.Write{}, "[false false false false]"},
		} {
			got, err := s.Repeats(context.Background(), c.w, []logging.Record{one, again, other, absent})
			if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("got %v, %v, want %s", got, err, c.want)
			}
		}
		closeStore(t, s)
		s, _ = open(t, fs, Options{})
	}
	closeStore(t, s)
}
