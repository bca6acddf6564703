package tsdb

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// BenchmarkOperator is an operator's question over 500 tenants, of few series of
// each and of many.
func BenchmarkOperator(b *testing.B) {
	const tenants, each = 500, 100
	at := time.Now()
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range tenants {
		id := tenant.ID(fmt.Sprint("t", i))
		app := s.Appender(context.Background(), scopetest.Write(id))
		for j := range each {
			ls := labels.FromStrings(model.MetricNameLabel, fmt.Sprint("m", j%10), "namespace", string(id), "pod", fmt.Sprint("pod-", j/10), "job", "app", "instance", "10.0.0.1:8080")
			if _, err := app.Append(0, ls, 0, at.UnixMilli(), float64(j), nil, nil, storage.AOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	engine := promqltest.NewTestEngine(b, false, 0, 50_000_000)
	for _, c := range []struct {
		query  string
		series int
	}{{`sum(m0{pod="pod-0"})`, tenants}, {`sum(m0)`, tenants * each / 10}, {`sum by (__name__) ({job="app"})`, tenants * each}} {
		b.Run(fmt.Sprint(c.series), func(b *testing.B) {
			for b.Loop() {
				q, err := engine.NewInstantQuery(context.Background(), s.Queryable(scopetest.Operator()), nil, c.query, at)
				if err != nil {
					b.Fatal(err)
				}
				if res := q.Exec(context.Background()); res.Err != nil {
					b.Fatal(res.Err)
				}
				q.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.series), "ns/series")
		})
	}
}

// BenchmarkTenancy is the same query over a scope of one tenant and over its
// database alone.
func BenchmarkTenancy(b *testing.B) {
	const series = 20_000
	at := time.Now()
	s, err := Open(b.TempDir(), Options{Silences: func() map[string]int64 { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	app := s.Appender(context.Background(), scopetest.Write("a"))
	for j := range series {
		ls := labels.FromStrings(model.MetricNameLabel, fmt.Sprint("m", j%100), "namespace", "shop", "pod", fmt.Sprint("pod-", j/100), "job", "app", "instance", "10.0.0.1:8080")
		for i := range 20 {
			if _, err := app.Append(0, ls, 0, at.Add(time.Duration(15*i-300)*time.Second).UnixMilli(), float64(j*i), nil, nil, storage.AOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		b.Fatal(err)
	}
	db, err := s.database("a")
	if err != nil {
		b.Fatal(err)
	}
	defer db.release()
	engine := promqltest.NewTestEngine(b, false, 0, 50_000_000)
	for _, c := range []struct {
		name string
		q    storage.Queryable
	}{{"alone", db.db}, {"scoped", s.Queryable(scopetest.Read("a"))}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				q, err := engine.NewInstantQuery(context.Background(), c.q, nil, `sum by (__name__) ({job="app"})`, at)
				if err != nil {
					b.Fatal(err)
				}
				if res := q.Exec(context.Background()); res.Err != nil {
					b.Fatal(res.Err)
				}
				q.Close()
			}
		})
	}
}
