//go:build real

package elastic_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/elastic"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func rec(id tenant.ID, msg string) logging.Record {
	return logging.Record{Tenant: id, Index: "logs-test-web", Time: now, Received: now, Namespace: "web", Cluster: "test", Message: msg, Source: []byte(`{"message":"` + msg + `","big":12345678901234567890, "n":[1,"one",{"x":null}]}`)}
}

func statuses(t *testing.T, s *elastic.Store, w tenant.Write, b logging.Batch) (out string, res []logging.ItemResult) {
	t.Helper()
	res, err := s.Append(t.Context(), w, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res {
		out += map[logging.ItemStatus]string{logging.Stored: "S", logging.Duplicate: "D", logging.Refused: "R"}[r.Status]
	}
	return out, res
}

func messages(t *testing.T, s *elastic.Store, r tenant.Read) string {
	t.Helper()
	v, err := s.Snapshot(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	res, err := v.Search(t.Context(), logging.Query{Limit: 100, Sort: []logging.SortKey{{Field: logging.FieldOf(logging.FieldSeq)}}})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range res.Hits {
		out = append(out, h.Record.Message)
	}
	if int64(len(out)) != res.Total {
		t.Errorf("%d hits of %d", len(out), res.Total)
	}
	return strings.Join(out, " ")
}

// testContract goes through what logging.Appender and logging.Searcher promise.
func testContract(t *testing.T, url string) {
	of := func(o *elastic.Options) { o.Prefix = "contract" }
	s := open(t, url, of)
	given := rec("shop", "given")
	given.ID = "x"
	b := logging.Batch{Key: "k", Records: []logging.Record{rec("shop", "one"), rec("billing", "two"), given, given}}
	got, res := statuses(t, s, scopetest.Write("shop"), b)
	if got != "SRSD" || res[0].Seq == 0 || res[0].ID == "" || res[3].Seq != res[2].Seq {
		t.Errorf("first: %s %+v", got, res)
	}
	// Another process, after a restart, is handed the same.
	again := open(t, url, of)
	got, second := statuses(t, again, scopetest.Write("shop"), b)
	if got != "DRDD" || second[0].Seq != res[0].Seq || second[0].ID != res[0].ID {
		t.Errorf("again: %s %+v", got, second)
	}
	// One item of a batch was refused or lost: only that is stored.
	b.Records = append(b.Records, rec("shop", "late"))
	if got, _ := statuses(t, again, scopetest.Write("shop"), b); got != "DRDDS" {
		t.Errorf("a longer batch of the same key: %s", got)
	}
	// Derived ids step aside for a sender's own of that form.
	_, res = statuses(t, again, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{rec("shop", "derived")}})
	taken := rec("shop", "taken")
	taken.ID = logging.DerivedID(res[0].Seq + 2)
	if got, _ := statuses(t, again, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{taken}}); got != "S" {
		t.Errorf("an own id: %s", got)
	}
	if got, _ := statuses(t, again, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{rec("shop", "aside")}}); got != "S" {
		t.Errorf("beside it: %s", got)
	}
	if got := messages(t, again, scopetest.Read("shop")); got != "one given late derived taken aside" {
		t.Errorf("found %q", got)
	}
	if reps, err := again.Repeats(t.Context(), scopetest.Write("shop"), []logging.Record{given, func() logging.Record { r := given; r.Source = []byte(`{}`); return r }()}); err != nil || !reps[0] || reps[1] {
		t.Errorf("repeats: %v %v", reps, err)
	}

	// A view is one moment; it tells of a record what was handed over.
	v, err := again.Snapshot(t.Context(), scopetest.Read("shop"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	statuses(t, again, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{rec("shop", "later")}})
	if err := again.Purge(t.Context(), "shop", "test", "web", time.Time{}, now); err != nil { // up to then, and no further
		t.Fatal(err)
	}
	r, ok, err := v.Get(t.Context(), "logs-test-web", "x")
	if err != nil || !ok || string(r.Source) != string(given.Source) || !r.Time.Equal(now) {
		t.Errorf("get: %+v %v %v", r, ok, err)
	}
	if idx, err := v.Indices(t.Context()); err != nil || len(idx) != 1 || idx[0].Docs != 6 || idx[0].Bytes != int64(6*len(given.Source)-len("given")*6+len("onegivenlatederivedtakenaside")) {
		t.Errorf("indices: %+v %v", idx, err)
	}
	if fields, err := v.Fields(t.Context(), nil); err != nil || len(fields) < 5 {
		t.Errorf("fields: %v %v", fields, err)
	}

	// Nobody else sees any of it, nor does who may not.
	for name, scope := range map[string]tenant.Read{
		"zero": {}, "other": scopetest.Read("billing"), "nearly": scopetest.Read("sho"),
		"sealed": scopetest.ReadSealed(scopetest.Owners{Lives: map[tenant.ID][]tenant.Life{"shop": {{Cluster: "test", Namespace: "web"}}}}, "shop"),
	} {
		if got := messages(t, again, scope); got != "" {
			t.Errorf("%s scope sees %q", name, got)
		}
	}
	if err := again.Purge(t.Context(), "shop", "test", "web", time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, again, scopetest.Read("shop")); got != "" {
		t.Errorf("after the purge: %q", got)
	}
	if got, _ := statuses(t, again, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{given}}); got != "S" {
		t.Errorf("an id that was purged: %s", got)
	}
	if err := again.Purge(t.Context(), "shop", "", "", time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, again, scopetest.Read("shop")); got != "" {
		t.Errorf("after the tenant's end: %q", got)
	}
	if got, _ := statuses(t, again, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{given}}); got != "S" || messages(t, again, scopetest.Read("shop")) != "given" {
		t.Errorf("a new beginning: %s", got)
	}
}

