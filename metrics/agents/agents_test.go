package agents

import (
	"context"
	"fmt"
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var east = tenant.Cluster{Name: "east", Region: "eu", Cloud: "private"}

// directory is a stand-in that knows two tenants: shop has namespaces in two
// clusters, billing in one that no agent speaks for.
type directory struct{ tenant.Directory }

func (directory) All() iter.Seq[tenant.Tenant] {
	ns := func(cluster, name string) tenant.Namespace {
		return tenant.Namespace{Life: tenant.Life{Cluster: cluster, Namespace: name}}
	}
	return slices.Values([]tenant.Tenant{
		{ID: "billing", Namespaces: []tenant.Namespace{ns("elsewhere", "billing")}},
		{ID: "shop", Namespaces: []tenant.Namespace{ns("east", "shop"), ns("here", "shop")}},
	})
}

func (directory) Lookup(tenant.ID) (tenant.Tenant, bool) { return tenant.Tenant{}, true }

// as stands for the guard that authenticates a cluster's token.
func as(h http.Handler, w tenant.Write) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(rw, r.WithContext(tenant.WithWrite(r.Context(), w)))
	})
}

func last(t *testing.T, s *tsdb.Store, r tenant.Read) []string {
	t.Helper()
	q, err := s.Queryable(r).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var out []string
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, "oriel_.+"))
	for set.Next() {
		it, v := set.At().Iterator(nil), 0.0
		for it.Next() != chunkenc.ValNone {
			_, v = it.At()
		}
		text := fmt.Sprintf("%g", v)
		if value.IsStaleNaN(v) {
			text = "stale"
		}
		ls := set.At().Labels()
		out = append(out, fmt.Sprintf("%s{cluster=%s,reason=%s} %s", ls.Get(model.MetricNameLabel), ls.Get("cluster"), ls.Get("reason"), text))
	}
	return out
}

