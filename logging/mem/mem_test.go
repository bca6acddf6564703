package mem_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func rec(id tenant.ID, msg string) logging.Record {
	return logging.Record{Tenant: id, Index: "logs-test-web", Time: now, Received: now, Namespace: "web", Cluster: "test", Message: msg, Source: []byte(`{"message":"` + msg + `"}`)}
}

func TestAppendAndSearch(t *testing.T) {
	ctx := context.Background()
	s := mem.New(mem.Options{Clock: func() time.Time { return now }})
	given := rec("shop", "given")
	given.ID = "x"
	b := logging.Batch{Key: "k", Records: []logging.Record{rec("shop", "one"), rec("billing", "two"), given, given}}
	want := []logging.ItemStatus{logging.Stored, logging.Refused, logging.Stored, logging.Duplicate}
	for round := range 2 {
		res, err := s.Append(ctx, scopetest.Write("shop"), b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range res {
			if round == 1 && want[i] != logging.Refused {
				want[i] = logging.Duplicate
			}
			if res[i].Status != want[i] {
				t.Errorf("round %d, item %d: %+v", round, i, res[i])
			}
		}
	}
	v, err := s.Snapshot(ctx, scopetest.Read("shop"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := v.Search(ctx, logging.Query{Limit: 9}); err != nil || r.Total != 2 {
		t.Errorf("search: %+v %v", r, err)
	}
	if got, ok, err := v.Get(ctx, "logs-test-web", "x"); err != nil || !ok || got.Seq != 2 {
		t.Errorf("get: %+v %v %v", got, ok, err)
	}
	for name, scope := range map[string]tenant.Read{"zero": {}, "other": scopetest.Read("billing"),
		"sealed": scopetest.ReadSealed(scopetest.Owners{Lives: map[tenant.ID][]tenant.Life{"shop": {{Cluster: "test", Namespace: "web"}}}}, "shop")} {
		v, _ := s.Snapshot(ctx, scope)
		if r, _ := v.Search(ctx, logging.Query{Limit: 9}); r.Total != 0 {
			t.Errorf("%s scope sees %d", name, r.Total)
		}
	}
	if err := s.Purge(ctx, "shop", "test", "web", time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	v, _ = s.Snapshot(ctx, scopetest.Read("shop"))
	if got, _ := v.Indices(ctx); len(got) != 0 {
		t.Errorf("after the purge: %v", got)
	}
}

func TestTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := mem.New(mem.Options{})
		add := func(id tenant.ID, msg string) {
			if _, err := s.Append(ctx, scopetest.Write(id), logging.Batch{Records: []logging.Record{rec(id, msg)}}); err != nil {
				t.Error(err)
			}
		}
		add("shop", "before")
		tail := s.Tail(ctx, scopetest.Read("shop"), logging.Not{Of: logging.Term{Field: logging.FieldOf("message"), Text: "no"}})
		slow := s.Tail(ctx, scopetest.Read("shop"), nil)
		add("shop", "one")
		add("billing", "two")
		add("shop", "no")
		var got []string
		var end error
		done := make(chan struct{})
		go func() {
			defer close(done)
			for r, err := range tail {
				if err != nil {
					end = err
					return
				}
				got = append(got, r.Message)
			}
		}()
		synctest.Wait()
		add("shop", "three")
		synctest.Wait()
		for range 300 {
			add("billing", "noise")
			synctest.Wait() // the fast reader keeps up
		}
		var last error
		n := 0
		for _, err := range slow {
			last, n = err, n+1
		}
		if !errors.Is(last, logging.ErrLagging) || n != 4 {
			t.Errorf("slow reader: %d items, %v", n, last)
		}
		_ = s.Close()
		<-done
		cancel()
		if len(got) != 2 || got[0] != "one" || got[1] != "three" || !errors.Is(end, logging.ErrUnavailable) {
			t.Errorf("tail: %q, %v", got, end)
		}
		for range s.Tail(t.Context(), scopetest.Read("shop"), nil) {
			break
		}
	})
}
