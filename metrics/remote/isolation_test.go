package remote

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// hand is a directory in which a namespace changes hands.
type hand struct {
	scopetest.Owners
	over time.Time // from then on it is to's
	to   tenant.ID
}

func (h hand) Owner(cluster, namespace string, at time.Time) (tenant.ID, bool) {
	if id, ok := h.Owners.Owner(cluster, namespace, at); !ok || at.Before(h.over) {
		return id, ok
	}
	return h.to, true
}

// sendSeries writes one sample of each and gives the answer.
func sendSeries(t *testing.T, h http.Handler, v2 bool, at time.Time, series ...labels.Labels) (code int, says string) {
	t.Helper()
	q := newRequest()
	for _, ls := range series {
		q.add(ls, 0, at.UnixMilli(), 1, nil, nil, metadata.Metadata{}, nil)
	}
	item, err := q.item()
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := splitItem(item)
	contentType := typeV2
	if err == nil && !v2 {
		contentType = typeV1
		body, err = asV1(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := post(h, contentType, "snappy", body)
	return got.Code, got.Body.String()
}

// TestWritingCrossesNoBorder: under no credential does a series land with
// somebody whom the directory does not name, whatever its labels say.
func TestWritingCrossesNoBorder(t *testing.T) {
	now := time.Now()
	owners := scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop", "eu-1/bill": "billing", "eu-2/far": "far"}}
	eu1 := tenant.Cluster{Name: "eu-1"}
	m := func(pairs ...string) labels.Labels {
		return labels.FromStrings(append([]string{model.MetricNameLabel, "m"}, pairs...)...)
	}
	for _, c := range []struct {
		name   string
		w      tenant.Write
		series labels.Labels
		lands  tenant.ID
		as     string // its labels there
	}{
		{"own namespace", scopetest.WriteCluster(eu1, owners), m("namespace", "shop"), "shop", `{__name__="m", cluster="eu-1", namespace="shop"}`},
		{"forged cluster", scopetest.WriteCluster(eu1, owners), m("namespace", "far", "cluster", "eu-2"), tenant.Unassigned, `{__name__="m", cluster="eu-1", namespace="far"}`},
		{"forged region and cloud", scopetest.WriteCluster(eu1, owners), m("namespace", "shop", "region", "x", "cloud", "y"), "shop", `{__name__="m", cluster="eu-1", namespace="shop"}`},
		{"label tenant", scopetest.WriteCluster(eu1, owners), m("namespace", "shop", "tenant", "billing"), "shop", `{__name__="m", cluster="eu-1", namespace="shop", tenant="billing"}`},
		{"nobody's namespace", scopetest.WriteCluster(eu1, owners), m("namespace", "none"), tenant.Unassigned, `{__name__="m", cluster="eu-1", namespace="none"}`},
		{"no namespace", scopetest.WriteCluster(eu1, owners), m("node", "n1"), tenant.System, `{__name__="m", cluster="eu-1", node="n1"}`},
		{"a reserved name", scopetest.WriteCluster(eu1, owners), m("namespace", "_system"), tenant.Unassigned, `{__name__="m", cluster="eu-1", namespace="_system"}`},
		{"a path", scopetest.WriteCluster(eu1, owners), m("namespace", "../billing"), tenant.Unassigned, `{__name__="m", cluster="eu-1", namespace="../billing"}`},
		{"a team's token, another's namespace", scopetest.Write("shop"), m("namespace", "bill"), "shop", `{__name__="m", cloud="private", cluster="test", namespace="bill", region="eu"}`},
	} {
		for _, v2 := range []bool{false, true} {
			s := openStore(t, t.TempDir())
			h := as(newReceiver(t, s), c.w)
			// The second request finds the series known.
			for i := range 2 {
				if code, says := sendSeries(t, h, v2, now.Add(time.Duration(i)*time.Second), c.series); code != http.StatusNoContent {
					t.Errorf("%s, v2 %v: %d %s", c.name, v2, code, says)
				}
			}
			if got := samples(t, s, scopetest.Read(c.lands), now); len(got[c.as]) != 2 || len(got) != 1 {
				t.Errorf("%s, v2 %v: %s has %v", c.name, v2, c.lands, got)
			}
			if got := samples(t, s, scopetest.Operator(), now); len(got) != 1 {
				t.Errorf("%s, v2 %v: there is more: %v", c.name, v2, got)
			}
		}
	}
}

// TestSeriesFollowsItsNamespace: a series that the receiver knows goes to its
// namespace's new owner from that moment on, and what comes late to the old one.
func TestSeriesFollowsItsNamespace(t *testing.T) {
	now := time.Now()
	over := now.Add(-30 * time.Second)
	for _, v2 := range []bool{false, true} {
		s := openStore(t, t.TempDir())
		w := scopetest.WriteClusterOf(tenant.Cluster{Name: "eu-1"}, hand{scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "old"}}, over, "new"})
		h := as(newReceiver(t, s), w)
		ls := labels.FromStrings(model.MetricNameLabel, "m", "namespace", "shop")
		for _, sec := range []int{-60, -50, -40, -20, -35, -10, 0} {
			if code, says := sendSeries(t, h, v2, now.Add(time.Duration(sec)*time.Second), ls); code != http.StatusNoContent {
				t.Fatalf("at %d: %d %s", sec, code, says)
			}
		}
		for id, want := range map[tenant.ID]int{"old": 4, "new": 3} {
			if got := samples(t, s, scopetest.Read(id), now); len(got) != 1 || len(got[`{__name__="m", cluster="eu-1", namespace="shop"}`]) != want {
				t.Errorf("v2 %v: %s has %v, want %d samples", v2, id, got, want)
			}
		}
	}
}

