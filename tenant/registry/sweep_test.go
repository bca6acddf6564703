package registry

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/tenant"
)

const archive = 7 * 24 * time.Hour

// A life is forgotten, and its name given away, only after its telemetry is gone.
func TestForgottenAfterRemoval(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	var asked []string
	fault := errors.New("disk on fire")
	w.opts.Remove = func(_ context.Context, id tenant.ID, l tenant.Life) error {
		asked = append(asked, fmt.Sprintf("%s %s/%s", id, l.Cluster, l.Namespace))
		return fault
	}
	w.reopen()
	w.snapshot(eu, claim("pay", "u1", "payments", "g"))
	w.changes(eu, nil, "u1")
	w.wait(archive)
	if err := w.reg.Sweep(ctx); !errors.Is(err, fault) {
		t.Errorf("Sweep: %v", err)
	}
	w.reopen() // what failed is asked again after a restart, too
	if err := w.reg.Sweep(ctx); !errors.Is(err, fault) {
		t.Errorf("Sweep: %v", err)
	}
	if n := len(w.reg.Sealed("payments")); n != 1 {
		t.Errorf("%d sealed lives while the telemetry is there", n)
	}
	if d := w.snapshot(eu, claim("mine", "u2", "payments", "thieves")); d["mine"].Status != refusalGroups {
		t.Errorf("decision while the telemetry is there: %+v", d["mine"])
	}
	fault = nil
	w.must(w.reg.Sweep(ctx))
	if diff := cmp.Diff([]string{"payments eu-1/pay", "payments eu-1/pay", "payments eu-1/pay", "payments /"}, asked); diff != "" {
		t.Error(diff)
	}
	if got := w.reg.Known(); len(got) != 0 {
		t.Errorf("known: %v", got)
	}
	if d := w.changes(eu, nil); d["mine"].Tenant != "payments" {
		t.Errorf("the freed name is refused: %+v", d["mine"])
	}
}

// A name that the operator took from one team is another's only when nothing of
// the first one is left.
func TestNameOfAnotherTeam(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	removed := 0
	w.opts.Remove = func(context.Context, tenant.ID, tenant.Life) error { removed++; return nil }
	w.reopen()
	w.must(w.reg.Onboard(ctx, "ops", []string{"first"}, nil))
	w.must(w.reg.Offboard(ctx, "ops"))
	w.must(w.reg.Sweep(ctx))
	w.reopen()
	if err := w.reg.Onboard(ctx, "ops", []string{"second"}, nil); !errors.Is(err, ErrConflict) {
		t.Errorf("another team takes the name: %v", err)
	}
	// The same team is back, whether it says so or not.
	for _, groups := range [][]string{{"first"}, nil} {
		w.must(w.reg.Onboard(ctx, "ops", groups, nil))
		if tn, _ := w.reg.Lookup("ops"); len(tn.Groups) != 1 || tn.Groups[0] != "first" {
			t.Errorf("groups: %v", tn.Groups)
		}
		w.must(w.reg.Offboard(ctx, "ops"))
	}
	if removed != 0 {
		t.Errorf("%d removals within the archive's time", removed)
	}
	w.wait(archive)
	w.must(w.reg.Sweep(ctx))
	w.must(w.reg.Sweep(ctx))
	if removed != 1 {
		t.Errorf("%d removals, want one", removed)
	}
	if s, _ := w.reg.State("ops"); s.Condition != Stopped {
		t.Errorf("condition: %s", s.Condition)
	}
	w.must(w.reg.Onboard(ctx, "ops", []string{"second"}, nil))
}
