package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// rows counts the records in segments, by tenant.
func rows(s *Store) map[tenant.ID]int {
	out := map[tenant.ID]int{}
	for _, f := range s.manifest.state.segments {
		for i := range f.parts {
			if p := &f.parts[i]; !p.dead {
				out[p.tenant] += p.rows
			}
		}
	}
	return out
}

// TestPurgeIsCarriedOut: a purge hides at once, a merge drops the bytes, and then
// a sweep forgets the purge.
func TestPurgeIsCarriedOut(t *testing.T) {
	ctx := context.Background()
	fs := vfs.NewMem()
	s, _ := open(t, fs, Options{idle: true})
	for i := range 20 {
		appendTo(t, s, logging.Batch{Records: []logging.Record{
			rec("web", noon.Add(time.Duration(i)*time.Minute), fmt.Sprint("w", i)),
			rec("cart", noon.Add(time.Duration(i)*time.Minute), fmt.Sprint("c", i)),
			rec("pay", noon.Add(time.Duration(i)*time.Minute), fmt.Sprint("p", i)),
		}})
	}
	flushed(t, s)
	purge := func(id tenant.ID, cluster, namespace string, from, to time.Time) {
		t.Helper()
		if err := s.Purge(ctx, id, cluster, namespace, from, to); err != nil {
			t.Fatal(err)
		}
	}
	seen := func(want int) {
		t.Helper()
		if got := messages(t, s, scopetest.Operator()); len(got) != want {
			t.Errorf("%d records show, want %d: %q", len(got), want, got)
		}
	}
	purge("shop", "eu", "cart", noon.Add(5*time.Minute), time.Time{}) // a part of a block
	seen(45)
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("cart", noon.Add(10*time.Minute), "after")}})
	if n := rows(s); n["shop"] != 40 {
		t.Errorf("before the merge: %v", n)
	}
	merged(t, s)
	if n := rows(s); n["shop"] != 26 || n["billing"] != 20 {
		t.Errorf("after the merge: %v", n)
	}
	seen(46)
	if err := s.Sweep(ctx); err != nil || len(s.manifest.state.purges) != 0 || len(s.purges) != 0 {
		t.Errorf("sweep: %v, %d purges", err, len(s.manifest.state.purges))
	}
	purge("billing", "", "", time.Time{}, time.Time{}) // all of a tenant
	seen(26)
	closeStore(t, s)
	s, _ = open(t, fs, Options{idle: true})
	seen(26)
	merged(t, s)
	if err := s.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if n := rows(s); n["billing"] != 0 || n["shop"] != 26 {
		t.Errorf("after all of billing went: %v", n)
	}
	if len(s.manifest.state.purges) != 0 {
		t.Errorf("purges are left: %+v", s.manifest.state.purges)
	}
	seen(26)
	closeStore(t, s)
}

// TestChoose: neighbours of a size are merged, eight of them, and what is large
// already is left alone.
func TestChoose(t *testing.T) {
	parts := func(rows ...int) (out []*part) {
		for i, n := range rows {
			out = append(out, &part{partInfo: partInfo{rows: n, seqMin: uint64(i)}})
		}
		return out
	}
	small := slices.Repeat([]int{1000}, 8)
	for _, c := range []struct {
		what string
		in   []int
		fan  int
		all  bool
		want int
	}{
		{"too few", small[:7], mergeFan, false, 0},
		{"eight small ones", small, mergeFan, false, 8},
		{"many small ones", slices.Repeat(small, 4), mergeFan, false, mergeFanMax},
		{"behind a large one", append([]int{1 << 20}, small...), mergeFan, false, 8},
		{"apart by a large one", slices.Concat(small[:4], []int{1 << 20}, small[:4]), mergeFan, false, 0},
		{"apart by one not so large", slices.Concat(small[:4], []int{6000}, small[:4]), mergeFan, false, 9},
		{"a large one and less than eight", append([]int{1 << 20}, small[:7]...), mergeFan, false, 0},
		{"beyond what a part may have", slices.Repeat([]int{3 << 20}, 8), mergeFan, false, 0},
		{"of a day that is over", small[:3], mergeFanDone, false, 3},
		{"everything", []int{1 << 20, 5, 100_000}, 2, true, 3},
		{"everything that fits", []int{3 << 20, 3 << 20, 5}, 2, true, 2},
	} {
		if got := choose(parts(c.in...), c.fan, c.all); len(got) != c.want {
			t.Errorf("%s: %d parts, want %d", c.what, len(got), c.want)
		}
	}
}

// TestLateRecords: records of earlier days make parts of those days, which are
// folded into what is there.
func TestLateRecords(t *testing.T) {
	s, _ := open(t, vfs.NewMem(), Options{idle: true})
	for i := range 12 {
		appendTo(t, s, logging.Batch{Records: []logging.Record{
			rec("web", noon.Add(time.Duration(i)*time.Second), fmt.Sprint("new", i)),
			rec("web", noon.Add(-48*time.Hour+time.Duration(i)*time.Second), fmt.Sprint("late", i)),
		}})
		flushed(t, s)
		if err := s.maintain(true); err != nil {
			t.Fatal(err)
		}
	}
	days := map[int32]int{}
	for _, p := range s.versions[len(s.versions)-1].parts["shop"] {
		days[p.day]++
	}
	if len(days) != 2 {
		t.Errorf("days %v", days)
	}
	for day, n := range days {
		if n > mergeFan {
			t.Errorf("day %d has %d parts", day, n)
		}
	}
	if got := messages(t, s, scopetest.Read("shop")); len(got) != 24 {
		t.Errorf("%d records, want 24", len(got))
	}
	closeStore(t, s)
}
