package losses

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// A loss is the owner's of its namespace; without one it is the operator's.
func TestLosses(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	w := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop-prod": "shop", "eu-1/pay": "billing"}})
	l := New(Options{Appendable: func(w tenant.Write) metrics.Appendable { return metrics.Scoped(store, w) }, Clock: clock})
	l.Add(w, Loss{Namespace: "shop-prod", Node: "n1", Reason: "quota", Records: 3})
	l.Add(w, Loss{Node: "n1", Reason: "journal_gap", Records: 5})
	l.Add(scopetest.Write("billing"), Loss{Reason: "quota", Records: 1})
	l.write(t.Context())
	now = now.Add(l.o.Every)
	l.Add(w, Loss{Namespace: "shop-prod", Node: "n1", Reason: "quota", Records: 4})
	l.write(t.Context())

	for id, want := range map[tenant.ID][]float64{"shop": {0, 3, 7}, tenant.System: {0, 5, 5}, "billing": {0, 1, 1}} {
		q, err := store.Queryable(scopetest.Read(id)).Querier(0, now.UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
		set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, Name))
		n := 0
		for ; set.Next(); n++ {
			var got []float64
			it := set.At().Iterator(nil)
			for it.Next() != 0 {
				_, v := it.At()
				got = append(got, v)
			}
			if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
				t.Errorf("%s: %s is %v, want %v", id, set.At().Labels(), got, want)
			}
			if set.At().Labels().Get("cluster") == "" {
				t.Errorf("%s", set.At().Labels())
			}
		}
		if n != 1 || set.Err() != nil {
			t.Errorf("%s: %d series, %v", id, n, set.Err())
		}
		q.Close()
	}
}

// A tenant that has as many series as it may keeps no other from seeing its losses.
func TestRefusedAlone(t *testing.T) {
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{LabelValueBytesMax: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	of := map[string]tenant.ID{"eu-1/shop": "shop"}
	long := strings.Repeat("x", 40)
	of["eu-1/"+long] = "long"
	w := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: of})
	for i := range 20 { // in whatever order they are written
		now := time.Now().Add(time.Duration(i) * time.Minute)
		l := New(Options{Appendable: func(w tenant.Write) metrics.Appendable { return metrics.Scoped(store, w) }, Clock: func() time.Time { return now }})
		l.Add(w, Loss{Namespace: long, Reason: "quota", Records: 1})
		l.Add(w, Loss{Namespace: "shop", Reason: "quota", Records: 1})
		l.write(t.Context())
		if k := (key{w.Who(), "shop", "", "quota"}); !l.series[k].begun {
			t.Fatal("the other tenant's losses are not written")
		}
	}
}

// Who may choose the namespaces of what is lost does not fill the memory.
func TestBounded(t *testing.T) {
	l := New(Options{})
	for i := range seriesMax + 100 {
		l.Add(scopetest.Write("shop"), Loss{Namespace: fmt.Sprint("n", i), Node: "n1", Reason: "quota", Records: 1})
	}
	if n := len(l.series); n != seriesMax+1 || l.series[key{scopetest.Write("shop").Who(), "", "", "quota"}].total != 100 {
		t.Errorf("%d series", n)
	}
}

// What nobody loses any more is forgotten after a day.
func TestForgotten(t *testing.T) {
	now := time.Now()
	l := New(Options{Clock: func() time.Time { return now }, Appendable: func(tenant.Write) metrics.Appendable { t.Error("was written"); return nil }})
	l.Add(scopetest.Write("shop"), Loss{Reason: "quota", Records: 1})
	now = now.Add(forgotten + time.Second)
	l.write(t.Context())
	if len(l.series) != 0 {
		t.Fatal("is still there")
	}
}