// TestKnownSeriesAreTheSendersOwn: two senders of the same labels never write
// into each other's series by what the receiver remembers.
func TestKnownSeriesAreTheSendersOwn(t *testing.T) {
	now := time.Now()
	s := openStore(t, t.TempDir())
	rc := newReceiver(t, s)
	ls := labels.FromStrings(model.MetricNameLabel, "m", "namespace", "shop")
	for i := range 3 {
		for _, id := range []tenant.ID{"a", "b"} {
			if code, says := sendSeries(t, as(rc, scopetest.Write(id)), true, now.Add(time.Duration(i)*time.Second), ls); code != http.StatusNoContent {
				t.Fatalf("%d %s", code, says)
			}
		}
	}
	for _, id := range []tenant.ID{"a", "b"} {
		for _, got := range samples(t, s, scopetest.Read(id), now) {
			if len(got) != 3 {
				t.Errorf("%s has %v", id, got)
			}
		}
	}
	// After a tenant's database was removed and made anew, too.
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if code, says := sendSeries(t, as(rc, scopetest.Write("a")), true, now.Add(3*time.Second), ls); code != http.StatusNoContent {
		t.Fatalf("%d %s", code, says)
	}
	if got := samples(t, s, scopetest.Read("a"), now); fmt.Sprint(got) != `map[{__name__="m", cloud="private", cluster="test", namespace="shop", region="eu"}:[1@3]]` {
		t.Errorf("after the removal: %v", got)
	}
}

// TestForgedLabelSets: what is no set of labels is refused, and what is beside it stored.
func TestForgedLabelSets(t *testing.T) {
	now := time.Now()
	sample := []writev2.Sample{{Value: 1, Timestamp: now.UnixMilli()}}
	for _, c := range []struct {
		name    string
		symbols []string
		refs    []uint32
		says    string
	}{
		{"namespace twice", []string{"", "__name__", "m", "namespace", "shop", "bill"}, []uint32{1, 2, 3, 4, 3, 5}, "there twice"},
		{"name twice", []string{"", "__name__", "m", "n"}, []uint32{1, 2, 1, 3}, "there twice"},
		{"no pair", []string{"", "__name__", "m"}, []uint32{1, 2, 1}, "no pairs"},
		{"outside", []string{"", "__name__"}, []uint32{1, 7}, "symbol 7 of 4"},
		{"far outside", []string{"", "__name__"}, []uint32{1, 4294967295}, "symbol 4294967295 of 4"},
		{"no name", []string{"", "namespace", "shop"}, []uint32{1, 2}, "missing"},
		{"no UTF-8", []string{"", "__name__", "\xff"}, []uint32{1, 2}, "UTF-8"},
		{"nothing", []string{""}, nil, "missing"},
	} {
		s := openStore(t, t.TempDir())
		h := as(newReceiver(t, s), scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop", "eu-1/bill": "billing"}}))
		good := uint32(len(c.symbols))
		req := &writev2.Request{
			Symbols: append(c.symbols, "__name__", "good"),
			Timeseries: []writev2.TimeSeries{
				{LabelsRefs: c.refs, Samples: sample},
				{LabelsRefs: []uint32{good, good + 1}, Samples: sample},
			},
		}
		for range 2 {
			got := post(h, typeV2, "snappy", pack(t, req))
			if got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), c.says) || got.Header().Get("X-Prometheus-Remote-Write-Samples-Written") != "1" {
				t.Errorf("%s: %d %s %v", c.name, got.Code, got.Body, got.Header())
			}
		}
		if all := samples(t, s, scopetest.Operator(), now); len(all) != 1 || len(all[`{__name__="good", cluster="eu-1"}`]) != 1 {
			t.Errorf("%s: there is %v", c.name, all)
		}
	}
}

