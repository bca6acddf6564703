package dashboards

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 11, 22, 20, 30, 0, 0, time.UTC)

// change gives a dashboard's JSON after f.
func change(t *testing.T, raw []byte, f func(d map[string]any)) []byte {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	f(d)
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestJudge(t *testing.T) {
	want := Render(input()).Boards[0]
	other := Render(input("process_cpu_seconds_total")).Boards[0]
	firstPanel := func(d map[string]any) map[string]any { return d["panels"].([]any)[1].(map[string]any) }
	for name, c := range map[string]struct {
		live []byte
		want Verdict
	}{
		"as written":                   {want.JSON, Same},
		"with Grafana's own additions": {change(t, want.JSON, func(d map[string]any) { d["id"], d["version"], d["schemaVersion"], d["weekStart"] = 7, 3, 42, "" }), Same},
		"saved in the browser without changes": {change(t, want.JSON, func(d map[string]any) {
			delete(d, "oriel")
			firstPanel(d)["pluginVersion"] = "12.3.3"
		}), Same},
		"as written for other metrics": {change(t, other.JSON, func(d map[string]any) { d["id"], d["version"] = 7, 3 }), Stale},
		"a panel renamed":              {change(t, want.JSON, func(d map[string]any) { firstPanel(d)["title"] = "mine" }), Edited},
		"a panel gone":                 {change(t, want.JSON, func(d map[string]any) { d["panels"] = d["panels"].([]any)[1:] }), Edited},
		"a panel more":                 {change(t, want.JSON, func(d map[string]any) { d["panels"] = append(d["panels"].([]any), map[string]any{"id": 99}) }), Edited},
		"edited, tags alone left":      {change(t, want.JSON, func(d map[string]any) { delete(d, "oriel"); d["title"] = "mine" }), Edited},
		"edited, tags taken off":       {change(t, want.JSON, func(d map[string]any) { d["tags"] = []any{} }), Edited},
		"both marks gone":              {change(t, want.JSON, func(d map[string]any) { delete(d, "oriel"); d["tags"] = []any{"x"} }), Foreign},
		"another tenant's mark":        {change(t, want.JSON, func(d map[string]any) { d["oriel"] = map[string]any{"tenant": "billing"} }), Foreign},
		"not ours at all":              {[]byte(`{"uid":"` + want.UID + `","title":"x"}`), Foreign},
	} {
		got, err := Judge(c.live, want)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
	// Grafana gives it back in another schema: only what was written tells that
	// nobody edited it.
	migrated := change(t, other.JSON, func(d map[string]any) { d["schemaVersion"] = 42; firstPanel(d)["pluginVersion"] = "13" })
	edited := change(t, migrated, func(d map[string]any) { firstPanel(d)["title"] = "mine" })
	for name, c := range map[string]struct {
		live, was []byte
		want      Verdict
	}{
		"migrated, not remembered": {migrated, nil, Edited},
		"migrated":                 {migrated, other.JSON, Stale},
		"migrated and edited":      {edited, other.JSON, Edited},
		"remembered badly":         {migrated, []byte("{"), Edited},
	} {
		w := want
		w.Was = c.was
		if got, err := Judge(c.live, w); err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
	for _, bad := range []string{``, `null`, `[]`, `{`} {
		if _, err := Judge([]byte(bad), want); err == nil {
			t.Errorf("%q was judged", bad)
		}
	}
}

func TestCopyOf(t *testing.T) {
	w := Render(input())
	edited := change(t, w.Boards[0].JSON, func(d map[string]any) {
		d["title"], d["id"], d["version"], d["tags"] = "mine", 7, 9, []any{"oriel", "team"}
	})
	c, err := CopyOf(w.Names, edited, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if c.Title != "mine (your copy of 2026-11-22 20:30)" {
		t.Errorf("title %q", c.Title)
	}
	var d map[string]any
	if err := json.Unmarshal(c.JSON, &d); err != nil {
		t.Fatal(err)
	}
	if d["id"] != nil || d["version"] != nil || d["oriel"] != nil || d["uid"] != c.UID || d["schemaVersion"] == nil {
		t.Errorf("copy %v", d)
	}
	if tags := d["tags"].([]any); len(tags) != 2 || tags[0] != "team" || tags[1] != CopyTag {
		t.Errorf("tags %v", tags)
	}
	if Ours(c.JSON, "payments") {
		t.Error("a copy counts as ours")
	}
	again, err := CopyOf(w.Names, edited, testTime.Add(time.Hour))
	if err != nil || again.UID != c.UID {
		t.Errorf("the same edits got another uid: %s, %s, %v", c.UID, again.UID, err)
	}
}

func FuzzJudge(f *testing.F) {
	want := Render(input()).Boards[0]
	f.Add(want.JSON)
	f.Add([]byte(`{"tags":["oriel"],"panels":{},"oriel":[]}`))
	f.Add([]byte(`{"oriel":{"tenant":"payments","hash":1},"panels":[null]}`))
	f.Fuzz(func(t *testing.T, live []byte) {
		if v, err := Judge(live, want); err == nil && v == Edited {
			c, err := CopyOf(NamesOf("payments"), live, testTime)
			if err != nil || len(c.UID) > UIDLenMax || !strings.HasSuffix(c.Title, ")") {
				t.Errorf("%+v, %v", c, err)
			}
		}
	})
}
