//go:build real

package elastic_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/elastic"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	worlds  = flag.Int("worlds", 5, "sets of records of TestExact")
	queries = flag.Int("queries", 40, "queries to each of them")
	first   = flag.Uint64("seed", 1, "the first set of records of TestExact")
)

// testExact holds random queries over random records against logging.Run.
func testExact(t *testing.T, url string) {
	reg := prometheus.NewRegistry()
	s := open(t, url, func(o *elastic.Options) { o.Registerer, o.Prefix = reg, "exact" })
	defer func() { logScans(t, reg) }()
	ctx := context.Background()
	failed := 0
	for seed := *first; seed < *first+uint64(*worlds); seed++ {
		rnd := rand.New(rand.NewPCG(seed, 1))
		recs := logtest.Records(rnd, 1+rnd.IntN(300))
		id := tenant.ID(fmt.Sprintf("exact-%d", seed))
		for i := range recs {
			recs[i].Tenant = id
		}
		v := keep(t, s, id, recs)
		for n := range *queries {
			q := logtest.Query(rnd)
			got, err := v.Search(ctx, q)
			d := differs(ctx, q, recs, got, err)
			if d == "" && len(q.Sort) > 0 && len(got.Hits) > 1 {
				after := q
				after.Offset, after.After = 0, got.Hits[rnd.IntN(len(got.Hits))].Sort
				got, err = v.Search(ctx, after)
				if d = differs(ctx, after, recs, got, err); d != "" {
					q = after
				}
			}
			if d == "" {
				continue
			}
			small, sq := shrink(t, s, recs, q, fmt.Sprintf("%d-%d", seed, n))
			t.Errorf("seed %d, query %d: %s\nshrunk: %s", seed, n, d, describe(small, sq))
			if failed++; failed > 5 {
				t.Fatal("and so on")
			}
		}
		v.Close()
	}
}

// logScans tells for how many queries records were read.
func logScans(t *testing.T, reg *prometheus.Registry) {
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "oriel_logstore_elastic_scans_total" {
			for _, m := range f.GetMetric() {
				t.Logf("%.0f queries read records: %s", m.GetCounter().GetValue(), m.GetLabel()[0].GetValue())
			}
		}
	}
}

// keep stores records and gives a view of them; their Seq and ID become those
// that the store gave.
func keep(t *testing.T, s *elastic.Store, id tenant.ID, recs []logging.Record) logging.View {
	t.Helper()
	ctx := context.Background()
	res, err := s.Append(ctx, scopetest.Write(id), logging.Batch{Records: recs})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range res {
		if r.Status != logging.Stored {
			t.Fatalf("record %d: %+v", i, r)
		}
		recs[i].Seq, recs[i].ID = r.Seq, r.ID
	}
	v, err := s.Snapshot(ctx, scopetest.Read(id))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func differs(ctx context.Context, q logging.Query, recs []logging.Record, got *logging.Result, err error) string {
	want, wantErr := logging.Run(ctx, q, func(yield func(*logging.Doc) bool) {
		for i := range recs {
			if !yield(logging.NewDoc(&recs[i])) {
				return
			}
		}
	})
	if (wantErr == nil) != (err == nil) {
		return fmt.Sprintf("want error %v, got %v", wantErr, err)
	}
	if err != nil {
		return ""
	}
	return logtest.Diff(want, got)
}

// shrink looks for a smaller case, each in a tenant of its own, for a while.
func shrink(t *testing.T, s *elastic.Store, recs []logging.Record, q logging.Query, name string) ([]logging.Record, logging.Query) {
	n := 0
	return logtest.Shrink(recs, q, func(recs []logging.Record, q logging.Query) bool {
		if n++; n > 150 {
			return false
		}
		id := tenant.ID(fmt.Sprintf("shrunk-%s-%d", name, n))
		recs = slices.Clone(recs)
		for i := range recs {
			recs[i].Tenant = id
		}
		if len(recs) == 0 {
			return false
		}
		v := keep(t, s, id, recs)
		defer v.Close()
		defer s.Purge(context.Background(), id, "", "", time.Time{}, time.Time{})
		got, err := v.Search(context.Background(), q)
		return differs(context.Background(), q, recs, got, err) != ""
	})
}

func describe(recs []logging.Record, q logging.Query) string {
	out := fmt.Sprintf("%+v", q)
	slices.SortFunc(recs, func(a, b logging.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, r := range recs[:min(len(recs), 4)] {
		out += fmt.Sprintf("\n%v %s level=%q msg=%q stamped=%s/%s/%s %s", r.Time, r.Index, r.Level, r.Message, r.Cluster, r.Namespace, r.Pod, r.Source)
	}
	return out
}
