package registry

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/tenant"
)

// TestWhoMayJoin is the table of claims that hold and claims that do not, each
// against a tenant "payments" of the groups a and b.
func TestWhoMayJoin(t *testing.T) {
	for _, tc := range []struct {
		name  string
		claim tenant.Claim
		want  string // "" is accepted, else a part of the refusal
	}{
		{"same groups in another order", claim("pay2", "u2", "payments", "b", "a"), ""},
		{"same groups said twice", claim("pay2", "u2", "payments", "a", "b", "a"), ""},
		{"fewer groups", claim("pay2", "u2", "payments", "a"), "taken with other groups"},
		{"more groups", claim("pay2", "u2", "payments", "a", "b", "c"), "taken with other groups"},
		{"no groups", claim("pay2", "u2", "payments"), "taken with other groups"},
		{"another case", claim("pay2", "u2", "payments", "A", "b"), "taken with other groups"},
		{"granted", claim("pay-canary", "u2", "payments"), ""},
		{"granted elsewhere", claim("pay-canary", "u2", "other"), ""},
		{"a new name", claim("pay2", "u2", "other", "x"), ""},
		{"reserved", claim("pay2", "u2", "_system"), "RFC 1123"},
		{"reserved", claim("pay2", "u2", "_unassigned"), "RFC 1123"},
		{"not a label", claim("pay2", "u2", "Payments!"), "RFC 1123"},
		{"empty", claim("pay2", "u2", ""), "RFC 1123"},
		{"path", claim("pay2", "u2", "../payments"), "RFC 1123"},
		{"no UID", claim("pay2", "", "other"), "UID"},
		{"no namespace", claim("", "u2", "other"), "namespace name"},
		{"long namespace", claim(strings.Repeat("n", 64), "u2", "other"), "namespace name"},
		{"long group", claim("pay2", "u2", "other", strings.Repeat("g", 513)), "group"},
		{"problems", tenant.Claim{Namespace: "pay2", UID: "u2", Tenant: "other", Problems: []string{"p1", "p2"}}, "p1; p2"},
		{"on-delete", tenant.Claim{Namespace: "pay2", UID: "u2", Tenant: "other", OnDelete: "burn"}, "archive"},
		{"too many probes", tenant.Claim{Namespace: "pay2", UID: "u2", Tenant: "other", Probes: make([]string, 65)}, "probes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Grant{Cluster: "eu-1", Namespace: "pay-*", Tenant: "payments"})
			first := claim("pay", "u1", "payments", "a", "b")
			second := tc.claim
			second.Created = first.Created.Add(time.Hour)
			d := w.snapshot(eu, second, first)[second.Namespace]
			if tc.want == "" {
				if string(d.Tenant) != second.Tenant || d.Status != tenant.StatusReady {
					t.Fatalf("decision: %+v", d)
				}
				w.owner("eu-1", second.Namespace, w.now, d.Tenant)
				return
			}
			if d.Tenant != "" || !strings.Contains(d.Status, tc.want) {
				t.Fatalf("decision: %+v, want a refusal with %q", d, tc.want)
			}
			w.owner("eu-1", second.Namespace, w.now, "")
			if n := len(w.reg.Refusals()); n != 1 {
				t.Errorf("%d refusals listed", n)
			}
			// Said once, not at every roster.
			before := len(w.events)
			w.changes(eu, nil)
			if len(w.events) != before {
				t.Errorf("told again: %+v", w.events[before:])
			}
		})
	}
}

