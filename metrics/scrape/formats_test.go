package scrape

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/oriel-project/oriel/internal/queue"
	"github.com/oriel-project/oriel/metrics/remote"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestFormatsArriveAtCentral scrapes each format that targets speak into an
// agent's queue, and finds at central, over remote write, what was exposed.
func TestFormatsArriveAtCentral(t *testing.T) {
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	receiver, err := remote.NewReceiver(remote.ReceiverOptions{Appender: store, Durability: store.Durability})
	if err != nil {
		t.Fatal(err)
	}
	w := scopetest.WriteCluster(eu1, scopetest.Owners{Of: owners})
	central := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		receiver.ServeHTTP(rw, r.WithContext(tenant.WithWrite(r.Context(), w)))
	}))
	defer central.Close()
	q, err := queue.Open(t.TempDir(), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	sender, err := remote.NewSender(remote.SenderOptions{Queue: q, URL: central.URL + "/api/v1/write"})
	if err != nil {
		t.Fatal(err)
	}

	// Protobuf: client_golang's own, with a native histogram and an exemplar.
	reg := prometheus.NewRegistry()
	native := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "native_seconds", Help: "Native.", Buckets: []float64{1, 2}, NativeHistogramBucketFactor: 1.1})
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "proto_total", Help: "With an exemplar."})
	quoted := prometheus.NewGauge(prometheus.GaugeOpts{Name: "höhe.in.metern", ConstLabels: prometheus.Labels{"ort.name": "Ulm"}})
	reg.MustRegister(native, counter, quoted)
	quoted.Set(161.5)
	native.Observe(1.5)
	counter.(prometheus.ExemplarAdder).AddWithExemplar(3, prometheus.Labels{"trace_id": "p1"})
	proto := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	defer proto.Close()
	asked := ""
	open := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Accept")
		rw.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		_, _ = fmt.Fprintf(rw, "# TYPE open counter\n# UNIT open \n# HELP open OpenMetrics.\nopen_total 5 # {trace_id=\"o1\"} 1\nopen_created 1.7e9\n# TYPE nhcb histogram\nnhcb_bucket{le=\"1\"} 2\nnhcb_bucket{le=\"+Inf\"} 3\nnhcb_count 3\nnhcb_sum 4\n# TYPE \"größe.in.äpfeln\" gauge\n# HELP \"größe.in.äpfeln\" UTF-8.\n{\"größe.in.äpfeln\",\"ort.name\"=\"Köln\"} 4\n# EOF\n")
	}))
	defer open.Close()

	m, err := New(Options{Appendable: sender, Cluster: eu1, Interval: time.Second, Static: []Static{
		{Job: "proto", Namespace: "shop-prod", Address: addr(proto)}, {Job: "open", Namespace: "shop-prod", Address: addr(open)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, run := range []func(context.Context) error{m.Run, sender.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	shop := scopetest.Read("shop")
	value := func(name, want string, v float64) {
		t.Helper()
		until(t, name, func() bool {
			for series, got := range last(t, store, shop, model.MetricNameLabel, name) {
				if strings.Contains(series, want) && got == v {
					return true
				}
			}
			return false
		})
	}
	value("proto_total", `job="proto"`, 3)
	value("größe.in.äpfeln", `"ort.name"="Köln"`, 4)
	// As Prometheus, which asks for names as they are in the text formats alone.
	value("h_he_in_metern", `ort_name="Ulm"`, 161.5)
	value("open_total", `job="open"`, 5)
	value("nhcb_bucket", `le="1.0"`, 2)
	value("native_seconds_bucket", `le="2.0"`, 1) // classic, beside the native one
	if !strings.HasPrefix(asked, "application/vnd.google.protobuf") {
		t.Errorf("targets are asked for %s first", asked)
	}

	until(t, "the native histogram", func() bool {
		qr, err := store.Queryable(shop).Querier(math.MinInt64, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		defer qr.Close()
		set := qr.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "native_seconds"))
		for set.Next() {
			it := set.At().Iterator(nil)
			for v := it.Next(); v != chunkenc.ValNone; v = it.Next() {
				if v == chunkenc.ValHistogram {
					_, h := it.AtHistogram(nil)
					return h.Count == 1 && h.Sum == 1.5
				}
			}
		}
		return false
	})
	// When they began is kept with the samples, not as series of their own.
	for name, began := range map[string]func(int64) bool{
		"proto_total":    func(ms int64) bool { return time.Since(time.UnixMilli(ms)) < time.Hour },
		"native_seconds": func(ms int64) bool { return time.Since(time.UnixMilli(ms)) < time.Hour },
		"open_total":     func(ms int64) bool { return ms == 1.7e12 },
	} {
		until(t, "start of "+name, func() bool {
			qr, err := store.Queryable(shop).Querier(math.MinInt64, math.MaxInt64)
			if err != nil {
				t.Fatal(err)
			}
			defer qr.Close()
			for set := qr.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name)); set.Next(); {
				for it := set.At().Iterator(nil); it.Next() != chunkenc.ValNone; {
					if began(it.AtST()) {
						return true
					}
				}
			}
			return false
		})
	}
	if got := last(t, store, shop, model.MetricNameLabel, "open_created"); len(got) > 0 {
		t.Errorf("a start is a series: %v", got)
	}
	for _, id := range []string{"p1", "o1"} {
		until(t, "exemplar "+id, func() bool {
			eq, err := store.Queryable(shop).ExemplarQuerier(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found, err := eq.Select(math.MinInt64, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, "proto_total|open_total")})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				for _, e := range f.Exemplars {
					if e.Labels.Get("trace_id") == id {
						return true
					}
				}
			}
			return false
		})
	}
	for name, want := range map[string]string{"proto_total": "With an exemplar.", "größe.in.äpfeln": "UTF-8."} {
		until(t, "metadata of "+name, func() bool {
			for family, ms := range store.Metadata(shop) {
				if strings.HasPrefix(name, family) && len(ms) > 0 && ms[0].Help == want {
					return true
				}
			}
			return false
		})
	}
}
