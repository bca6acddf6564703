package logging_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// taken stores everything and remembers whose it was.
type taken map[tenant.ID]int

func (s taken) Append(_ context.Context, _ tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	out := make([]logging.ItemResult, len(b.Records))
	for i, r := range b.Records {
		s[r.Tenant]++
		out[i] = logging.ItemResult{Status: logging.Stored}
	}
	return out, nil
}

func records(bytes int, ids ...tenant.ID) (rs []logging.Record) {
	for _, id := range ids {
		rs = append(rs, logging.Record{Tenant: id, Source: make([]byte, bytes)})
	}
	return rs
}

func TestLimited(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	store, refused := taken{}, taken{}
	a := logging.Limited(store, logging.LimitOptions{
		BytesPerSecond: func(id tenant.ID) int64 { return map[tenant.ID]int64{"noisy": 10}[id] },
		OnRefuse:       func(_ tenant.Write, id tenant.ID, _ string, _ logging.LimitKind, n int) { refused[id] += n },
		Clock:          func() time.Time { return now },
	})
	ctx := context.Background()
	cluster := scopetest.WriteCluster(tenant.Cluster{Name: "east"}, scopetest.Owners{})

	// 10 seconds' worth at once, after a quiet time.
	if _, err := a.Append(ctx, scopetest.Write("noisy"), logging.Batch{Records: records(100, "noisy")}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Append(ctx, scopetest.Write("noisy"), logging.Batch{Records: records(50, "noisy", "noisy")}); !errors.Is(err, logging.ErrTooMuch) {
		t.Fatalf("over the limit: got %v, want ErrTooMuch", err)
	}
	if store["noisy"] != 1 {
		t.Fatalf("a refused request left %d records behind", store["noisy"]-1)
	}
	if _, err := a.Append(ctx, cluster, logging.Batch{Records: records(50, "noisy")}); !errors.Is(err, logging.ErrTooMuch) {
		t.Fatalf("over the limit, alone in a cluster's batch: got %v, want ErrTooMuch", err)
	}
	// In a mixed batch only the noisy one pays.
	res, err := a.Append(ctx, cluster, logging.Batch{Records: records(50, "calm", "noisy", "calm")})
	if err != nil {
		t.Fatal(err)
	}
	want := []logging.ItemStatus{logging.Stored, logging.Refused, logging.Stored}
	for i, r := range res {
		if r.Status != want[i] || (r.Status == logging.Refused) != (r.Reason != "") {
			t.Errorf("item %d: got %+v, want status %d", i, r, want[i])
		}
	}
	if store["calm"] != 2 || refused["noisy"] != 1 {
		t.Errorf("stored %v, refused %v; want calm 2, noisy refused 1", store, refused)
	}
	now = now.Add(5 * time.Second)
	if _, err := a.Append(ctx, scopetest.Write("noisy"), logging.Batch{Records: records(50, "noisy")}); err != nil {
		t.Errorf("after a pause: %v", err)
	}
}

// A batch larger than all that a tenant may use at once is taken when that is there.
func TestLimitedLargeBatch(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := logging.Limited(taken{}, logging.LimitOptions{
		BytesPerSecond: func(tenant.ID) int64 { return 10 },
		Clock:          func() time.Time { return now },
	})
	for i, wait := range []time.Duration{0, 9 * time.Second, time.Second} {
		now = now.Add(wait)
		_, err := a.Append(t.Context(), scopetest.Write("noisy"), logging.Batch{Records: records(1000, "noisy")})
		if want := i != 1; (err == nil) != want {
			t.Fatalf("%d: %v", i, err)
		}
	}
}

// TestLimitedStreams: a tenant whose containers are called by numbers does not fill the
// store with streams; those that it has open, and other tenants, go on.
func TestLimitedStreams(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type refusals struct {
		id        tenant.ID
		namespace string
		by        logging.LimitKind
	}
	refused := map[refusals]int{}
	a := logging.Limited(taken{}, logging.LimitOptions{
		BytesPerSecond: func(tenant.ID) int64 { return 0 },
		Streams:        3,
		OnRefuse: func(_ tenant.Write, id tenant.ID, namespace string, by logging.LimitKind, n int) {
			refused[refusals{id, namespace, by}] += n
		},
		Clock: func() time.Time { return now },
	})
	send := func(id tenant.ID, containers ...string) string {
		var b logging.Batch
		for _, c := range containers {
			b.Records = append(b.Records, logging.Record{Tenant: id, Namespace: "prod", Container: c, Source: []byte("{}")})
		}
		res, err := a.Append(t.Context(), scopetest.Write(id), b)
		if err != nil {
			if !errors.Is(err, logging.ErrTooMuch) {
				t.Fatal(err)
			}
			return "429"
		}
		said := ""
		for _, r := range res {
			if r.Status == logging.Refused {
				said += "-"
			} else {
				said += "+"
			}
		}
		return said
	}
	for i, c := range []struct {
		wait       time.Duration
		id         tenant.ID
		containers []string
		want       string
	}{
		{0, "noisy", []string{"web", "web", "job-1"}, "+++"},
		{0, "noisy", []string{"job-2", "job-3", "job-3", "web"}, "+--+"},
		{0, "noisy", []string{"job-4"}, "429"}, // nothing is taken: the sender comes again
		{0, "calm", []string{"web", "db"}, "++"},
		{40 * time.Minute, "noisy", []string{"web", "job-5"}, "+-"},
		{30 * time.Minute, "noisy", []string{"web", "job-5", "job-6", "job-7"}, "+++-"}, // job-1 and job-2 had none for an hour
		{2 * time.Hour, "noisy", []string{"a", "b", "c", "d"}, "+++-"},
	} {
		now = now.Add(c.wait)
		if got := send(c.id, c.containers...); got != c.want {
			t.Errorf("%d: %s %v: got %s, want %s", i, c.id, c.containers, got, c.want)
		}
	}
	if got := refused[refusals{"noisy", "prod", logging.LimitStreams}]; got != 5 || len(refused) != 1 {
		t.Errorf("refused %v, want 5 records by their streams", refused)
	}
}
