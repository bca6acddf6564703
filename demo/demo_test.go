package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/forward"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestMain lets the test binary be the children's binary, and a parent that can
// be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case commandName:
			c := Command()
			c.SetArgs(os.Args[2:])
			if err := c.Execute(); err != nil {
				os.Exit(1)
			}
			return
		case "demo-parent":
			err := Supervise(context.Background(), SuperviseOptions{OnTarget: func(t Target) {
				b, _ := json.Marshal(t)
				fmt.Println(string(b))
			}})
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// sink is a log store that keeps everything in memory.
type sink struct {
	mu   sync.Mutex
	recs []logging.Record
}

func (s *sink) Append(_ context.Context, _ tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recs = append(s.recs, b.Records...)
	out := make([]logging.ItemResult, len(b.Records))
	for i := range out {
		out[i].Status = logging.Stored
	}
	return out, nil
}

func (s *sink) all() []logging.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recs[:len(s.recs):len(s.recs)]
}

// input is a real forward input for the cluster demo.
func input(t *testing.T) (addr string, s *sink) {
	t.Helper()
	s = &sink{}
	owners := scopetest.Owners{Of: map[string]tenant.ID{"demo/shop": "shop", "demo/billing": "billing"}}
	srv := forward.New(forward.Options{
		Scope:    func(forward.Identity) (tenant.Write, bool) { return scopetest.WriteCluster(Cluster(), owners), true },
		Appender: s, Stamper: &logging.Stamper{},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-done })
	return ln.Addr().String(), s
}

// until polls; the limit is generous, as the machine may be busy.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
		wait(t.Context(), 20*time.Millisecond)
	}
}

func scrape(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scrape %s: %d, %v", address, resp.StatusCode, err)
	}
	return string(b)
}

// targets collects what Supervise tells, by pod.
type targets struct {
	mu sync.Mutex
	m  map[string]Target
}

func (s *targets) put(t Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string]Target{}
	}
	s.m[t.Pod] = t
}