// TestRefusalTellsNothing: whatever the tenant is, the stranger reads the same.
func TestRefusalTellsNothing(t *testing.T) {
	ctx := context.Background()
	stranger := func(w *world) string {
		return w.snapshot(tenant.Cluster{Name: "eu-9"}, claim("x", "u", "payments", "strangers"))["x"].Status
	}
	for name, prepare := range map[string]func(w *world){
		"claimed": func(w *world) { w.snapshot(eu, claim("secret-ns", "u1", "payments", "secret-group")) },
		"ordered": func(w *world) { w.must(w.reg.Onboard(ctx, "payments", []string{"secret-group"}, nil)) },
		"archived": func(w *world) {
			w.snapshot(eu, claim("secret-ns", "u1", "payments", "secret-group"))
			w.snapshot(eu)
		},
		"offboarded": func(w *world) {
			w.must(w.reg.Onboard(ctx, "payments", []string{"secret-group"}, nil))
			w.must(w.reg.Offboard(ctx, "payments"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			if got := stranger(w); got != refusalGroups || strings.Contains(got, "secret") {
				t.Errorf("the stranger reads: %s", got)
			}
		})
	}
}

func TestTheOldestNamespaceClaimsFirst(t *testing.T) {
	w := newWorld(t)
	young, old := claim("a-young", "u1", "payments", "young"), claim("z-old", "u2", "payments", "old")
	young.Created = old.Created.Add(time.Second)
	d := w.snapshot(eu, young, old)
	if d["z-old"].Tenant != "payments" || d["a-young"].Tenant != "" {
		t.Errorf("decisions: %+v", d)
	}
	// What was refused holds once it may.
	d = w.changes(eu, nil, "u2")
	if d["a-young"].Tenant != "" {
		t.Error("the name is kept while its archive is")
	}
	w.wait(8 * 24 * time.Hour)
	w.must(w.reg.Sweep(context.Background()))
	if d = w.changes(eu, nil); d["a-young"].Tenant != "payments" {
		t.Errorf("decisions: %+v", d)
	}
}

func TestGroupsOfALoneNamespace(t *testing.T) {
	w := newWorld(t)
	w.snapshot(eu, claim("pay", "u1", "payments", "a"))
	w.wait(time.Hour)
	d := w.changes(eu, []tenant.Claim{claim("pay", "u1", "payments", "b")})
	tn, _ := w.reg.Lookup("payments")
	if d["pay"].Tenant != "payments" || !cmp.Equal(tn.Groups, []string{"b"}) || len(w.reg.Sealed("payments")) != 0 {
		t.Errorf("decision %+v, tenant %+v", d["pay"], tn)
	}
	// Not with an archive of another life: those logs were the old groups'.
	w.changes(eu, []tenant.Claim{claim("pay", "u2", "payments", "b")}, "u1")
	d = w.changes(eu, []tenant.Claim{claim("pay", "u2", "payments", "c")})
	if d["pay"].Status != refusalGroups {
		t.Errorf("decision: %+v", d["pay"])
	}
}

func TestSameNameInTwoClusters(t *testing.T) {
	w := newWorld(t)
	us := tenant.Cluster{Name: "us-1"}
	w.snapshot(eu, claim("pay", "u1", "payments", "g"))
	w.snapshot(us, claim("pay", "u2", "other", "h"))
	w.owner("eu-1", "pay", w.now, "payments")
	w.owner("us-1", "pay", w.now, "other")
	w.snapshot(us)
	w.owner("eu-1", "pay", w.now, "payments")
	if _, ok := w.reg.Lookup("other"); ok {
		t.Error("ended namespace still makes a tenant")
	}
	if diff := cmp.Diff([]string{"eu-1", "us-1"}, []string{w.reg.Clusters()[0].Name, w.reg.Clusters()[1].Name}); diff != "" {
		t.Error(diff)
	}
}

func TestOperator(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	infra := NamespaceRef{"eu-1", "infra"}
	w.must(w.reg.Onboard(ctx, "ops", []string{"b", "a"}, []NamespaceRef{infra}))
	w.must(w.reg.Onboard(ctx, "ops", []string{"b", "a"}, []NamespaceRef{infra}))
	tn, _ := w.reg.Lookup("ops")
	if !cmp.Equal(tn.Groups, []string{"a", "b"}) || len(tn.Namespaces) != 1 || len(tn.Namespaces[0].UID) != 36 {
		t.Fatalf("tenant: %+v", tn)
	}
	w.owner("eu-1", "infra", w.now, "ops")
	for what, err := range map[string]error{
		"reserved name":          w.reg.Onboard(ctx, "_system", nil, nil),
		"bad namespace":          w.reg.AddNamespaces(ctx, "ops", []NamespaceRef{{"eu-1", "Not/One"}}),
		"namespace of another's": w.reg.Onboard(ctx, "thief", nil, []NamespaceRef{infra}),
		"unknown tenant":         w.reg.AddNamespaces(ctx, "nobody", nil),
		"unknown namespace":      w.reg.RemoveNamespace(ctx, "ops", NamespaceRef{"eu-2", "infra"}),
		"offboard nobody":        w.reg.Offboard(ctx, "nobody"),
	} {
		want := map[string]error{"unknown tenant": ErrNotFound, "unknown namespace": ErrNotFound, "offboard nobody": ErrNotFound,
			"namespace of another's": ErrConflict, "reserved name": ErrInvalid, "bad namespace": ErrInvalid}[what]
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	if _, ok := w.reg.Lookup("thief"); ok {
		t.Error("half of a refused order is in force")
	}

	// The operator's word stands over annotations.
	d := w.snapshot(eu, claim("infra", "u1", "thief", "t"))
	if d["infra"].Status != refusalAssigned {
		t.Errorf("decision: %+v", d["infra"])
	}
	c := claim("infra", "u1", "ops", "whatever")
	c.Limits.SeriesMax = 9
	if d = w.changes(eu, []tenant.Claim{c}); d["infra"].Tenant != "ops" {
		t.Errorf("decision: %+v", d["infra"])
	}
	tn, _ = w.reg.Lookup("ops")
	if tn.Namespaces[0].Limits.SeriesMax != 9 {
		t.Errorf("settings: %+v", tn.Namespaces[0])
	}
	w.snapshot(eu) // the annotation is gone, the order is not
	w.owner("eu-1", "infra", w.now, "ops")

	w.must(w.reg.SetNamespaces(ctx, "ops", []NamespaceRef{{"eu-2", "infra"}}))
	tn, _ = w.reg.Lookup("ops")
	if len(tn.Namespaces) != 1 || tn.Namespaces[0].Cluster != "eu-2" {
		t.Errorf("namespaces: %+v", tn.Namespaces)
	}
	w.must(w.reg.RemoveNamespace(ctx, "ops", NamespaceRef{"eu-2", "infra"}))
	if _, ok := w.reg.Lookup("ops"); !ok {
		t.Error("a tenant of the operator goes with its last namespace")
	}

	// Offboarded: claims stay out until it is onboarded again.
	w.snapshot(eu, claim("more", "u2", "ops", "a", "b"))
	w.owner("eu-1", "more", w.now, "ops")
	if err := w.reg.RemoveNamespace(ctx, "ops", NamespaceRef{"eu-1", "more"}); !errors.Is(err, ErrConflict) {
		t.Errorf("taking away an annotated namespace: %v", err)
	}
	w.must(w.reg.Offboard(ctx, "ops"))
	if d = w.changes(eu, nil); d["more"].Status != refusalStopped {
		t.Errorf("decision: %+v", d["more"])
	}
	if s, _ := w.reg.State("ops"); s.Condition != Stopped || len(s.Sealed) != 3 {
		t.Errorf("state: %+v", s)
	}
	w.must(w.reg.Onboard(ctx, "ops", []string{"a", "b"}, nil))
	if d = w.changes(eu, nil); d["more"].Tenant != "ops" {
		t.Errorf("decision: %+v", d["more"])
	}
	if s, _ := w.reg.State("ops"); s.Condition != Live || s.Status != tenant.StatusReady {
		t.Errorf("state: %+v", s)
	}
	// The operator changes the groups; who is in stays in, newcomers need the new ones.
	w.must(w.reg.Onboard(ctx, "ops", []string{"z"}, nil))
	d = w.changes(eu, []tenant.Claim{claim("late", "u3", "ops", "a", "b"), claim("new", "u4", "ops", "z")})
	if d["more"].Tenant != "ops" || d["late"].Tenant != "" || d["new"].Tenant != "ops" {
		t.Errorf("decisions: %+v", d)
	}
}

func TestClockGoesBack(t *testing.T) {
	w := newWorld(t)
	w.snapshot(eu, claim("pay", "u1", "payments", "g"))
	w.wait(-time.Hour)
	w.changes(eu, []tenant.Claim{claim("pay", "u2", "payments", "g")})
	w.wait(-time.Hour)
	w.changes(eu, []tenant.Claim{claim("pay", "u3", "other", "h")})
	want := look(w.reg)
	w.reopen()
	if diff := cmp.Diff(want, look(w.reg)); diff != "" {
		t.Error(diff)
	}
}

func TestBadGrants(t *testing.T) {
	for _, g := range []Grant{{}, {"eu-1", "[", "a"}, {"eu-1", "x", "_system"}, {"", "x", "a"}, {"eu-1", "", "a"}} {
		if _, err := Open(t.TempDir(), Options{Grants: []Grant{g}}); err == nil {
			t.Errorf("grant %+v is accepted", g)
		}
	}
}