// testRetention: what is past its retention does not show, gives its id free,
// and is removed.
func testRetention(t *testing.T, url string) {
	at := now
	events := make(chan elastic.Event, 10)
	s := open(t, url, func(o *elastic.Options) {
		o.Prefix = "retention"
		o.Clock = func() time.Time { return at }
		o.Retention = func(tenant.ID) time.Duration { return 48 * time.Hour }
		o.Namespaces = func(tenant.ID) []elastic.NamespaceRetention {
			return []elastic.NamespaceRetention{{Cluster: "test", Namespace: "short", Keep: time.Hour}}
		}
		o.OnEvent = func(e elastic.Event) { events <- e }
	})
	short := rec("shop", "short")
	short.Namespace, short.ID = "short", "x"
	w := scopetest.Write("shop")
	statuses(t, s, w, logging.Batch{Records: []logging.Record{rec("shop", "long"), short}})
	at = now.Add(2 * time.Hour)
	if got := messages(t, s, scopetest.Read("shop")); got != "long" {
		t.Errorf("after two hours: %q", got)
	}
	short.Time = at
	if got, _ := statuses(t, s, w, logging.Batch{Records: []logging.Record{short}}); got != "S" {
		t.Errorf("the id of what does not show any more: %s", got)
	}
	if got := messages(t, s, scopetest.Read("shop")); got != "long short" {
		t.Errorf("then: %q", got)
	}
	at = now.Add(100 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for e := range events {
		if e.Kind == elastic.EventRetained {
			if e.Records != 2 || e.Tenant != "shop" {
				t.Errorf("%+v", e)
			}
			break
		}
		if e.Err != nil {
			t.Fatalf("%+v", e)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// cuttable cuts the way to the engine.
type cuttable struct {
	cut atomic.Bool
	// after > 0 hands the request over and loses the answer.
	lose atomic.Bool
}

func (c *cuttable) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.cut.Load() {
		return nil, errors.New("the cable is cut")
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && c.lose.Load() && strings.HasSuffix(r.URL.Path, "/_bulk") {
		resp.Body.Close()
		return nil, errors.New("the answer is lost")
	}
	return resp, err
}

// testDown: while the engine is away writers and readers are told so, an answer
// that is lost costs nothing, and nobody has to do anything when it is back.
func testDown(t *testing.T, url string) {
	var cable cuttable
	cable.cut.Store(true)
	var events []string
	s := open(t, url, func(o *elastic.Options) {
		o.Prefix, o.Transport = "down", &cable
		o.OnEvent = func(e elastic.Event) { events = append(events, string(e.Kind)) }
	})
	w, b := scopetest.Write("shop"), logging.Batch{Key: "k", Records: []logging.Record{rec("shop", "one")}}
	if _, err := s.Append(t.Context(), w, b); !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("append before there is an engine: %v", err)
	}
	if _, err := s.Snapshot(t.Context(), scopetest.Read("shop")); !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("snapshot: %v", err)
	}
	cable.cut.Store(false)
	cable.lose.Store(true)
	if _, err := s.Append(t.Context(), w, b); !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("append whose answer is lost: %v", err)
	}
	cable.lose.Store(false)
	if got, _ := statuses(t, s, w, b); got != "D" {
		t.Errorf("once more: %s", got)
	}
	v, err := s.Snapshot(t.Context(), scopetest.Read("shop"))
	if err != nil {
		t.Fatal(err)
	}
	cable.cut.Store(true)
	if _, err := v.Search(t.Context(), logging.Query{}); !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("search: %v", err)
	}
	cable.cut.Store(false)
	if r, err := v.Search(t.Context(), logging.Query{}); err != nil || r.Total != 1 {
		t.Errorf("search of the same view, later: %+v %v", r, err)
	}
	v.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, w, b); !errors.Is(err, context.Canceled) {
		t.Errorf("append of somebody who left: %v", err)
	}
	if got, want := fmt.Sprint(events), "[unavailable available unavailable available unavailable available]"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	s.Close()
	if _, err := s.Append(t.Context(), w, b); !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("append after the end: %v", err)
	}
}

// testTail: what this process writes is pushed.
func testTail(t *testing.T, url string) {
	s := open(t, url, func(o *elastic.Options) { o.Prefix = "tail" })
	tail := s.Tail(t.Context(), scopetest.Read("shop"), logging.Not{Of: logging.Term{Field: logging.FieldOf("message"), Text: "no"}})
	for _, msg := range []string{"one", "no", "two"} {
		statuses(t, s, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{rec("shop", msg)}})
	}
	statuses(t, s, scopetest.Write("billing"), logging.Batch{Records: []logging.Record{rec("billing", "foreign")}})
	s.Close()
	var got []string
	for r, err := range tail {
		if err != nil {
			break
		}
		got = append(got, r.Message)
	}
	if fmt.Sprint(got) != "[one two]" {
		t.Errorf("tail: %v", got)
	}
}
