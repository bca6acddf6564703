package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/queue"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	cluster = tenant.Cluster{Name: "eu-1", Region: "eu"}
	// The agent knows nothing of owners; central does.
	agentScope   = scopetest.WriteCluster(cluster, scopetest.Owners{})
	centralScope = scopetest.WriteCluster(cluster, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/web": "shop", "eu-1/pay": "billing"}})
)

// central is a receiver over a store, with faults that can be turned on.
type central struct {
	*httptest.Server
	store *mem.Store
	fault atomic.Pointer[func(w http.ResponseWriter, r *http.Request, next http.Handler)]
	full  atomic.Pointer[tenant.ID] // who is over the quota
	down  atomic.Bool               // the store
}

func (c *central) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	if c.down.Load() {
		return nil, logging.ErrUnavailable
	}
	if id := c.full.Load(); id != nil && slices.ContainsFunc(b.Records, func(r logging.Record) bool { return r.Tenant == *id }) {
		return nil, logging.ErrTooMuch
	}
	return c.store.Append(ctx, w, b)
}

func newCentral(t testing.TB) *central {
	t.Helper()
	c := &central{store: mem.New(mem.Options{})}
	api := NewReceiver(ReceiverOptions{Appender: c, Stamper: &logging.Stamper{}, Registerer: prometheus.NewRegistry()})
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			api.Error(w, r, http.StatusUnauthorized, "who are you")
			return
		}
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			api.ServeHTTP(w, r.WithContext(tenant.WithWrite(r.Context(), centralScope)))
		})
		if f := c.fault.Load(); f != nil {
			(*f)(w, r, next)
			return
		}
		next(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *central) records(t testing.TB) (out []logging.Record) {
	t.Helper()
	v, err := c.store.Snapshot(t.Context(), scopetest.Operator())
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.Search(t.Context(), logging.Query{Limit: 10_000, Sort: []logging.SortKey{{Field: logging.Field{Name: logging.FieldSeq}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range res.Hits {
		out = append(out, h.Record)
	}
	return out
}

func (c *central) messages(t testing.TB) (out []string) {
	for _, r := range c.records(t) {
		out = append(out, r.Message)
	}
	return out
}

type agent struct {
	*Sender
	dir  string
	q, h *queue.Queue
	end  func()
}

func startAgent(t testing.TB, url, dir string, change func(*SenderOptions)) *agent {
	t.Helper()
	a := &agent{dir: dir}
	var err error
	if a.q, err = queue.Open(dir+"/main", queue.Options{}); err != nil {
		t.Fatal(err)
	}
	if a.h, err = queue.Open(dir+"/held", queue.Options{}); err != nil {
		t.Fatal(err)
	}
	o := SenderOptions{Queue: a.q, Held: a.h, URL: url, Token: func() (string, error) { return "secret", nil }, Registerer: prometheus.NewRegistry()}
	if change != nil {
		change(&o)
	}
	if a.Sender, err = NewSender(o); err != nil {
		t.Fatal(err)
	}
	a.backoffMin, a.backoffMax = 5*time.Millisecond, 20*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	a.end = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			a.q.Close()
			a.h.Close()
		})
	}
	t.Cleanup(a.end)
	return a
}

func record(t testing.TB, namespace, message string, more ...string) logging.Record {
	t.Helper()
	src := fmt.Sprintf(`{"message":%q,"namespace":%q`, message, namespace)
	for i := 0; i < len(more); i += 2 {
		src += fmt.Sprintf(`,%q:%q`, more[i], more[i+1])
	}
	r, err := (&logging.Stamper{}).Stamp(agentScope, logging.Raw{Source: []byte(src + "}"), Time: time.Now(), Node: namespace == ""})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (a *agent) put(t testing.TB, key string, records ...logging.Record) {
	t.Helper()
	results, err := a.Append(t.Context(), agentScope, logging.Batch{Records: records, Key: key})
	if err != nil || len(results) != len(records) {
		t.Fatalf("%v, %v", results, err)
	}
	for _, r := range results {
		if r.Status != logging.Stored {
			t.Fatalf("%+v", r)
		}
	}
}

func eventually(t testing.TB, ok func() bool, what func() string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what())
		}
		<-tick.C
	}
}

func (c *central) wait(t testing.TB, n int) {
	t.Helper()
	eventually(t, func() bool { return len(c.records(t)) >= n }, func() string { return fmt.Sprintf("%d records of %d", len(c.records(t)), n) })
}

func (a *agent) drained(t testing.TB) {
	t.Helper()
	eventually(t, func() bool {
		n, _ := a.q.Len()
		m, _ := a.h.Len()
		return n+m == 0
	}, func() string { return "queues are not empty" })
}

