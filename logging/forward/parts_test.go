package forward

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// labelled knows every pod, and the same of all.
type labelled string

func (l labelled) Pod(ref logging.PodRef, _ time.Time) (logging.Pod, bool) {
	return logging.Pod{Namespace: ref.Namespace, Name: ref.Name, Labels: string(l)}, true
}

// cuts notes how many records each batch has.
type cuts struct{ sizes []int }

func (c *cuts) Append(_ context.Context, _ tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	c.sizes = append(c.sizes, len(b.Records))
	return make([]logging.ItemResult, len(b.Records)), nil
}

// A chunk that comes again is cut into the same parts, whatever is known of its pods
// by then: else a part would be taken for one that was stored, with records that were
// not in it.
func TestPartsAreCutAlike(t *testing.T) {
	var entries arr
	for range 3000 {
		entries = append(entries, arr{int(now()), rec{"log", strings.Repeat("x", 2000), "kubernetes", rec{"namespace_name", "shop", "pod_name", "web"}}})
	}
	frame := pack(arr{"t", entries, rec{"chunk", "id"}})
	parts := func(pods logging.Pods) []int {
		c := &cuts{}
		s := New(Options{Appender: c, Stamper: &logging.Stamper{Pods: pods, PodsOf: "eu-1"}})
		w := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop"}})
		f, err := parseFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		tk := taker{s: s, work: t.Context(), draining: func() bool { return false }, w: w}
		if err := tk.chunk(&f, "key"); err != nil {
			t.Fatal(err)
		}
		return c.sizes
	}
	before, after := parts(nil), parts(labelled(`{"app":"`+strings.Repeat("y", 1000)+`"}`))
	if len(before) < 2 || !slices.Equal(before, after) {
		t.Errorf("parts of %d records, and then of %d", before, after)
	}
}
