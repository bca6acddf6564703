package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestIndexStaysSmall: with many tenants in every commit the index in memory
// does not grow with the commits.
func TestIndexStaysSmall(t *testing.T) {
	const tenants, commits = 500, 120
	s, _ := open(t, vfs.NewMem(), Options{SegmentBytesMax: 1 << 20, fineSectionsMax: 100})
	defer closeStore(t, s)
	of := map[string]tenant.ID{}
	b := logging.Batch{}
	for i := range tenants {
		of[fmt.Sprintf("eu/ns%d", i)] = tenant.ID(fmt.Sprintf("team%d", i))
		r := rec("web", noon, "one line of many, as long as lines are")
		r.Tenant, r.Namespace = tenant.ID(fmt.Sprintf("team%d", i)), fmt.Sprintf("ns%d", i)
		b.Records = append(b.Records, r)
	}
	w := scopetest.WriteCluster(cluster, scopetest.Owners{Of: of})
	for range commits {
		if _, err := s.Append(context.Background(), w, b); err != nil {
			t.Fatal(err)
		}
	}
	sections := 0
	for _, f := range s.files {
		sections += len(f.sections)
	}
	if most := tenants*(len(s.files)-1) + len(s.active().sections); sections > most || len(s.files) < 8 {
		t.Errorf("%d sections in memory in %d files, want at most %d", sections, len(s.files), most)
	}
	if got := messages(t, s, scopetest.Read("team7")); len(got) != commits {
		t.Errorf("%d records of a tenant, want %d", len(got), commits)
	}
	if got := messages(t, s, scopetest.Operator()); len(got) != tenants*commits {
		t.Errorf("%d records of all, want %d", len(got), tenants*commits)
	}
}
