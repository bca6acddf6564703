package grafanatest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// Alert rules. One rule by POST is as recorded; groups, and the lock that rules
// written without X-Disable-Provenance get, are as Grafana's documentation has
// them: no recording exists.
func (g *Grafana) ruleRoutes() {
	const unlock = "X-Disable-Provenance"
	// store gives what Grafana would keep: it fills in what was left out.
	store := func(c caller, r *http.Request, in map[string]any) map[string]any {
		raw, _ := json.Marshal(in)
		var rule map[string]any
		json.Unmarshal(raw, &rule)
		rule["id"], rule["orgID"], rule["updated"] = float64(g.id()), float64(c.org.ID), "2026-11-22T19:33:44Z"
		for k, v := range map[string]any{"isPaused": false, "notification_settings": nil, "record": nil} {
			if _, ok := rule[k]; !ok {
				rule[k] = v
			}
		}
		if r.Header.Get(unlock) != "true" {
			rule["provenance"] = "api"
		}
		data, _ := rule["data"].([]any)
		for _, q := range data {
			if m, ok := q.(map[string]any)["model"].(map[string]any); ok {
				m["intervalMs"], m["maxDataPoints"] = 1000.0, 43200.0
			}
		}
		return rule
	}
	inGroup := func(r *http.Request) func(map[string]any) bool {
		folder, group := r.PathValue("uid"), r.PathValue("group")
		return func(rule map[string]any) bool { return rule["folderUID"] == folder && rule["ruleGroup"] == group }
	}
	bad := func(c caller, in map[string]any) *refusal {
		uid, _ := in["uid"].(string)
		folder, _ := in["folderUID"].(string)
		switch {
		case uid == "" || badUID(uid) != nil:
			return no(http.StatusBadRequest, "bad uid")
		case c.org.folders[folder] == nil:
			return no(http.StatusBadRequest, "folder does not exist")
		}
		return nil
	}
	g.handle("GET /api/v1/provisioning/alert-rules", Viewer, func(_ *http.Request, c caller) (any, *refusal) {
		return sorted(c.org.rules), nil
	})
	g.handle("POST /api/v1/provisioning/alert-rules", Editor, func(r *http.Request, c caller) (any, *refusal) {
		var in map[string]any
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		if ref := bad(c, in); ref != nil {
			return nil, ref
		}
		uid := in["uid"].(string)
		if c.org.rules[uid] != nil {
			return nil, no(http.StatusConflict, "a rule with this uid exists already")
		}
		c.org.rules[uid] = store(c, r, in)
		return created{c.org.rules[uid]}, nil
	})
	g.handle("GET /api/v1/provisioning/folder/{uid}/rule-groups/{group}", Viewer, func(r *http.Request, c caller) (any, *refusal) {
		list := slices.DeleteFunc(sorted(c.org.rules), func(rule map[string]any) bool { return !inGroup(r)(rule) })
		if len(list) == 0 {
			return nil, no(http.StatusNotFound, "rule group does not exist")
		}
		return map[string]any{"title": r.PathValue("group"), "folderUid": r.PathValue("uid"), "interval": c.org.intervals[r.PathValue("uid")+"/"+r.PathValue("group")], "rules": list}, nil
	})
	g.handle("PUT /api/v1/provisioning/folder/{uid}/rule-groups/{group}", Editor, func(r *http.Request, c caller) (any, *refusal) {
		var in struct {
			Interval int
			Rules    []map[string]any
		}
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		next := map[string]map[string]any{}
		for _, rule := range in.Rules {
			if ref := bad(c, rule); ref != nil {
				return nil, ref
			}
			uid := rule["uid"].(string)
			if old := c.org.rules[uid]; old != nil && !inGroup(r)(old) {
				return nil, no(http.StatusConflict, "a rule with this uid is in another group")
			} else if old != nil && old["provenance"] == "api" && r.Header.Get(unlock) == "true" {
				return nil, no(http.StatusConflict, "cannot change provenance from 'api' to ''")
			}
			next[uid] = store(c, r, rule)
		}
		maps.DeleteFunc(c.org.rules, func(_ string, rule map[string]any) bool { return inGroup(r)(rule) })
		maps.Copy(c.org.rules, next)
		c.org.intervals[r.PathValue("uid")+"/"+r.PathValue("group")] = in.Interval
		return map[string]any{"title": r.PathValue("group"), "folderUid": r.PathValue("uid"), "interval": in.Interval, "rules": slices.Collect(maps.Values(next))}, nil
	})
	g.handle("DELETE /api/v1/provisioning/folder/{uid}/rule-groups/{group}", Editor, func(r *http.Request, c caller) (any, *refusal) {
		maps.DeleteFunc(c.org.rules, func(_ string, rule map[string]any) bool { return inGroup(r)(rule) })
		return map[string]any{"message": "deleted"}, nil
	})
}

// created is a reply with status 201.
type created struct{ any }
