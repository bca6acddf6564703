package dashboards

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/tenant"
)

func TestChecks(t *testing.T) {
	down := errors.New("down")
	for _, tt := range []struct {
		name string
		f    Facts
		want string // states of metrics, logs, structured logs, health endpoint, alert contact
	}{
		{"nothing yet", Facts{}, "missing missing unknown missing unknown"},
		{"all well", Facts{Metrics: []string{"shop_orders_total", "up", "probe_success"}, Records: 200, Leveled: 190, Probes: 1}, "ok ok ok ok unknown"},
		{"the language's own metrics are a program's", Facts{Metrics: []string{"go_goroutines"}}, "ok missing unknown missing unknown"},
		{"the platform's are not", Facts{Metrics: []string{"container_memory_rss", "kube_pod_info", "oriel_agent_up"}}, "missing missing unknown missing unknown"},
		{"a target that never answered", Facts{Metrics: []string{"scrape_duration_seconds", "up"}}, "missing missing unknown missing unknown"},
		{"plain lines", Facts{Records: 200, Leveled: 99}, "missing ok missing missing unknown"},
		{"half of them structured", Facts{Records: 200, Leveled: 100}, "missing ok ok missing unknown"},
		{"an address, and nothing comes of it", Facts{Probes: 1}, "missing missing unknown missing unknown"},
		{"the kubelet's probes", Facts{Metrics: []string{"prober_probe_total"}}, "missing missing unknown ok unknown"},
		{"a blackbox exporter", Facts{Metrics: []string{"probe_success"}}, "missing missing unknown ok unknown"},
		{"nobody is told", Facts{Contact: Contact{Known: true}}, "missing missing unknown missing missing"},
		{"somebody is told", Facts{Contact: Contact{Known: true, Name: "pager"}}, "missing missing unknown missing ok"},
		{"no metric store", Facts{MetricsErr: down}, "unknown missing unknown unknown unknown"},
		{"no log store", Facts{LogsErr: down}, "missing unknown unknown missing unknown"},
	} {
		var got []string
		for _, c := range Checks(tt.f) {
			got = append(got, string(c.State))
			if !strings.HasSuffix(c.Detail, ".") || (c.Page == "") != (c.State == CheckOK) {
				t.Errorf("%s: %+v: want a sentence, and a page where something is to be mended", tt.name, c)
			}
			if c.Page != "" {
				if _, err := os.Stat(filepath.Join("..", c.Page)); err != nil {
					t.Errorf("%s: %s: %v", tt.name, c.Name, err)
				}
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
	}
}

func TestReceiptsAreKept(t *testing.T) {
	dir := t.TempDir()
	s, err := openReceipts(dir)
	if err != nil {
		t.Fatal(err)
	}
	team := tenant.Tenant{ID: "payments", Since: testTime}
	w := Render(Input{Tenant: team})
	at := func(minutes int) time.Time { return testTime.Add(time.Duration(minutes) * time.Minute) }
	keep := func(minutes int, changes ...Change) Made {
		t.Helper()
		if err := s.keep(team, madeOf(w, ByOrg, entry{ID: "t1", Created: testTime}, changes), changes, at(minutes)); err != nil {
			t.Fatal(err)
		}
		m, _, err := s.load(team.ID)
		if err != nil || m == nil {
			t.Fatalf("%v, %v", m, err)
		}
		return *m
	}
	times := func(m Made, made, changed int) {
		t.Helper()
		if !m.At.Equal(at(made)) || !m.Changed.Equal(at(changed)) {
			t.Errorf("at %v, changed %v; want %v, %v", m.At, m.Changed, at(made), at(changed))
		}
	}
	m := keep(1, Change{Op: Created, Object: "org"})
	times(m, 1, 1)
	if m.Place != "oriel: payments" || len(m.Sources) != 2 || len(m.Boards) != len(w.Boards) || len(m.Rules) != len(w.Rules) || m.Token.ID != "t1" {
		t.Errorf("%+v", m)
	}
	times(keep(2), 1, 1) // nothing was to be done
	times(keep(3, Change{Op: Updated, Object: "dashboard"}), 1, 3)

	off := Change{Op: Kept, Object: ObjectRules, Reason: "alerting is off"}
	m = keep(4, off)
	times(m, 1, 3)
	if len(m.Rules) != 0 || !cmp.Equal(m.Notes, []string{"alerting is off"}) {
		t.Errorf("without alerting: %+v", m)
	}

	// Another life of the name is another onboarding.
	team.Since = at(5)
	times(keep(6), 6, 6)

	// What does not read is written anew.
	if err := os.WriteFile(s.path(team.ID), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	times(keep(7), 7, 7)
	if err := errors.Join(s.forget(team.ID), s.forget(team.ID)); err != nil {
		t.Error(err)
	}
	if m, _, err := s.load(team.ID); m != nil || err != nil {
		t.Errorf("forgotten: %+v, %v", m, err)
	}
}
