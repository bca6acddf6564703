package scrape

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/value"

	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestFederate pulls from a stand-in for a Prometheus server: its times are kept,
// each namespace is asked for by itself, and what is gone there is stale here.
func TestFederate(t *testing.T) {
	var (
		mu    sync.Mutex
		asked = map[string]bool{}
		gone  bool
	)
	at := time.Now().Add(-10 * time.Second).UnixMilli()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		match := r.URL.Query()["match[]"]
		asked[r.URL.Path+" "+strings.Join(match, " ")] = true
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		if !gone && strings.Contains(match[0], "shop-prod") {
			at += 1000
			_, _ = fmt.Fprintf(w, "# TYPE m untyped\nm{job=\"web\",instance=\"web-0\",namespace=\"shop-prod\",cluster=\"theirs\"} 7 %d\n", at)
		}
	}))
	t.Cleanup(srv.Close)
	_, store := run(t, Options{
		Owned: owned, Namespaces: func() []string { return []string{"billing", "shop-prod"} },
		Federate: []Federate{{URL: srv.URL + "/prom", Match: []string{`{job="web"}`, `up`}}},
	})
	const want = `{__name__="m", cloud="private", cluster="eu-1", instance="web-0", job="web", namespace="shop-prod", region="eu"}`
	until(t, "a series of the server's", func() bool {
		return last(t, store, scopetest.Read("shop"), model.MetricNameLabel, "m")[want] == 7
	})
	if got := last(t, store, scopetest.Read("billing"), model.MetricNameLabel, "m"); len(got) != 0 {
		t.Errorf("billing has %v", got)
	}
	until(t, "up of what billing is asked for", func() bool {
		return len(last(t, store, scopetest.Read("billing"), model.MetricNameLabel, "up", "job", "federate")) == 2
	})
	mu.Lock()
	var paths []string
	for p := range asked {
		paths = append(paths, p)
	}
	gone = true
	mu.Unlock()
	slices.Sort(paths)
	if want := []string{
		`/prom/federate {__name__="up",namespace="billing"}`, `/prom/federate {__name__="up",namespace="shop-prod"}`,
		`/prom/federate {job="web",namespace="billing"}`, `/prom/federate {job="web",namespace="shop-prod"}`,
	}; !slices.Equal(paths, want) {
		t.Errorf("asked for %q, want %q", paths, want)
	}
	until(t, "staleness of what the server shows no longer", func() bool {
		return value.IsStaleNaN(last(t, store, scopetest.Read("shop"), model.MetricNameLabel, "m")[want])
	})
	for _, f := range []Federate{{URL: "prometheus:9090"}, {URL: "http://p", Match: []string{"{"}}} {
		if f.check() == nil {
			t.Errorf("took %+v", f)
		}
	}
}
