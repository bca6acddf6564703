package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/tenant"
)

// TestRandomHistories runs random rosters and orders by seed and checks after
// every step what must always hold: lives never overlap, only the last one
// lives, every living life shows in exactly one tenant, a moment has the owner
// that its life names, and no moment that an owner was given for shows once the
// life is sealed.
func TestRandomHistories(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, Grant{Cluster: "*", Namespace: "n0", Tenant: "t0"})
			pick := func(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, rnd.IntN(n)) }
			random := func() tenant.Claim {
				ns := pick("n", 4)
				c := claim(ns, ns+"-"+pick("u", 3), pick("t", 4), pick("g", 2))
				if rnd.IntN(4) == 0 {
					c.OnDelete = tenant.Purge
				}
				return c
			}
			for step := range 150 {
				c := tenant.Cluster{Name: pick("c", 2)}
				id := tenant.ID(pick("t", 4))
				refs := []NamespaceRef{{c.Name, pick("n", 4)}}
				switch rnd.IntN(10) {
				case 0:
					var claims []tenant.Claim
					for range rnd.IntN(4) {
						claims = append(claims, random())
					}
					w.snapshot(c, claims...)
				case 1, 2, 3, 4:
					if w.version[c.Name] > 0 {
						w.changes(c, []tenant.Claim{random()}, random().UID)
					}
				case 5:
					_ = w.reg.Onboard(ctx, id, []string{pick("g", 2)}, refs)
				case 6:
					_ = w.reg.SetNamespaces(ctx, id, refs)
				case 7:
					_ = w.reg.Offboard(ctx, id)
				case 8:
					w.must(w.reg.Sweep(ctx))
				case 9:
					want := look(w.reg)
					w.reopen()
					if diff := cmp.Diff(want, look(w.reg)); diff != "" {
						t.Fatalf("step %d, reopened (-want +got):\n%s", step, diff)
					}
				}
				w.wait(time.Duration(rnd.Int64N(int64(12 * time.Hour))))
				check(t, w.reg, step)
			}
		})
	}
}

func check(t *testing.T, r *Registry, step int) {
	t.Helper()
	shown := map[string]tenant.ID{}
	for tn := range r.All() {
		for _, n := range tn.Namespaces {
			k := n.Cluster + "/" + n.Life.Namespace
			if other, ok := shown[k]; ok {
				t.Fatalf("step %d: %s is in %s and in %s", step, k, other, tn.ID)
			}
			shown[k] = tn.ID
		}
	}
	for k, h := range r.st.hist {
		for i, l := range h.Lives {
			if i > 0 && (h.Lives[i-1].To.IsZero() || l.From.Before(h.Lives[i-1].To)) {
				t.Fatalf("step %d: lives of %v overlap: %+v", step, k, h.Lives)
			}
			if !l.To.IsZero() && l.To.After(l.From) {
				if id, ok := r.Owner(k.cluster, k.namespace, l.From); !ok || id != l.Tenant {
					t.Fatalf("step %d: owner of %v at %s is %q, want %q", step, k, l.From, id, l.Tenant)
				}
			}
			if l.To.IsZero() && shown[k.cluster+"/"+k.namespace] != l.Tenant {
				t.Fatalf("step %d: %v lives in %s and does not show there", step, k, l.Tenant)
			}
		}
		if h.living() != nil {
			continue
		}
		// Nothing of it lives: what it still owns at any moment is sealed.
		for _, l := range h.Lives {
			for _, at := range []time.Time{l.From.Add(-time.Hour), l.From, l.To.Add(-1), l.To.Add(time.Minute), l.To.Add(lateFor)} {
				id, ok := r.Owner(k.cluster, k.namespace, at)
				if !ok {
					continue
				}
				sealed := false
				for _, s := range r.Sealed(id) {
					sealed = sealed || (s.Cluster == k.cluster && s.Namespace == k.namespace && s.Covers(at))
				}
				if !sealed {
					t.Fatalf("step %d: %v at %s goes to %s, and is not sealed there", step, k, at, id)
				}
			}
		}
	}
}
