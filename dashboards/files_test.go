package dashboards

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/oriel-project/oriel/tenant"
)

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cash$dir")
	f, err := NewFiles(FilesOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	in := input()
	in.Isolation = ByFiles
	w := Render(in)
	c := Credential{ID: "t1", Secret: "top$ecret"}
	apply := func(want int) {
		t.Helper()
		changes, err := f.Apply(t.Context(), w, c)
		if err != nil || len(changes) != want {
			t.Errorf("%d changes, want %d: %v, %v", len(changes), want, changes, err)
		}
	}
	apply(2 + len(w.Boards))
	apply(0)

	name := filepath.Join(dir, "provisioning/datasources/oriel-payments.yaml")
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Stat(name); fi.Mode().Perm() != 0o600 {
		t.Errorf("the file with the token has mode %v", fi.Mode())
	}
	// Grafana replaces variables and halves doubled dollar signs.
	var doc fileSources
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(string(raw), "$$", "$")), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Sources) != 2 || !doc.Prune || doc.Sources[0].Secret["httpHeaderValue1"] != "Bearer top$ecret" || doc.Sources[0].UID != w.Metrics || doc.Sources[1].JSONData["index"] != "*" {
		t.Errorf("data sources %+v", doc)
	}
	var provider struct {
		Providers []struct {
			Options struct {
				Path  string
				Files bool `yaml:"foldersFromFilesStructure"`
			}
		}
	}
	raw, err = os.ReadFile(filepath.Join(dir, "provisioning/dashboards/oriel.yaml"))
	if err != nil || yaml.Unmarshal(raw, &provider) != nil || len(provider.Providers) != 1 {
		t.Fatalf("provider %s, %v", raw, err)
	}
	if o := provider.Providers[0].Options; strings.ReplaceAll(o.Path, "$$", "$") != filepath.Join(dir, "dashboards") || !o.Files {
		t.Errorf("provider %+v", o)
	}

	// Grafana would replace $labels, too.
	ruleFile := filepath.Join(dir, "provisioning/alerting/oriel-payments.yaml")
	raw, err = os.ReadFile(ruleFile)
	if err != nil {
		t.Fatal(err)
	}
	var alerting fileRules
	if err := yaml.Unmarshal(raw, &alerting); err != nil || len(alerting.Groups) != 1 || len(alerting.Groups[0].Rules) != len(w.Rules) || alerting.Groups[0].Folder != "payments" ||
		!strings.Contains(string(raw), "{{ $$labels.pod }}") || strings.Contains(strings.ReplaceAll(string(raw), "$$", ""), "$") {
		t.Errorf("alert rules: %v\n%s", err, raw)
	}

	// Healed, pruned, and only what differs is written.
	board := filepath.Join(dir, "dashboards/payments", w.Boards[0].UID+".json")
	if err := os.Remove(board); err != nil {
		t.Fatal(err)
	}
	apply(1)
	if err := os.WriteFile(filepath.Join(dir, "dashboards/payments", w.Prefix+"-old.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	apply(1)
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	apply(1)
	c.ID = "t2"
	apply(1)

	// Offboarding: ours goes, theirs stays, and so do other tenants'.
	theirs := filepath.Join(dir, "dashboards/payments/theirs.json")
	if err := os.WriteFile(theirs, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	in.Tenant.ID = "billing"
	if _, err := f.Apply(t.Context(), Render(in), c); err != nil {
		t.Fatal(err)
	}
	remove := func(id tenant.ID, want int) {
		t.Helper()
		changes, err := f.Remove(t.Context(), NamesOf(id))
		if err != nil || len(changes) != want {
			t.Errorf("%d changes, want %d: %v, %v", len(changes), want, changes, err)
		}
	}
	remove("payments", 3+len(w.Boards)) // one is that the directory was kept
	for path, there := range map[string]bool{name: false, board: false, theirs: true, filepath.Join(dir, "dashboards/billing"): true} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: there %v, want %v", path, err == nil, there)
		}
	}
	if raw, err := os.ReadFile(ruleFile); err != nil || !strings.Contains(string(raw), "deleteRules:") || strings.Contains(string(raw), "groups:") {
		t.Errorf("the end of the alert rules: %v\n%s", err, raw)
	}
	remove("billing", 2+len(w.Boards))
	remove("billing", 0)
	if _, err := os.Stat(filepath.Join(dir, "dashboards/billing")); err == nil {
		t.Error("the empty directory stayed")
	}
}