// TestRateOfOneTenantHoldsUpNobody: alone in a request a tenant that sends too
// fast is told to come again, and loses nothing; beside others it loses its
// samples, and they do not wait.
func TestRateOfOneTenantHoldsUpNobody(t *testing.T) {
	s, err := tsdb.Open(t.TempDir(), tsdb.Options{SamplesPerSecond: func(id tenant.ID) int { return map[tenant.ID]int{"noisy": 1}[id] }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	h := as(newReceiver(t, s), scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/noisy": "noisy", "eu-1/calm": "calm"}}))
	of := func(namespace string, n int) (out []labels.Labels) {
		for i := range n {
			out = append(out, labels.FromStrings(model.MetricNameLabel, "m", "namespace", namespace, "i", fmt.Sprint(i)))
		}
		return out
	}
	if code, says := sendSeries(t, h, true, now, of("noisy", 100)...); code != http.StatusNoContent {
		t.Errorf("the first ones: %d %s", code, says)
	}
	if code, says := sendSeries(t, h, true, now.Add(time.Second), of("noisy", 5)...); code != http.StatusTooManyRequests || !strings.Contains(says, "limits.samples") {
		t.Errorf("alone: %d %s", code, says)
	}
	// One that can never be stored takes none of the others with it.
	if code, says := sendSeries(t, h, true, now.Add(time.Second), append(of("noisy", 5), labels.FromStrings("namespace", "noisy"))...); code != http.StatusTooManyRequests || !strings.Contains(says, "limits.samples") {
		t.Errorf("with a bad one: %d %s", code, says)
	}
	code, says := sendSeries(t, h, true, now.Add(time.Second), append(of("noisy", 5), of("calm", 5)...)...)
	if code != http.StatusBadRequest || !strings.Contains(says, "5 samples were refused") || !strings.Contains(says, "limits.samples") {
		t.Errorf("beside others: %d %s", code, says)
	}
	if got := samples(t, s, scopetest.Read("calm"), now); len(got) != 5 {
		t.Errorf("the neighbour has %v", got)
	}
}

// TestExemplarsAlone: Prometheus sends exemplars as series without a sample.
func TestExemplarsAlone(t *testing.T) {
	now := time.Now()
	s := openStore(t, t.TempDir())
	h := as(newReceiver(t, s), scopetest.Write("a"))
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	if code, says := sendSeries(t, h, true, now, ls); code != http.StatusNoContent {
		t.Fatalf("%d %s", code, says)
	}
	req := &writev2.Request{
		Symbols: []string{"", "__name__", "m", "trace_id", "x", "unknown"},
		Timeseries: []writev2.TimeSeries{
			{LabelsRefs: []uint32{1, 2}, Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{3, 4}, Value: 1, Timestamp: now.UnixMilli()}}},
			{LabelsRefs: []uint32{1, 5}, Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{3, 4}, Value: 1, Timestamp: now.UnixMilli()}}},
		},
	}
	got := post(h, typeV2, "snappy", pack(t, req))
	if got.Code != http.StatusNoContent || got.Header().Get("X-Prometheus-Remote-Write-Exemplars-Written") != "1" {
		t.Errorf("%d %s %v", got.Code, got.Body, got.Header())
	}
	q, err := s.Queryable(scopetest.Read("a")).ExemplarQuerier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := q.Select(0, now.UnixMilli()+1, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "m")})
	if err != nil || len(found) != 1 || len(found[0].Exemplars) != 1 {
		t.Errorf("%v %v", found, err)
	}
}
