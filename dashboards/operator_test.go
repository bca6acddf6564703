package dashboards

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/oriel-project/oriel/tenant"
)

// TestOperatorWindow: an organisation of its own, with Home, the rules over the
// platform, and data sources that the dashboards and rules ask.
func TestOperatorWindow(t *testing.T) {
	w := RenderOperator(Input{GatewayURL: "http://oriel:7480", PageURL: "https://oriel.example"})
	if w.Org != "oriel operators" || len(w.Sources) != 2 || len(w.Boards) != 1 || w.Boards[0].UID != w.Board(HomeKey) {
		t.Errorf("%s with %d sources and %d dashboards", w.Org, len(w.Sources), len(w.Boards))
	}
	for _, id := range []tenant.ID{"operators", "system"} {
		if n := NamesOf(id); n.Org == w.Org || n.Prefix == w.Prefix {
			t.Errorf("tenant %s has the operator's names", id)
		}
	}
	if w.Sources[0].JSONData[MarkTenant] != "_system" || w.Sources[0].Name != "oriel operators' metrics" {
		t.Errorf("source %+v", w.Sources[0])
	}
	pql := parser.NewParser(parser.Options{})
	for i, r := range OperatorRules() {
		if _, err := pql.ParseExpr(r.Expr); err != nil {
			t.Errorf("%s: %v", r.Title, err)
		}
		var made alertRule
		if err := json.Unmarshal(w.Rules[i].JSON, &made); err != nil {
			t.Fatal(err)
		}
		if made.Title != r.Title || made.Data[0].DatasourceUID != w.Metrics || made.Data[0].Model["expr"] != r.Expr || len(made.UID) > UIDLenMax {
			t.Errorf("rule %+v", made)
		}
	}
	if slices.Contains(Keys(), HomeKey) {
		t.Error("a tenant gets Home")
	}
}

// TestOperatorRulesFile keeps the rules for a Prometheus beside those for Grafana.
func TestOperatorRulesFile(t *testing.T) {
	const name = "../deploy/prometheus-rules.yaml"
	want, err := OperatorRulesFile()
	if err != nil {
		t.Fatal(err)
	}
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the rules are (%v): run with -update", name, err)
	}
}