func (s *targets) get() map[string]Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Target{}
	for k, v := range s.m {
		out[k] = v
	}
	return out
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestBothTeams(t *testing.T) {
	addr, logs := input(t)
	var seen targets
	var mu sync.Mutex
	var exits []string
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- Supervise(ctx, SuperviseOptions{ForwardAddr: addr, Rate: 40, OnTarget: seen.put, Stderr: os.Stderr,
			OnExit: func(team string, _ int, _ error) { mu.Lock(); exits = append(exits, team); mu.Unlock() }})
	}()
	until(t, "four pods are told", func() bool { return len(seen.get()) == 4 })
	front, pay := places(shop)[0].pod, places(billing)[0].pod
	for pod, tg := range seen.get() {
		if tg.Namespace != tg.Team || tg.Container == "" || tg.Node == "" || !strings.HasPrefix(pod, tg.Team+"-") {
			t.Errorf("target: %+v", tg)
		}
	}

	// Metrics as client_golang writes them, the process' cost once a team.
	for _, want := range []string{`http_requests_total{code="201",handler="/checkout",method="post"}`, `http_requests_total{code="200",handler="/",method="get"}`,
		`http_request_duration_seconds_bucket{code="200",handler="/cart"`, "process_cpu_seconds_total", "process_resident_memory_bytes", "go_goroutines", `shop_orders_total{result="paid"}`} {
		until(t, want+" in the metrics of shop", func() bool { return strings.Contains(scrape(t, seen.get()[front].Address), want) })
	}
	if strings.Contains(scrape(t, seen.get()[places(shop)[1].pod].Address), "process_cpu_seconds_total") {
		t.Error("the process' cost is counted twice")
	}
	until(t, "charges and invoices", func() bool {
		m := scrape(t, seen.get()[pay].Address)
		return strings.Contains(m, `handler="/charge"`) && strings.Contains(m, `handler="/invoices"`)
	})

	// Logs by forward, and one trace through both teams.
	until(t, "a trace in the logs of both teams", func() bool {
		traces := map[string]string{}
		for _, r := range logs.all() {
			var doc struct {
				Trace  string `json:"trace_id"`
				Logger string `json:"logger"`
			}
			if json.Unmarshal(r.Source, &doc) != nil || doc.Trace == "" {
				continue
			}
			if other := traces[doc.Trace]; other != "" && other != r.Namespace {
				return true
			}
			traces[doc.Trace] = r.Namespace
		}
		return false
	})
	for _, r := range logs.all() {
		if string(r.Tenant) != r.Namespace || r.Cluster != "demo" || r.Pod == "" || r.Container == "" || r.Node == "" || r.Level == "" || r.Message == "" || r.Stream == "" || r.Time.Nanosecond() == 0 {
			t.Fatalf("record: %+v\n%s", r, r.Source)
		}
	}
	for _, r := range logs.all() {
		if strings.Contains(string(r.Source), `"logger":"http"`) {
			var doc map[string]any
			if err := json.Unmarshal(r.Source, &doc); err != nil {
				t.Fatal(err)
			}
			if _, ok := doc["status"].(float64); !ok {
				t.Errorf("no status: %s", r.Source)
			}
			if _, ok := doc["duration_ms"].(float64); !ok {
				t.Errorf("no duration: %s", r.Source)
			}
			break
		}
	}

	// A team that is killed comes again, where the other one expects it.
	before := seen.get()[pay]
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "billing comes again", func() bool { return seen.get()[pay].PID != before.PID })
	if after := seen.get()[pay]; after.Address != before.Address {
		t.Logf("billing moved from %s to %s", before.Address, after.Address)
	}
	until(t, "shop charges again", func() bool {
		return strings.Contains(scrape(t, seen.get()[pay].Address), `http_requests_total{code="200",handler="/charge",method="post"}`)
	})

	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, tg := range seen.get() {
		if alive(tg.PID) {
			t.Errorf("%s still runs", tg.Pod)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(exits) < 3 {
		t.Errorf("exits told: %v", exits)
	}
}

func TestShopMovesWithBilling(t *testing.T) {
	s := &supervisor{billingMoved: make(chan struct{})}
	s.o.OnTarget = func(Target) {}
	url, moved := s.billing()
	if url != "" {
		t.Fatal("billing is known before it is told")
	}
	told := Target{Team: billing, Pod: places(billing)[0].pod, Address: "127.0.0.1:1"}
	s.announced(told)
	<-moved
	_, moved = s.billing()
	s.announced(told)
	s.announced(Target{Team: billing, Pod: places(billing)[1].pod, Address: "127.0.0.1:2"})
	select {
	case <-moved:
		t.Error("the same address counts as a move")
	default:
	}
	told.Address = "127.0.0.1:3"
	s.announced(told)
	<-moved
	if url, _ = s.billing(); url != "http://127.0.0.1:3" {
		t.Errorf("billing is at %s", url)
	}
}

func TestWrongOptions(t *testing.T) {
	for _, o := range []Options{{}, {Team: "other"}, {Team: shop}, {Team: billing, ListenAddr: "nowhere"}, {Team: billing, ForwardAddr: "nowhere"}, {Team: billing, ForwardAddr: "a:b"}} {
		if err := RunTeam(t.Context(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	if err := Supervise(t.Context(), SuperviseOptions{Exe: "/no/such/program"}); err == nil {
		t.Error("a program that is not there is waited for")
	}
}

func TestClaims(t *testing.T) {
	a, b := Claims(), Claims()
	if len(a) != 2 || a[0].UID != b[0].UID || a[0].UID == a[1].UID || a[1].DependsOn[0] != billing {
		t.Errorf("claims: %+v", a)
	}
	for _, c := range a {
		if _, err := tenant.ParseID(c.Tenant); err != nil || c.Namespace != c.Tenant {
			t.Errorf("claim %+v: %v", c, err)
		}
	}
}

func TestWave(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	least, most := 9.0, 0.0
	for s := range 86400 / 10 {
		w := wave(day.Add(time.Duration(s) * 10 * time.Second))
		least, most = min(least, w), max(most, w)
	}
	if least < 0.1 || most > 2 || most < 1.5 {
		t.Errorf("from %.2f to %.2f of the average", least, most)
	}
}