func TestAgentsAreKnownInTheirTenantsScopes(t *testing.T) {
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Now().Truncate(time.Second)
	local := tenant.Cluster{Name: "here"}
	o := TrackerOptions{
		Directory: directory{}, Appender: store, Local: &local, Clock: func() time.Time { return now },
		Write:      scopetest.WriteTenant,
		Durability: store.Durability, File: filepath.Join(t.TempDir(), "agents.json"),
		Refused: func(id tenant.ID, cluster string) map[string]uint64 {
			if id == "shop" && cluster == "east" {
				return map[string]uint64{"series_limit": 3}
			}
			return nil
		},
	}
	tr, err := NewTracker(o)
	if err != nil {
		t.Fatal(err)
	}
	beat := func(body string) int {
		w := httptest.NewRecorder()
		as(tr, scopetest.WriteCluster(east, scopetest.Owners{})).ServeHTTP(w, httptest.NewRequest(http.MethodPut, path, strings.NewReader(body)))
		return w.Code
	}
	sent := now.Add(3 * time.Second) // its clock is ahead
	if code := beat(fmt.Sprintf(`{"sent":%q,"interval_seconds":15,"lag_seconds":7,"gaps":2}`, sent.Format(time.RFC3339Nano))); code != 200 {
		t.Fatal(code)
	}
	for body, want := range map[string]int{
		`{}`: 400, `{"sent":"2026-03-01T12:00:00Z","interval_seconds":1e9}`: 400, `{"sent":"2026-03-01T12:00:00Z","interval_seconds":15,"lag_seconds":-1}`: 400, `x`: 400,
		`{"sent":"2026-03-01T12:00:00Z","interval_seconds":15,"cluster":"west"}`: 400,
	} {
		if code := beat(body); code != want {
			t.Errorf("%s: %d, want %d", body, code, want)
		}
	}
	w := httptest.NewRecorder()
	as(tr, scopetest.Write("shop")).ServeHTTP(w, httptest.NewRequest(http.MethodPut, path, strings.NewReader("{}")))
	if w.Code != http.StatusForbidden {
		t.Errorf("a tenant's token speaks for an agent: %d", w.Code)
	}

	tr.write(t.Context())
	if told := last(t, store, scopetest.Read("shop")); len(told) != 0 {
		t.Errorf("a database was made for what is told: %v", told)
	}
	send(t, store, "shop", now)
	send(t, store, "billing", now)
	tr.write(t.Context())
	if got, want := last(t, store, scopetest.Read("shop")), []string{
		"oriel_agent_clock_skew_seconds{cluster=east,reason=} 3", "oriel_agent_clock_skew_seconds{cluster=here,reason=} 0",
		"oriel_agent_gaps_total{cluster=east,reason=} 2", "oriel_agent_gaps_total{cluster=here,reason=} 0",
		"oriel_agent_lag_seconds{cluster=east,reason=} 7", "oriel_agent_lag_seconds{cluster=here,reason=} 0",
		"oriel_agent_refused_samples_total{cluster=east,reason=series_limit} 3",
		"oriel_agent_up{cluster=east,reason=} 1", "oriel_agent_up{cluster=here,reason=} 1",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if all := last(t, store, scopetest.Read(tenant.System)); len(all) != 0 {
		t.Errorf("%v", all)
	}
	if other := last(t, store, scopetest.Read("billing")); len(other) != 0 {
		t.Errorf("a cluster without an agent is told of: %v", other)
	}
	if s := tr.Silences(); s != nil {
		t.Errorf("silent: %v", s)
	}

	// The process is another one, and the agent is gone.
	if tr, err = NewTracker(o); err != nil {
		t.Fatal(err)
	}
	now = now.Add(31 * time.Second)
	c, points, ok := tr.points("shop", "east", now)
	if !ok || c != east || points[0] != (point{seriesUp, "", 0}) || points[1] != (point{seriesLag, "", 38}) || points[2] != (point{seriesSkew, "", 3}) || points[4] != (point{seriesRefused, "series_limit", 3}) {
		t.Errorf("%v %v", c, points)
	}
	if got, want := tr.Silences()["east"], sent.Add(-7*time.Second+30*time.Second).UnixMilli(); got != want {
		t.Errorf("its series end at %d, want %d", got, want)
	}
	if _, points, ok := tr.points("shop", "here", now); !ok || points[0].value != 1 {
		t.Errorf("the own cluster: %v", points)
	}
}

// send gives a tenant a metric of its own.
func send(t *testing.T, s *tsdb.Store, id tenant.ID, at time.Time) {
	t.Helper()
	app := s.Appender(t.Context(), scopetest.Write(id))
	if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "own"), 0, at.UnixMilli(), 1, nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestAgentsKeepNobodyAwake: a tenant that sends nothing sleeps, whatever there is to
// tell of its agent, unless that agent was heard of before and is silent now. The
// operator hears of every agent, also of one that no tenant has.
func TestAgentsKeepNobodyAwake(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	clock := func() time.Time { return now }
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tr, err := NewTracker(TrackerOptions{Directory: directory{}, Appender: store, Write: scopetest.WriteTenant, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	hear := func(cluster string) {
		tr.by[cluster] = heard{Cluster: tenant.Cluster{Name: cluster}, At: now, Beat: Beat{Sent: now, IntervalSeconds: 15}}
	}
	pass := func(d time.Duration, heard ...string) {
		for end := now.Add(d); now.Before(end); now = now.Add(time.Minute) {
			for _, cluster := range heard {
				hear(cluster)
			}
			tr.write(t.Context())
			store.CloseIdle(t.Context())
		}
	}
	send(t, store, "shop", now)
	send(t, store, tenant.System, now)
	pass(2*time.Hour, "east", "west")
	if s := store.Stats()["shop"]; !s.Idle {
		t.Error("an agent that lives keeps a tenant awake that sends nothing")
	}
	pass(2 * time.Hour) // nobody is heard of
	if s := store.Stats()["shop"]; !s.Idle {
		t.Error("an agent that fell silent woke a tenant")
	}
	send(t, store, "shop", now)
	pass(10*time.Minute, "east")
	pass(2 * time.Hour)
	if s := store.Stats()["shop"]; s.Idle {
		t.Error("the tenant is not told any more that its agent is silent")
	}
	send(t, store, tenant.System, now)
	hear("east")
	tr.write(t.Context())
	got := last(t, store, scopetest.Read(tenant.System))
	got = slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, seriesUp) })
	if want := []string{"oriel_agent_up{cluster=east,reason=} 1", "oriel_agent_up{cluster=west,reason=} 0"}; !slices.Equal(got, want) {
		t.Errorf("the operator is told %q, want %q", got, want)
	}
}

func TestReporter(t *testing.T) {
	behind := time.Minute
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t" || r.URL.Path != path {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintf(w, `{"now":%q,"epoch":"e","durable":7}`, time.Now().Add(-behind).Format(time.RFC3339Nano))
	}))
	defer srv.Close()
	var durable atomic.Uint64
	r, err := NewReporter(ReporterOptions{
		URL: srv.URL, Token: func() (string, error) { return "t", nil }, Interval: time.Second, Registerer: prometheus.NewRegistry(),
		Lag: func() time.Duration { return 0 }, Gaps: func() int64 { return 0 }, OnReply: func(r Reply) { durable.Store(r.Durable) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.beat(t.Context()); err != nil || durable.Load() != 7 || !r.said {
		t.Errorf("%v, durable %d, said %t", err, durable.Load(), r.said)
	}
	behind = 0
	if err := r.beat(t.Context()); err != nil || r.said {
		t.Errorf("%v, said %t", err, r.said)
	}
	srv.Close()
	if r.beat(t.Context()) == nil {
		t.Error("a central that is away answers")
	}
}
