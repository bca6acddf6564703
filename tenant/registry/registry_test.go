package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/tenant"
)

var eu = tenant.Cluster{Name: "eu-1", Region: "eu", Cloud: "private"}

// world is a registry with a clock of its own, reopened at will.
type world struct {
	t       *testing.T
	dir     string
	now     time.Time
	opts    Options
	reg     *Registry
	events  []Event
	changed []tenant.ID
	version map[string]uint64
}

func newWorld(t *testing.T, grants ...Grant) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), version: map[string]uint64{}}
	w.opts = Options{
		Clock:    func() time.Time { return w.now },
		Grants:   grants,
		OnEvent:  func(e Event) { w.events = append(w.events, e) },
		OnChange: func(id tenant.ID) { w.changed = append(w.changed, id) },
	}
	w.reopen()
	t.Cleanup(func() { w.reg.Close() })
	return w
}

func (w *world) reopen() {
	w.t.Helper()
	if w.reg != nil {
		if err := w.reg.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	reg, err := Open(w.dir, w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.reg = reg
	clear(w.version)
}

func (w *world) wait(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) snapshot(c tenant.Cluster, claims ...tenant.Claim) map[string]tenant.Decision {
	w.t.Helper()
	w.version[c.Name]++
	ds, err := w.reg.Snapshot(context.Background(), c, w.version[c.Name], claims)
	if err != nil {
		w.t.Fatal(err)
	}
	return byNamespace(ds)
}

func (w *world) changes(c tenant.Cluster, set []tenant.Claim, ended ...string) map[string]tenant.Decision {
	w.t.Helper()
	w.version[c.Name]++
	ds, err := w.reg.Changes(context.Background(), c, w.version[c.Name], set, ended)
	if err != nil {
		w.t.Fatal(err)
	}
	return byNamespace(ds)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// owner checks whose the namespace is at a time; "" is nobody's.
func (w *world) owner(cluster, ns string, at time.Time, want tenant.ID) {
	w.t.Helper()
	got, ok := w.reg.Owner(cluster, ns, at)
	if got != want || ok != (want != "") {
		w.t.Errorf("owner of %s/%s at %s: %q, %v; want %q", cluster, ns, at.Format(time.DateTime), got, ok, want)
	}
}

func (w *world) kinds() []Kind {
	var out []Kind
	for _, e := range w.events {
		out = append(out, e.Kind)
	}
	w.events = nil
	return out
}

func byNamespace(ds []tenant.Decision) map[string]tenant.Decision {
	out := map[string]tenant.Decision{}
	for _, d := range ds {
		out[d.Namespace] = d
	}
	return out
}

func claim(ns, uid, id string, groups ...string) tenant.Claim {
	return tenant.Claim{Namespace: ns, UID: uid, Tenant: id, Groups: groups, Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// sight is all that readers see of a registry.
type sight struct {
	States  []State
	All     []tenant.Tenant
	History map[string]history
}

func look(r *Registry) sight {
	s := sight{States: r.States(), All: slices.Collect(r.All()), History: map[string]history{}}
	for k, h := range r.st.hist {
		s.History[k.cluster+"/"+k.namespace] = *h
	}
	return s
}

func TestNamespaceBecomesATenantAndIsGoneAgain(t *testing.T) {
	w := newWorld(t)
	start := w.now
	d := w.snapshot(eu, claim("pay", "u1", "payments", "g1", " g2 ", "g1"))
	if got := d["pay"]; got.Tenant != "payments" || got.Status != tenant.StatusReady || got.UID != "u1" {
		t.Fatalf("decision: %+v", got)
	}
	tn, ok := w.reg.Lookup("payments")
	want := tenant.Tenant{ID: "payments", Groups: []string{"g1", "g2"}, Since: start, Namespaces: []tenant.Namespace{{
		Life: tenant.Life{Cluster: "eu-1", Namespace: "pay", UID: "u1", From: start}, OnDelete: tenant.Archive,
	}}}
	if diff := cmp.Diff(want, tn); !ok || diff != "" {
		t.Fatalf("lookup (-want +got):\n%s", diff)
	}
	w.owner("eu-1", "pay", start, "payments")
	w.owner("eu-1", "pay", start.Add(-48*time.Hour), "payments") // logs from before
	w.owner("eu-2", "pay", start, "")

	w.wait(time.Hour)
	end := w.now
	w.changes(eu, nil, "u1")
	if _, ok := w.reg.Lookup("payments"); ok {
		t.Error("a tenant without namespaces exists")
	}
	if n := len(slices.Collect(w.reg.All())); n != 0 {
		t.Errorf("%d tenants, want none", n)
	}
	w.owner("eu-1", "pay", end.Add(-time.Second), "payments")
	w.owner("eu-1", "pay", end.Add(9*time.Minute), "payments") // dying pods
	w.owner("eu-1", "pay", end.Add(10*time.Minute), "")
	w.owner("eu-1", "pay", start.Add(-time.Second), "") // the first life is over
	sealed := w.reg.Sealed("payments")
	if len(sealed) != 1 || !sealed[0].Covers(start.Add(-time.Hour)) || !sealed[0].Covers(end.Add(9*time.Minute)) || sealed[0].Covers(end.Add(10*time.Minute)) {
		t.Errorf("sealed: %+v", sealed)
	}
	if diff := cmp.Diff([]Kind{Onboarded, Began, Ended, Offboarded}, w.kinds()); diff != "" {
		t.Error(diff)
	}

	// The name stays with its groups while the archive is kept.
	d = w.changes(eu, []tenant.Claim{claim("mine", "u2", "payments", "thieves")})
	if d["mine"].Tenant != "" || d["mine"].Status != refusalGroups {
		t.Errorf("decision on a name that is kept: %+v", d["mine"])
	}
	w.wait(7 * 24 * time.Hour)
	w.events = nil
	w.must(w.reg.Sweep(context.Background()))
	if got := w.reg.Sealed("payments"); len(got) != 0 {
		t.Errorf("still sealed: %+v", got)
	}
	if len(w.events) != 1 || w.events[0].Kind != Expired || w.events[0].Life.UID != "u1" {
		t.Errorf("events: %+v", w.events)
	}
	if got := w.reg.Known(); len(got) != 0 {
		t.Errorf("known: %v", got)
	}
	d = w.changes(eu, nil)
	if d["mine"].Tenant != "payments" {
		t.Errorf("the freed name is refused: %+v", d["mine"])
	}
	// What came before the forgotten life is not the new one's.
	w.changes(eu, []tenant.Claim{claim("pay", "u3", "others")})
	w.owner("eu-1", "pay", start, "")
	w.owner("eu-1", "pay", w.now, "others")
}

func TestRecreatedNamespace(t *testing.T) {
	w := newWorld(t)
	start := w.now
	w.snapshot(eu, claim("pay", "u1", "payments", "g"))
	w.wait(time.Hour)
	w.snapshot(eu, claim("pay", "u2", "payments", "g")) // its end was missed
	second := w.now
	w.owner("eu-1", "pay", second.Add(-time.Minute), "payments")
	w.owner("eu-1", "pay", start.Add(-time.Minute), "") // that was the first life's
	sealed := w.reg.Sealed("payments")
	if len(sealed) != 1 || sealed[0].UID != "u1" || !sealed[0].To.Equal(second) {
		t.Errorf("sealed: %+v, want the first life up to the second one", sealed)
	}
	tn, _ := w.reg.Lookup("payments")
	if len(tn.Namespaces) != 1 || tn.Namespaces[0].UID != "u2" || !tn.Namespaces[0].From.Equal(second) {
		t.Errorf("living: %+v", tn.Namespaces)
	}
	if !tn.Since.Equal(start) {
		t.Errorf("since %s, want %s: the tenant never went", tn.Since, start)
	}
}

func TestNamespaceChangesTenant(t *testing.T) {
	w := newWorld(t)
	w.snapshot(eu, claim("pay", "u1", "payments", "g"), claim("pay2", "u9", "payments", "g"))
	w.wait(time.Hour)
	moved := w.now
	d := w.changes(eu, []tenant.Claim{claim("pay", "u1", "billing", "h")})
	if d["pay"].Tenant != "billing" {
		t.Fatalf("decision: %+v", d["pay"])
	}
	w.owner("eu-1", "pay", moved.Add(-time.Minute), "payments")
	w.owner("eu-1", "pay", moved, "billing")
	if s := w.reg.Sealed("payments"); len(s) != 1 || !s[0].To.Equal(moved) {
		t.Errorf("sealed: %+v", s)
	}
	if s := w.reg.Sealed("billing"); len(s) != 0 {
		t.Errorf("sealed of the new tenant: %+v", s)
	}
	// And back at the same moment: lives do not overlap.
	w.changes(eu, []tenant.Claim{claim("pay", "u1", "payments", "g")})
	w.owner("eu-1", "pay", moved, "payments")
	h := w.reg.st.hist[key{"eu-1", "pay"}]
	for i := 1; i < len(h.Lives); i++ {
		if h.Lives[i].From.Before(h.Lives[i-1].To) || h.Lives[i-1].To.IsZero() {
			t.Errorf("lives overlap: %+v", h.Lives)
		}
	}
}

func TestClaimResumesItsLife(t *testing.T) {
	w := newWorld(t)
	start := w.now
	w.snapshot(eu, claim("pay", "u1", "payments", "g"), claim("pay2", "u2", "payments", "g"))
	w.wait(time.Hour)
	// A slip in an annotation ends the namespace's window ...
	d := w.changes(eu, []tenant.Claim{claim("pay", "u1", "payments", "gg")})
	if d["pay"].Tenant != "" || d["pay"].Status != refusalGroups {
		t.Fatalf("decision: %+v", d["pay"])
	}
	if len(w.reg.Sealed("payments")) != 1 {
		t.Error("not sealed")
	}
	// ... and mending it brings all of it back.
	w.wait(time.Hour)
	w.changes(eu, []tenant.Claim{claim("pay", "u1", "payments", "g")})
	if s := w.reg.Sealed("payments"); len(s) != 0 {
		t.Errorf("sealed: %+v", s)
	}
	tn, _ := w.reg.Lookup("payments")
	if !tn.Namespaces[0].From.Equal(start) {
		t.Errorf("the life begins at %s, want %s", tn.Namespaces[0].From, start)
	}
	// A roster that came up empty by mistake does no harm either.
	w.snapshot(eu)
	w.snapshot(eu, claim("pay", "u1", "payments", "g"), claim("pay2", "u2", "payments", "g"))
	if s := w.reg.Sealed("payments"); len(s) != 0 {
		t.Errorf("sealed: %+v", s)
	}
}

func TestPurge(t *testing.T) {
	w := newWorld(t)
	c := claim("pay", "u1", "payments", "g")
	c.OnDelete = tenant.Purge
	w.snapshot(eu, c)
	w.wait(time.Hour)
	bad := c
	bad.Problems = []string{"oriel/limits: \"many\" is not a number"}
	if d := w.changes(eu, []tenant.Claim{bad}); d["pay"].Status != bad.Problems[0] {
		t.Fatalf("decision: %+v", d["pay"])
	}
	if slices.Contains(w.kinds(), Purge) {
		t.Fatal("a slip in an annotation purges")
	}
	w.changes(eu, []tenant.Claim{c})
	w.changes(eu, nil, "u1")
	for _, e := range w.events {
		if e.Kind == Purge && (!e.Life.To.Equal(w.now) || !e.Life.Covers(w.now.Add(-1000*time.Hour))) {
			t.Errorf("what is to be purged: %+v, want everything up to the end, and nothing that a next life may have", e.Life)
		}
	}
	if diff := cmp.Diff([]Kind{Onboarded, Resumed, Ended, Purge, Offboarded}, w.kinds()); diff != "" {
		t.Error(diff)
	}
	if s := w.reg.Sealed("payments"); len(s) != 1 {
		t.Errorf("sealed: %+v", s)
	}
	w.reopen()
	if p := w.reg.purged(); len(p) != 1 || p[0].Tenant != "payments" || p[0].Life.UID != "u1" {
		t.Errorf("purged, to be told again at the start: %+v", p)
	}
	// The same namespace back again is a new life: nothing is left of the old one.
	w.snapshot(eu, c)
	if s := w.reg.Sealed("payments"); len(s) != 1 {
		t.Errorf("sealed: %+v", s)
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	call := func(version uint64, want error) {
		t.Helper()
		if _, err := w.reg.Changes(ctx, eu, version, nil, nil); !errors.Is(err, want) {
			t.Errorf("changes with version %d: %v, want %v", version, err, want)
		}
	}
	call(1, tenant.ErrStaleRoster) // nothing known yet
	if _, err := w.reg.Snapshot(ctx, eu, 7, nil); err != nil {
		t.Fatal(err)
	}
	call(7, tenant.ErrStaleRoster)
	call(9, tenant.ErrStaleRoster)
	call(8, nil)
	call(9, nil)
	if _, err := w.reg.Snapshot(ctx, eu, 1, nil); err != nil { // an agent's new life
		t.Fatal(err)
	}
	call(2, nil)
	w.reopen()
	call(3, tenant.ErrStaleRoster)
	if _, err := w.reg.Changes(ctx, tenant.Cluster{Name: "eu-2"}, 3, nil, nil); !errors.Is(err, tenant.ErrStaleRoster) {
		t.Errorf("another cluster: %v", err)
	}
	if _, err := w.reg.Snapshot(ctx, tenant.Cluster{}, 1, nil); err == nil {
		t.Error("a cluster without a name is accepted")
	}
}

func TestStatusFollowsTheStages(t *testing.T) {
	w := newWorld(t)
	missing := []string{"grafana", "access"}
	w.opts.Stages = func(tenant.ID) (map[string]float64, []string) { return map[string]float64{"tsdb": 0.1}, missing }
	w.reopen()
	d := w.snapshot(eu, claim("pay", "u1", "payments"))
	if d["pay"].Status != "pending: grafana, access" || d["pay"].Stages["tsdb"] != 0.1 {
		t.Errorf("decision: %+v", d["pay"])
	}
	missing = nil
	if d = w.changes(eu, nil); d["pay"].Status != tenant.StatusReady {
		t.Errorf("decision: %+v", d["pay"])
	}
}

func TestSettingsFollowTheAnnotations(t *testing.T) {
	w := newWorld(t)
	c := claim("pay", "u1", "payments", "g")
	w.snapshot(eu, c)
	w.changed = nil
	w.changes(eu, []tenant.Claim{c})
	if len(w.changed) != 0 {
		t.Errorf("a claim said again changes %v", w.changed)
	}
	c.Limits.SeriesMax = 500
	c.Retention.Logs = 24 * time.Hour
	c.DependsOn = []string{"billing"}
	d := w.changes(eu, []tenant.Claim{c})
	tn, _ := w.reg.Lookup("payments")
	ns := tn.Namespaces[0]
	if ns.Limits.SeriesMax != 500 || ns.Retention.Logs != 24*time.Hour || ns.DependsOn[0] != "billing" || d["pay"].Limits.SeriesMax != 500 {
		t.Errorf("namespace %+v, decision %+v", ns, d["pay"])
	}
	if diff := cmp.Diff([]tenant.ID{"payments"}, w.changed); diff != "" {
		t.Error(diff)
	}
}

func big(b *testing.B) *Registry {
	reg, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { reg.Close() })
	var claims []tenant.Claim
	for i := range 2000 {
		claims = append(claims, claim(fmt.Sprintf("ns-%d", i), fmt.Sprintf("uid-%d", i), fmt.Sprintf("team-%d", i), "g"))
	}
	if _, err := reg.Snapshot(context.Background(), eu, 1, claims); err != nil {
		b.Fatal(err)
	}
	return reg
}

func BenchmarkOwner2000Tenants(b *testing.B) {
	reg := big(b)
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := reg.Owner("eu-1", "ns-1234", now); !ok {
				b.Error("no owner")
			}
		}
	})
}

func BenchmarkChange2000Tenants(b *testing.B) {
	reg := big(b)
	v := uint64(1)
	for b.Loop() {
		v++
		c := claim("ns-1", "uid-1", "team-1", "g")
		c.Limits.SeriesMax = int(v)
		if _, err := reg.Changes(context.Background(), eu, v, []tenant.Claim{c}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