func TestOwnersAreCentrals(t *testing.T) {
	c := newCentral(t)
	a := startAgent(t, c.URL, t.TempDir(), nil)
	// What an agent says about tenants does not count, nor what a record does.
	forged := record(t, "pay", "forged", "tenant", "shop", "cluster", "us-1", "@timestamp", "2026-01-01T00:00:00.000000001Z")
	a.put(t, "", record(t, "web", "one"), record(t, "pay", "two"), record(t, "nobody", "three"), record(t, "", "node"), forged)
	a.put(t, "", record(t, "web", "six"))
	c.wait(t, 6)
	var got []string
	for _, r := range c.records(t) {
		got = append(got, fmt.Sprint(r.Message, " ", r.Tenant, " ", r.Index, " ", r.Region))
	}
	slices.Sort(got)
	want := []string{
		"forged billing logs-eu-1-pay eu", "node _system logs-eu-1-_node eu", "one shop logs-eu-1-web eu", "six shop logs-eu-1-web eu",
		"three _unassigned logs-eu-1-nobody eu", "two billing logs-eu-1-pay eu",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	for _, r := range c.records(t) {
		if r.Message == "forged" && r.Time.Nanosecond() != 1 {
			t.Fatalf("time %v", r.Time)
		}
	}
	a.drained(t)
}

// A container's own words about its namespace, its pod and its name, which the agent
// did not believe, decide nothing at central either.
func TestNamespaceIsTheAgents(t *testing.T) {
	c := newCentral(t)
	a := startAgent(t, c.URL, t.TempDir(), nil)
	const id = "-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.log"
	s := &logging.Stamper{}
	w := scopetest.WriteCluster(cluster, scopetest.Owners{})
	var records []logging.Record
	for _, r := range []struct{ tag, doc string }{
		{"kubernetes.var.log.containers.p_web_c" + id, `{"log":"by its tag","namespace":"pay"}`},
		{"kubernetes.var.log.containers.p_web_c" + id, `{"log":"no object","kubernetes":"x","namespace":"pay"}`},
		{"kubernetes.var.log.containers.p_web_c" + id, `{"log":"contradicted","kubernetes":{"namespace_name":"pay"}}`},
		{"", `{"log":"without a tag","namespace":"pay"}`},
		{"kubernetes.var.log.containers.p_web_c" + id, `{"log":"another's names","pod":"theirs","container":"theirs"}`},
	} {
		rec, err := s.Stamp(w, logging.Raw{Source: []byte(r.doc), Tag: r.tag, AddFields: true})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rec)
	}
	a.put(t, "", records...)
	c.wait(t, len(records))
	var got []string
	for _, r := range c.records(t) {
		got = append(got, fmt.Sprintf("%s: %s %s %q", r.Message, r.Tenant, r.Index, []string{r.Pod, r.Container}))
	}
	slices.Sort(got)
	want := []string{
		`another's names: shop logs-eu-1-web ["p" "c"]`, `by its tag: shop logs-eu-1-web ["p" "c"]`, `contradicted: _unassigned logs-eu-1-_none ["" ""]`,
		`no object: shop logs-eu-1-web ["p" "c"]`, `without a tag: billing logs-eu-1-pay ["" ""]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	a.drained(t)
}

// Central away, answers lost, errors of all kinds, and the agent restarted in
// between: everything arrives once, in order.
func TestOnceAndInOrder(t *testing.T) {
	c := newCentral(t)
	dir := t.TempDir()
	a := startAgent(t, c.URL, dir, nil)
	faults := []func(w http.ResponseWriter, r *http.Request, next http.Handler){
		func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { panic(http.ErrAbortHandler) },
		func(_ http.ResponseWriter, r *http.Request, next http.Handler) { // stored, and the answer is lost
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		},
		func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(502) },
		func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(401) },
		func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { fmt.Fprint(w, "<html>a login page") },
		func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { fmt.Fprint(w, "{}") },
		func(w http.ResponseWriter, r *http.Request, next http.Handler) { // half of the body
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(b[:len(b)/2]))
			next.ServeHTTP(w, r)
		},
		func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			c.down.Store(true)
			next.ServeHTTP(w, r)
			c.down.Store(false)
		},
	}
	var want []string
	for round, f := range faults {
		c.fault.Store(&f)
		for i := range 40 {
			m := fmt.Sprintf("%d/%d", round, i)
			want = append(want, m)
			a.put(t, "", record(t, "web", m))
			if i == 20 && round%2 == 0 {
				a.end()
				a = startAgent(t, c.URL, dir, nil)
			}
		}
		before := testutilCounter(a)
		eventually(t, func() bool { return testutilCounter(a) > before }, func() string { return "no failure was counted" })
		c.fault.Store(nil)
		c.wait(t, len(want))
	}
	a.drained(t)
	if diff := cmp.Diff(want, c.messages(t)); diff != "" {
		t.Fatal(diff)
	}
}

// testutilCounter sums the failures.
func testutilCounter(a *agent) (sum float64) {
	families, err := a.o.Registerer.(*prometheus.Registry).Gather()
	if err != nil {
		return -1
	}
	for _, f := range families {
		if f.GetName() == "oriel_relay_sender_failures_total" {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// A batch with a key that is handed over again is central's once, also where
// it is cut into parcels.
func TestBatchHandedOverAgain(t *testing.T) {
	c := newCentral(t)
	a := startAgent(t, c.URL, t.TempDir(), nil)
	var records []logging.Record
	for i := range 9 {
		records = append(records, record(t, []string{"web", "pay"}[i%2], fmt.Sprint(i), "pad", strings.Repeat("x", 1<<20)))
	}
	a.put(t, "k1", records...)
	a.put(t, "k1", records...)
	a.put(t, "k2", records[0])
	a.put(t, "", records[0])
	a.put(t, "", records[0])
	a.drained(t)
	if n := len(c.records(t)); n != 12 {
		t.Fatalf("%d records", n)
	}
}

// An agent that is killed between the two queues answers nothing. When the batch comes
// again the namespace is decided, and its records go with the others of their tenant:
// they are no duplicates.
func TestBatchHandedOverAgainCutOtherwise(t *testing.T) {
	c := newCentral(t)
	a := startAgent(t, c.URL, t.TempDir(), nil)
	web, other := record(t, "web", "decided"), record(t, "web", "late")
	a.put(t, "k", web)
	a.put(t, "k", web, other)
	a.drained(t)
	if got := c.messages(t); !slices.Contains(got, "late") {
		t.Fatalf("%q", got)
	}
}

func TestUndecidedNamespaceWaits(t *testing.T) {
	for _, separate := range []bool{true, false} {
		c := newCentral(t)
		var decided, late atomic.Bool
		now := func() time.Time {
			if late.Load() {
				return time.Now().Add(61 * time.Second)
			}
			return time.Now()
		}
		a := startAgent(t, c.URL, t.TempDir(), func(o *SenderOptions) {
			o.Undecided = func(ns string) bool { return ns == "new" && !decided.Load() }
			o.Clock = now
			if !separate {
				o.Held = nil
			}
		})
		a.put(t, "", record(t, "web", "before"))
		a.put(t, "", record(t, "new", "waits"), record(t, "web", "beside"))
		a.put(t, "", record(t, "web", "after"))
		if separate {
			// Nobody waits with the namespace that nobody has decided.
			c.wait(t, 3)
			if got := c.messages(t); !slices.Equal(got, []string{"before", "beside", "after"}) {
				t.Fatalf("%q", got)
			}
			decided.Store(true)
		} else {
			c.wait(t, 1)
			if got := c.messages(t); !slices.Equal(got, []string{"before"}) {
				t.Fatalf("%q", got)
			}
			late.Store(true) // it waits for a minute at most
		}
		c.wait(t, 4)
		a.drained(t)
	}
}

func TestTenantOverItsQuotaHoldsNobodyUp(t *testing.T) {
	for _, separate := range []bool{true, false} {
		c := newCentral(t)
		id := tenant.ID("shop")
		c.full.Store(&id)
		a := startAgent(t, c.URL, t.TempDir(), func(o *SenderOptions) {
			if !separate {
				o.Held = nil
			}
		})
		for i := range 5 {
			a.put(t, fmt.Sprint("k", i), record(t, "web", "loud"), record(t, "pay", "quiet"))
		}
		c.wait(t, 5)
		if got := c.messages(t); slices.Contains(got, "loud") {
			t.Fatalf("%q", got)
		}
		c.full.Store(nil)
		c.wait(t, 10)
		a.drained(t)
		// The whole again: all of it is known.
		for i := range 5 {
			a.put(t, fmt.Sprint("k", i), record(t, "web", "loud"), record(t, "pay", "quiet"))
		}
		a.drained(t)
		if n := len(c.records(t)); n != 10 {
			t.Fatalf("%d records", n)
		}
	}
}

func TestSenderRefuses(t *testing.T) {
	c := newCentral(t)
	a := startAgent(t, c.URL, t.TempDir(), nil)
	foreign := record(t, "web", "x")
	foreign.Tenant = "shop" // the agent's scope knows no such owner
	results, err := a.Append(t.Context(), agentScope, logging.Batch{Records: []logging.Record{foreign}})
	if err != nil || results[0].Status != logging.Refused || results[0].Reason == "" {
		t.Fatalf("%+v, %v", results, err)
	}
	a.end()
	if _, err := a.Append(t.Context(), agentScope, logging.Batch{Records: []logging.Record{record(t, "web", "x")}}); !errors.Is(err, logging.ErrUnavailable) {
		t.Fatal(err)
	}
	for _, u := range []string{"", "central:7480", "ftp://x", "http://"} {
		if _, err := NewSender(SenderOptions{Queue: a.q, URL: u}); err == nil {
			t.Errorf("URL %q taken", u)
		}
	}
}

// ofVersion packs a parcel as an agent of before did: without the count.
func ofVersion(version byte, cd *codec, p *parcel) []byte {
	b := cd.pack(p)
	at := 13 + 1 + len(p.key)
	b = slices.Delete(b, at, at+1)
	b[4] = version
	return b
}

func TestReceiverRefuses(t *testing.T) {
	c := newCentral(t)
	cd := newCodec()
	good := cd.pack(&parcel{queued: time.Now(), key: "k", records: []logging.Raw{{Source: []byte(`{"message":"good"}`)}}})
	newer := bytes.Clone(good)
	newer[4] = parcelVersion + 1
	older := ofVersion(1, cd, &parcel{key: "old", records: []logging.Raw{{Source: []byte(`{}`)}}})
	tooOld := ofVersion(1, cd, &parcel{key: "o", records: []logging.Raw{{Source: []byte(`{}`), Decided: true}}})
	damaged := bytes.Clone(good)
	damaged[len(damaged)-1] ^= 1
	bomb := append(cd.pack(&parcel{key: "b"})[:17], cd.enc.EncodeAll(make([]byte, 200<<20), nil)...)
	notJSON := cd.pack(&parcel{queued: time.Now(), key: "n", records: []logging.Raw{{Source: []byte(`nope`)}, {Source: []byte(`{}`)}}})
	for name, tc := range map[string]struct {
		body   []byte
		ctype  string
		status int
		want   string
	}{
		"empty":        {nil, contentType, 200, `{"parcels":null}`},
		"good":         {appendParcel(nil, good), contentType, 200, `{"parcels":[{"stored":`},
		"not JSON":     {appendParcel(nil, notJSON), contentType, 200, `{"parcels":[{"stored":1,"refused":1}]}`},
		"damaged":      {appendParcel(appendParcel(nil, damaged), good), contentType, 200, `{"parcels":[{"stored":0,"error":`},
		"bomb":         {appendParcel(nil, bomb), contentType, 200, `{"parcels":[{"stored":0,"error":`},
		"of version 2": {appendParcel(nil, ofVersion(2, cd, &parcel{key: "2", records: []logging.Raw{{Source: []byte(`{}`), Decided: true}}})), contentType, 200, `{"parcels":[{"stored":1}]}`},
		"older":        {appendParcel(nil, older), contentType, 200, `{"parcels":[{"stored":1}]}`},
		"neither":      {appendParcel(nil, tooOld), contentType, 200, `{"parcels":[{"stored":0,"error":`},
		"newer":        {appendParcel(nil, newer), contentType, 415, `"error":`},
		"cut short":    {appendParcel(nil, good)[:20], contentType, 400, `"error":`},
		"claims a lot": {[]byte{0xff, 0xff, 0xff, 0xff, 0x7f}, contentType, 400, `"error":`},
		"JSON":         {[]byte(`{}`), "application/json", 415, `"error":`},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPost, c.URL+path, bytes.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer secret")
			req.Header.Set("Content-Type", tc.ctype)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != tc.status || !strings.Contains(string(b), tc.want) {
				t.Fatalf("%d %s, %v", res.StatusCode, b, err)
			}
		})
	}
}

func FuzzParcel(f *testing.F) {
	c := newCodec()
	f.Add(c.pack(&parcel{queued: time.Unix(1, 2), key: "k", namespaces: []string{"a", "b"}, records: []logging.Raw{
		{Source: []byte(`{}`), Time: time.Unix(3, 4).UTC(), ID: "x", Node: true}, {Source: []byte(`{"a":1}`)}, {Source: []byte(`{}`), Decided: true, Namespace: "a"}, {Source: []byte(`{}`), Decided: true},
	}}))
	f.Add(c.pack(&parcel{}))
	f.Add([]byte("ORLR\x01\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := c.unpack(b)
		if err != nil {
			return
		}
		again, err := c.unpack(c.pack(&p))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again, cmp.AllowUnexported(parcel{})); diff != "" {
			t.Fatal(diff)
		}
		body := appendParcel(appendParcel(nil, b), nil)
		r := bufio.NewReader(bytes.NewReader(body))
		if one, err := readParcel(r, 1<<20); err != nil || !bytes.Equal(one, b) {
			t.Fatal(err)
		}
	})
}
