package grafana_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/dashboards"
)

// rulesOf gives the alert rules of an organisation by uid.
func (w *world) rulesOf(org int) map[string]map[string]any {
	w.t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(w.must("admin", org, "GET", "/api/v1/provisioning/alert-rules", "")), &list); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, r := range list {
		out[r["uid"].(string)] = r
	}
	return out
}

// putGroup writes the rules of Oriel's group as somebody in Grafana's pages would
// leave it.
func (w *world) putGroup(org int, n dashboards.Names, rules map[string]map[string]any) {
	w.t.Helper()
	var list []map[string]any
	for _, r := range rules {
		if r["ruleGroup"] == dashboards.RuleGroup {
			list = append(list, r)
		}
	}
	raw, err := json.Marshal(map[string]any{"interval": 60, "rules": list})
	if err != nil {
		w.t.Fatal(err)
	}
	w.must("admin", org, "PUT", "/api/v1/provisioning/folder/"+n.Folder+"/rule-groups/"+dashboards.RuleGroup, string(raw))
	w.g.Writes()
}

func TestAlertRules(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments")
	w.reconcile("payments")
	org, n := w.g.OrgID("oriel: payments"), dashboards.NamesOf("payments")
	made := w.rulesOf(org)
	for _, key := range []string{"crash", "down", "errors", "memory", "volume", "agent"} {
		r := made[n.Prefix+"-a-"+key]
		if r == nil || r["folderUID"] != n.Folder || r["provenance"] != nil {
			t.Errorf("rule %s: %v", key, r)
		}
	}
	w.quiet("payments")
	w.ops()
	crash := n.Prefix + "-a-crash"
	did := func(what string, want ...string) {
		t.Helper()
		w.reconcile("payments")
		if got := w.ops(); !slices.Equal(got, want) {
			t.Errorf("%s: did %v, want %v", what, got, want)
		}
		w.quiet("payments")
	}

	// Paused, and who is told: the team's to say.
	rules := w.rulesOf(org)
	rules[crash]["isPaused"] = true
	rules[crash]["notification_settings"] = map[string]any{"receiver": "pager"}
	w.putGroup(org, n, rules)
	did("paused")

	// Another threshold is copied, paused, and set back; what is the team's stays.
	rules = w.rulesOf(org)
	rules[crash]["for"] = "1h"
	w.putGroup(org, n, rules)
	did("edited", "copied alert rule", "updated alert rules")
	rules = w.rulesOf(org)
	if r := rules[crash]; r["for"] != "2m" || r["isPaused"] != true || r["notification_settings"] == nil {
		t.Errorf("healed: %v", r)
	}
	copies := 0
	for uid, r := range rules {
		if strings.HasPrefix(uid, n.Prefix+"-c_") {
			copies++
			if r["for"] != "1h" || r["isPaused"] != true || r["ruleGroup"] != dashboards.CopyGroup {
				t.Errorf("copy: %v", r)
			}
		}
	}
	if copies != 1 {
		t.Errorf("%d copies", copies)
	}

	// Deleted: made again. Somebody's own in the group: left in it.
	delete(rules, crash)
	rules["theirs"] = map[string]any{"uid": "theirs", "title": "theirs", "folderUID": n.Folder, "ruleGroup": dashboards.RuleGroup, "data": []any{map[string]any{"datasourceUid": "another"}}}
	w.putGroup(org, n, rules)
	did("deleted", "updated alert rules")
	if rules = w.rulesOf(org); rules["theirs"] == nil || rules[crash] == nil {
		t.Errorf("left are %v", rules)
	}

	// Offboarding takes ours and nothing else, with what holds it.
	w.dir.remove("payments")
	w.reconcile("payments")
	for uid := range w.rulesOf(org) {
		if strings.Contains(uid, "-a-") {
			t.Errorf("rule %s is still there", uid)
		}
	}
	if w.rulesOf(org)["theirs"] == nil {
		t.Error("somebody's rule is gone")
	}
}

// TestForeignRule: a rule of that uid that is not Oriel's is left alone, and named.
func TestForeignRule(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments")
	w.reconcile("payments")
	org, n := w.g.OrgID("oriel: payments"), dashboards.NamesOf("payments")
	rules := w.rulesOf(org)
	uid := n.Prefix + "-a-down"
	rules[uid]["annotations"] = map[string]any{"by": "hand"}
	rules[uid]["title"] = "mine"
	w.putGroup(org, n, rules)
	if err := w.rec.Reconcile(t.Context(), "payments"); err == nil || !strings.Contains(err.Error(), uid) {
		t.Errorf("error %v, want one that names %s", err, uid)
	}
	if got := w.rulesOf(org)[uid]["title"]; got != "mine" {
		t.Errorf("somebody's rule is now %q", got)
	}
}
