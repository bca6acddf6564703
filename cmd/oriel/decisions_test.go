package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// TestDecisionsAreKept: an agent that starts while central is away knows what
// central decided last.
func TestDecisionsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), dirDirectory)
	log := slog.New(slog.DiscardHandler)
	openDecisions(dir, log).set([]tenant.Decision{{Namespace: "shop", Tenant: "shop"}, {Namespace: "no", Status: "refused"}})
	d := openDecisions(dir, log)
	if id, ok := d.Owner("", "shop", time.Now()); !ok || id != "shop" {
		t.Errorf("owner of shop: %q %v", id, ok)
	}
	if _, ok := d.Owner("", "no", time.Now()); ok || !d.decided("no") || d.decided("new") {
		t.Error("a refusal is no decision any more, or it owns something")
	}
	if not, _ := d.ready(); not == "" {
		t.Error("ready before central has answered")
	}
	// A file that was cut costs a question to central, not the start.
	name := filepath.Join(dir, decisionsFile)
	if err := os.Truncate(name, 5); err != nil {
		t.Fatal(err)
	}
	if d := openDecisions(dir, log); d.decided("shop") {
		t.Error("a cut file was believed")
	}
}
